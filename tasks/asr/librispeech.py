"""Reader of LibriSpeech: folders as openslr.org packs them, or the hub."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import inside, read_lines, shown
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.sample import Dataset

from .hub_speech import local_or_hub
from .utterances import Found, Utterance


def librispeech(card: DatasetCard, split: str) -> Dataset:
    """One split: `LibriSpeech/SPLIT/SPEAKER/CHAPTER/*.trans.txt` with lines "ID TEXT" beside `ID.flac`.

    Raises:
        UsageError: no such split, it cannot be read, or is not what the card says.
    """
    return local_or_hub(card, split, _find, f"LibriSpeech/{split}/SPEAKER/CHAPTER/*.trans.txt")


def _find(card: DatasetCard, folder: Path, split: str) -> Found | None:
    for place in (folder / split, folder / "LibriSpeech" / split, *([folder] if folder.name == split else [])):
        if place.is_dir() and (files := sorted(place.glob("*/*/*.trans.txt"))):
            return _read(files)
    return None


def _read(files: list[Path]) -> Iterator[tuple[str, Utterance]]:
    for file in files:
        for number, line in read_lines(file):
            where = f"{shown(file)}:{number}"
            name, _, text = line.partition(" ")
            if not text.strip():
                raise UsageError(f"{where}: expected ID and text, found {line!r:.80}")
            audio = inside(file.parent, f"{name}.flac", where)
            yield where, Utterance(name, audio, text.strip(), file.parent.parent.name)
