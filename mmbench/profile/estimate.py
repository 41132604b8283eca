"""Estimates from raw timings whose intervals stay honest when neighbouring timings are alike.

On a shared machine a slow spell outlasts many calls, so a thousand timings tell far less than a thousand independent
ones would. Both intervals here cut the series into consecutive blocks and look at how the blocks differ: the method of
batch means. Ten blocks: Schmeiser, "Batch size effects in the analysis of simulation output", Operations Research 30
(1982), finds that more than about thirty buy nothing, while fewer and longer ones forgive a longer memory. What memory
is left between blocks widens the interval by sqrt((1 + r) / (1 - r)), r their correlation at lag one: the effective
sample size of a first-order autoregression, with r corrected for its bias by Marriott and Pope, Biometrika 41 (1954).

No interval knows of spells longer than the series: measure in rounds that lie apart where machines are shared.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmbench.profile.results import Estimate
from mmbench.quantiles import binomial, normal, student_t

BLOCKS = 10
"""Consecutive blocks that a series is cut into."""

LEVEL = 0.95
"""Confidence level unless a caller asks for another."""

_FEWEST = 5  # values for a t interval; fewer say next to nothing of their own spread
_MOST_MEMORY = 0.9  # r of a handful of blocks; what lies above would make any interval infinite


def median_estimate(values: Sequence[float], *, level: float = LEVEL) -> Estimate:
    """Median with a t interval over the medians of consecutive blocks; no interval for fewer than five values.

    Args:
        values: timings, or rates, in the order in which they were taken.
        level: confidence level.

    Raises:
        ValueError: there is no value.
    """
    series = _series(values)
    value = float(np.median(series))
    if len(series) < _FEWEST:
        method = f"median; no interval from fewer than {_FEWEST} timings"
        return Estimate(value=value, low=None, high=None, level=level, n=len(series), method=method)
    blocks = _blocks(series)
    medians = np.array([np.median(block) for block in blocks])
    error = float(medians.std(ddof=1)) / math.sqrt(len(blocks)) * autocorrelation_widening(medians)
    if len(series) < 3 * len(blocks):
        # Medians of one or two values are their means, and a median varies more than a mean: by pi / 2 in its variance.
        error *= math.sqrt(math.pi / 2)
    half = student_t(level, len(blocks) - 1) * error
    method = (
        f"median of {len(series)}; t interval over the medians of {len(blocks)} consecutive blocks, "
        "widened by their autocorrelation"
    )
    low, high = max(0.0, value - half), value + half
    return Estimate(value=value, low=low, high=high, level=level, n=len(blocks), method=method)


def quantile_estimate(values: Sequence[float], q: float, *, level: float = LEVEL) -> Estimate:
    """Quantile with a distribution-free interval between order statistics, by the binomial.

    The interval is the classical one (Conover, "Practical Nonparametric Statistics", section 3.2) with the number of
    values divided by the design effect of consecutive blocks, as Woodruff does for clustered samples (Journal of the
    American Statistical Association 47, 1952). It is null where the values are too few for both ends: p99 at 95 % takes
    368 independent ones.

    Args:
        values: timings in the order in which they were taken.
        q: in (0, 1).
        level: confidence level.

    Raises:
        ValueError: there is no value, or `q` is not within (0, 1).
    """
    if not 0 < q < 1:
        raise ValueError(f"a quantile lies within (0, 1), not at {q}")
    series = _series(values)
    value = float(np.quantile(series, q))
    n = max(1, math.floor(len(series) / _design_effect(series, value, q, level)))
    lower = binomial((1 - level) / 2, n, q)  # 1-based rank, 0 where there is none
    upper = binomial((1 + level) / 2, n, q) + 1
    if lower < 1 or upper > n:
        method = f"quantile {q:g} of {len(series)}; too few for an interval, worth {n} independent ones"
        return Estimate(value=value, low=None, high=None, level=level, n=n, method=method)
    ordered, stretch = np.sort(series), len(series) / n
    low = ordered[max(1, math.floor((lower - 0.5) * stretch + 0.5)) - 1]
    high = ordered[min(len(series), math.ceil((upper - 0.5) * stretch + 0.5)) - 1]
    method = (
        f"quantile {q:g} of {len(series)}; order statistics by the binomial of {n}, the number it is worth by blocks"
    )
    return Estimate(value=value, low=float(low), high=float(high), level=level, n=n, method=method)


def _series(values: Sequence[float]) -> NDArray[np.float64]:
    series = np.asarray(values, dtype=np.float64)
    if not len(series):
        raise ValueError("no values to estimate from")
    return series


def _blocks(series: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Consecutive and about equally long."""
    return np.array_split(series, min(BLOCKS, len(series)))


def autocorrelation_widening(blocks: NDArray[np.float64]) -> float:
    """By how much the correlation of neighbouring blocks `[K]` widens the error of their mean, at least 1."""
    centred = blocks - blocks.mean()
    spread = float(centred @ centred)
    if spread == 0:
        return 1.0
    r = float(centred[1:] @ centred[:-1]) / spread
    r = min(max(0.0, r + (1 + 3 * r) / len(blocks)), _MOST_MEMORY)
    return math.sqrt((1 + r) / (1 - r))


def _design_effect(series: NDArray[np.float64], value: float, q: float, level: float) -> float:
    """How many values are worth one independent value, at least 1: variance of the blocks' shares by the binomial's.

    The t quantile stands in for the normal one, since a variance from a few blocks is itself uncertain.
    """
    blocks = _blocks(series)
    if len(blocks) < 2:
        return 1.0
    shares = np.array([np.mean(block <= value) for block in blocks])
    ratio = float(shares.var(ddof=1)) * len(series) / len(blocks) / (q * (1 - q))
    wider = student_t(level, len(blocks) - 1) / normal(level)
    return max(1.0, ratio * (autocorrelation_widening(shares) * wider) ** 2)
