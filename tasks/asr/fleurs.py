"""Reader of FLEURS: a language's folder of the hub's repository, or the hub."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import inside, read_lines, shown
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.sample import Dataset

from .hub_speech import local_or_hub
from .utterances import Found, Utterance

_FIELDS = 7  # sentence id, file, raw transcription, transcription, letters, samples, gender
_LOCAL = {"validation": "dev"}


def fleurs(card: DatasetCard, split: str) -> Dataset:
    """One split: `LANGUAGE/SPLIT.tsv` without a header, recordings in `LANGUAGE/audio/SPLIT/` (unpacked).

    The language is the card's, unless `--data` is a folder of one language. A sentence was read by up to three
    people, who are not named: the sentence is the group, since errors on the same words go together.

    Raises:
        UsageError: no such split, it cannot be read, or is not what the card says.
    """
    return local_or_hub(card, split, _find, f"{card.options['language']}/{_LOCAL.get(split, split)}.tsv")


def _find(card: DatasetCard, folder: Path, split: str) -> Found | None:
    language, name = card.options["language"], _LOCAL.get(split, split)
    for place in (folder, folder / language, folder / "data" / language):
        if (place / f"{name}.tsv").is_file():
            audio = next((f for f in (place / "audio" / name, place / name) if f.is_dir()), place / "audio" / name)
            return _read(place / f"{name}.tsv", audio)
    return None


def _read(file: Path, audio: Path) -> Iterator[tuple[str, Utterance]]:
    for line, text in read_lines(file):
        where = f"{shown(file)}:{line}"
        row = text.split("\t")
        if len(row) != _FIELDS:
            raise UsageError(f"{where}: expected {_FIELDS} fields, found {len(row)}")
        yield where, Utterance(row[1].removesuffix(".wav"), inside(audio, row[1], where), row[3], row[0])
