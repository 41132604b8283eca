"""Reader of Common Voice: a release as Mozilla packs it, or the hub."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import inside, read_tsv, shown
from mmbench.data.card import DatasetCard
from mmbench.sample import Dataset

from .hub_speech import local_or_hub
from .utterances import Found, Utterance


def common_voice(card: DatasetCard, split: str) -> Dataset:
    """One split: `cv-corpus-VERSION/LANGUAGE/SPLIT.tsv` with columns path, sentence and client_id; `clips/*.mp3`.

    The language is the card's, unless `--data` is a folder of one language.

    Raises:
        UsageError: no such split, it cannot be read, or is not what the card says.
    """
    return local_or_hub(card, split, _find, f"cv-corpus-*/{card.options['language']}/{split}.tsv")


def _find(card: DatasetCard, folder: Path, split: str) -> Found | None:
    language = card.options["language"]
    for place in (folder, folder / language, *sorted(folder.glob(f"cv-corpus-*/{language}"))):
        if (place / f"{split}.tsv").is_file():
            return _read(place / f"{split}.tsv")
    return None


def _read(file: Path) -> Iterator[tuple[str, Utterance]]:
    for line, row in read_tsv(file, ("path", "sentence", "client_id")):
        where = f"{shown(file)}:{line}"
        audio = inside(file.parent / "clips", row["path"], where)
        yield where, Utterance(row["path"], audio, row["sentence"], row["client_id"])
