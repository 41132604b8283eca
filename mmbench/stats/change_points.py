"""Where a series of measurements changes its level.

Binary segmentation (Scott & Knott 1974; Vostrikova 1981): the split with the largest standardised difference of means,
if a permutation test finds that more than chance, and then the same in both parts. A test of the largest of all splits,
so that having looked at each is paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FEWEST = 3
"""Values on either side of a change: fewer do not tell a level from an outlier."""

PERMUTATIONS = 999


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """A change of level.

    Attributes:
        index: position of the first value of the new level.
        before, after: medians of the levels on both sides, up to the neighbouring changes.
        p_value: of the permutation test that found it.
    """

    index: int
    before: float
    after: float
    p_value: float


def change_points(values: Sequence[float], *, alpha: float = 0.01, seed: int = 0) -> list[ChangePoint]:
    """The changes of level of a series, in order.

    Args:
        values: in the order in which they were measured.
        alpha: a split counts where chance alone gives as large a difference in fewer than so many series.
        seed: of the permutations.
    """
    series = np.asarray(values, dtype=np.float64)
    rng = np.random.default_rng(seed)
    found: dict[int, float] = {}
    parts = [(0, len(series))]
    while parts:
        start, stop = parts.pop()
        split = _split(series[start:stop], alpha, rng)
        if split is not None:
            place, p_value = start + split[0], split[1]
            found[place] = p_value
            parts += [(start, place), (place, stop)]
    edges = [0, *sorted(found), len(series)]
    levels = [float(np.median(series[start:stop])) for start, stop in pairwise(edges) if stop > start]
    return [
        ChangePoint(place, levels[number], levels[number + 1], found[place]) for number, place in enumerate(edges[1:-1])
    ]


def _split(part: NDArray[np.float64], alpha: float, rng: np.random.Generator) -> tuple[int, float] | None:
    """Where a part falls in two, and the p-value; `None` where it does not."""
    if len(part) < 2 * FEWEST or np.ptp(part) == 0:
        return None
    observed = _statistics(part[None])[0]
    shuffled = rng.permuted(np.broadcast_to(part, (PERMUTATIONS, len(part))), axis=1)
    at_chance = _statistics(shuffled).max(axis=1)
    best = int(observed.argmax())
    # A level of its own on either side leaves no noise at all: what equals it up to rounding counts as as large.
    p_value = (1 + int((at_chance >= observed[best] * (1 - 1e-9)).sum())) / (1 + PERMUTATIONS)
    return (FEWEST + best, p_value) if p_value < alpha else None


def _statistics(parts: NDArray[np.float64]) -> NDArray[np.float64]:
    """|t| of all splits [R, n - 2 FEWEST + 1] of series [R, n]; infinite where both sides are constant."""
    n = parts.shape[1]
    left = np.arange(FEWEST, n - FEWEST + 1)
    centred = parts - parts.mean(axis=1, keepdims=True)
    sums = centred.cumsum(axis=1)[:, left - 1]
    # The sum of squares of the whole is that between the two levels and that within.
    between = sums**2 * (1 / left + 1 / (n - left))
    within = np.maximum((centred**2).sum(axis=1, keepdims=True) - between, 0.0)
    with np.errstate(divide="ignore"):
        found: NDArray[np.float64] = np.sqrt(np.divide(between * (n - 2), within))
    return found
