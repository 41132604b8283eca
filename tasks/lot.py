"""Draws by lot for data sets that are generated from a seed."""

from collections.abc import Sequence
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Lot:
    """Draws by lot, the same on every machine and in every version of Python.

    All of them come from `random.Random.random`, the one method whose sequence Python promises to keep for a seed,
    which may be a text.
    """

    def __init__(self, seed: int | str) -> None:
        self._next = Random(seed).random  # noqa: S311  # nothing here is secret

    def below(self, stop: int) -> int:
        """A number from 0 to `stop - 1`."""
        return int(self._next() * stop)

    def one(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self.below(len(values))]

    def some(self, values: Sequence[T], number: int) -> list[T]:
        """So many of the values, in an order drawn by lot."""
        rest = list(values)
        return [rest.pop(self.below(len(rest))) for _ in range(number)]

    def shuffled(self, values: Sequence[T]) -> list[T]:
        """The values in an order drawn by lot."""
        return self.some(values, len(values))
