"""The files of a data set that eSpeak NG has spoken: its tables, and which version spoke."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from mmbench.data.annotations import field, read_text
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError

_VERSION = "espeak.txt"


def write_table(path: Path, columns: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a table as `read_tsv` reads it; no value may hold a tab or a line end."""
    lines = ("\t".join(map(str, row)) + "\n" for row in [columns, *rows])
    path.write_text("".join(lines), encoding="utf-8", newline="")


def note_version(folder: Path, version: str) -> None:
    """Keep the version of eSpeak NG with the files: another one says the same words in other samples."""
    (folder / _VERSION).write_text(f"{version}\n", encoding="utf-8", newline="")


def spoken_revision(card: DatasetCard, folder: Path) -> str:
    """The card's revision, with the version of eSpeak NG where the folder tells it: `1-espeak-1.52.0`."""
    path = folder / _VERSION
    return f"{card.revision}-espeak-{read_text(path).strip()}" if path.is_file() else card.revision


def seconds(row: Mapping[str, str], where: str) -> float:
    """The field `seconds` of a row.

    Raises:
        UsageError: it is no number above 0; says where.
    """
    text = field(row, "seconds", str, where)
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"{where}: field 'seconds': expected a number above 0, found {text!r}")
    return value
