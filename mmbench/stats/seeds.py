"""What the values of several training seeds say of a method: their mean, its interval, and their spread."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from mmbench.quantiles import student_t


@dataclass(frozen=True, slots=True)
class OverSeeds:
    """A metric over training seeds.

    Attributes:
        mean: over seeds.
        low, high: bounds of the interval of the mean; `None` where the seeds cannot tell.
        deviation: standard deviation over seeds, with k - 1 below the fraction; `None` for one seed.
        method: `student-t` or `none`.
    """

    mean: float
    low: float | None
    high: float | None
    deviation: float | None
    method: str


def over_seeds(
    values: Sequence[float], *, level: float = 0.95, least: float = -math.inf, most: float = math.inf
) -> OverSeeds:
    """Mean over seeds with Student's t interval: mean +- t(k - 1) s / sqrt(k) for k seeds (Student, 1908).

    The interval covers what the seed changes, not the choice of test samples. One seed, or seeds that all gave the same
    value, say nothing about the spread and get no interval.

    Args:
        values: of the metric, one a seed, [k] with k at least 1; finite.
        level: confidence of the interval.
        least, most: the values that the metric can have; the interval goes no further. A bound that a value itself
            exceeds is none.
    """
    mean = statistics.mean(values)
    if len(values) == 1:
        return OverSeeds(mean, None, None, None, "none")
    deviation = statistics.stdev(values)
    if deviation == 0:
        return OverSeeds(mean, None, None, 0.0, "none")
    reach = student_t(level, len(values) - 1) * deviation / math.sqrt(len(values))
    low = max(mean - reach, least) if least <= min(values) else mean - reach
    high = min(mean + reach, most) if most >= max(values) else mean + reach
    return OverSeeds(mean, low, high, deviation, "student-t")
