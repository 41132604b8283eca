"""What the loops tell whoever watches; the default listeners hear nothing."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Epoch:
    """One pass over the training samples.

    Attributes:
        number: from 1.
        loss: mean training loss; `None` for a model that learns in closed form.
        metrics: on the validation part, by name; `None` where one is not defined.
        is_best: its weights are the ones kept.
    """

    number: int
    loss: float | None
    metrics: dict[str, float | None]
    is_best: bool


class TrainProgress:
    """Listener to a training run."""

    def step(self, done: int, total: int) -> None:
        """`done` of at most `total` optimiser steps are done."""

    def epoch(self, epoch: Epoch) -> None:
        """An epoch and its validation are over; `is_best` holds so far."""

    def note(self, message: str) -> None:
        """Something the user should know, in one line."""


class DiagnoseProgress:
    """Listener to a diagnosis."""

    def step(self, what: str, done: int, total: int) -> None:
        """`what` is through, `done` of `total` steps like it."""

    def note(self, message: str) -> None:
        """Something the user should know, in one line."""


class EvalProgress:
    """Listener to an evaluation."""

    def start(self, done: int, total: int) -> None:
        """`total` samples are asked for, of which `done` were scored before (a resumed run)."""

    def advance(self, samples: int) -> None:
        """That many more samples are through."""

    def cost_pass(self, name: str) -> None:
        """The cost pass of that name begins."""

    def note(self, message: str) -> None:
        """Something the user should know, in one line."""
