"""What `mmbench gate` tells while it measures: notes, and on a terminal which pair runs and what is known so far."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from mmbench.errors import printable
from mmbench.gate.gate import GateProgress
from mmbench.gate.words import told
from mmbench.record.gate import Finding


class GateLines(GateProgress):
    """Prints lines; a context in which a terminal shows what runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("making base and head ready", console=console) if console.is_terminal else None
        self._known = ""

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def note(self, message: str) -> None:
        """Print it."""
        self.line(f"note: {message}")

    def pair(self, number: int, most: int) -> None:
        """Show it on a terminal."""
        self.tell(f"pair {number} of at most {most}{self._known}")

    def found(self, findings: Sequence[Finding]) -> None:
        """Show it beside the next pair."""
        self._known = f"; so far {'; '.join(map(told, findings))}"

    def line(self, text: str) -> None:
        """Print a line."""
        self._console.print(escape(printable(text)), soft_wrap=True)

    def tell(self, text: str) -> None:
        """Show on a terminal what runs now."""
        if self._status is not None:
            self._status.update(escape(printable(text)))
