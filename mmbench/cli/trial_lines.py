"""What `mmbench compare` tells of its trials: a line for each that ended, and on a terminal what runs now."""

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from mmbench.engine.trial_work import Verb
from mmbench.engine.trials import TrialProgress
from mmbench.errors import printable

_PAST: dict[Verb, str] = {"train": "trained", "eval": "evaluated"}


class TrialLines(TrialProgress):
    """Prints lines; a context in which a terminal shows what runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console) if console.is_terminal else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def planned(self, trials: int, stored: int, trainings: int, evaluations: int) -> None:
        """Print it."""
        todo = (
            [_counted(trainings, "training"), _counted(evaluations, "evaluation")] if stored < trials else ["nothing"]
        )
        self._print(f"{_counted(trials, 'trial')}, {stored} stored; to do: {' and '.join(todo)}")

    def running(self, labels: Sequence[str]) -> None:
        """Show it on a terminal."""
        if self._status is not None and labels:
            self._status.update(escape(printable("; ".join(labels))))
            self._status.start()

    def done(self, verb: Verb, label: str, number: int, total: int, seconds: float) -> None:
        """Print it."""
        self._print(f"{_PAST[verb]} {label} ({number} of {total}; {clock(seconds)})")

    def failed(self, label: str, reason: str) -> None:
        """Print it."""
        self._print(f"failed {label}: {reason}")

    def note(self, message: str) -> None:
        """Print it."""
        self._print(f"note: {message}")

    def _print(self, line: str) -> None:
        self._console.print(escape(printable(line)), soft_wrap=True)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def clock(seconds: float) -> str:
    """A duration as `1:42` (minutes and seconds), or `1:02:03` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
