"""What a table tells, as plain text: title, columns of cells, notes. How it is written is for the writers.

Leaderboards and comparisons are both told as sheets, so that every format has one writer (`markup.py`, `terminal.py`).
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a table.

    Attributes:
        text: the value.
        interval: stands after it, less prominent; empty where there is none.
        best: no row has a better value.
        mark: raised after the text (`***`), explained in the notes.
    """

    text: str
    interval: str = ""
    best: bool = False
    mark: str = ""

    def __str__(self) -> str:
        marked = f"{self.text}{self.mark}"
        return f"{marked} {self.interval}" if self.interval else marked


@dataclass(frozen=True, slots=True)
class Column:
    """`optional` columns may be left out where space is short, the last first."""

    header: str
    cells: Sequence[Cell]
    numeric: bool = True
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph below a table; `about` is the header of the column without which it says nothing."""

    text: str
    about: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table for people.

    Attributes:
        title: what its rows have in common.
        columns: with equally many cells.
        notes: what a reader must know to read it.
    """

    title: str
    columns: tuple[Column, ...]
    notes: tuple[Note, ...] = ()

    @property
    def rows(self) -> int:
        """Their number."""
        return len(self.columns[0].cells)

    def told(self, left_out: Container[str] = ()) -> list[str]:
        """The notes, a paragraph each, but those about a column whose header is in `left_out`."""
        return [note.text for note in self.notes if note.about is None or note.about not in left_out]
