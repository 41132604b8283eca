"""Progress bars on stderr: rate, time left, and one line an epoch."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mmbench.engine.progress import DiagnoseProgress, Epoch, EvalProgress, TrainProgress


class _Rate(ProgressColumn):
    """Units a second, smoothed."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} {self._unit}/s", style="cyan")


class _Bar:
    """A bar that lives as long as its context; a terminal sees it move, a log file only the lines."""

    def __init__(self, console: Console, unit: str) -> None:
        self.console = console
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            _Rate(unit),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task("", total=None)

    def __enter__(self) -> Self:
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()


def shown_metrics(epoch: Epoch, between: str) -> str:
    """Each validation metric with its value, a dash where it is not defined."""
    values = ((name, "–" if value is None else f"{value:.4f}") for name, value in epoch.metrics.items())
    return between.join(f"{name} {value}" for name, value in values)


class TrainBar(_Bar, TrainProgress):
    """Optimiser steps, and a line for each epoch."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "steps")
        self.bar.update(self.task, description="train")

    def step(self, done: int, total: int) -> None:
        """Move the bar."""
        self.bar.update(self.task, completed=done, total=total)

    def epoch(self, epoch: Epoch) -> None:
        """Print the line."""
        loss = "" if epoch.loss is None else f"loss {epoch.loss:.4f}  "
        best = "  *" if epoch.is_best else ""
        self.console.print(f"epoch {epoch.number:>3}  {loss}validation {shown_metrics(epoch, '  ')}{best}")

    def note(self, message: str) -> None:
        """Print it."""
        self.console.print(f"note: {message}", markup=False)


class EvalBar(_Bar, EvalProgress):
    """Samples scored, and notes."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "samples")
        self.bar.update(self.task, description="eval")

    def start(self, done: int, total: int) -> None:
        """Set the bar to what a resumed run had done."""
        self.bar.update(self.task, completed=done, total=total)

    def advance(self, samples: int) -> None:
        """Move the bar."""
        self.bar.advance(self.task, samples)

    def cost_pass(self, name: str) -> None:
        """Show what is measured."""
        self.bar.reset(self.task, description=f"cost: {name}", total=None)

    def note(self, message: str) -> None:
        """Print it."""
        self.console.print(f"note: {message}", markup=False)


class DiagnoseBar(_Bar, DiagnoseProgress):
    """Passes over the samples, then recombined samples; and notes."""

    def __init__(self, console: Console) -> None:
        super().__init__(console, "steps")
        self.bar.update(self.task, description="diagnose")

    def step(self, what: str, done: int, total: int) -> None:
        """Move the bar."""
        self.bar.update(self.task, description=f"diagnose: {what}", completed=done, total=total)

    def note(self, message: str) -> None:
        """Print it."""
        self.console.print(f"note: {message}", markup=False)
