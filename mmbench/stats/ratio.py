"""A ratio of two timings that were taken side by side: its value and interval from blocks within pairs of processes.

A pair of processes has a ratio of its own (where memory lies, which core runs what), and the blocks of a pair vary
around that. The hierarchical bootstrap (Davison & Hinkley 1997, 3.8) draws pairs, and of each drawn pair its blocks. Of
three pairs it is too narrow, since all draws may be one pair: the interval is at least Student's t over pairs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbench.quantiles import student_below, student_t

RESAMPLES = 2000


@dataclass(frozen=True, slots=True)
class Ratio:
    """A ratio with its interval.

    Attributes:
        value: the mean over pairs of the median over the blocks of each; of logarithms, as the interval.
        level: confidence of [low, high].
    """

    value: float
    low: float
    high: float
    level: float
    pairs: int
    blocks: int


def ratio_of(
    pairs: Sequence[NDArray[np.float64]], *, level: float = 0.95, resamples: int = RESAMPLES, seed: int = 0
) -> Ratio:
    """The ratio behind log-ratios of blocks.

    Args:
        pairs: log-ratios of the blocks of each pair.
        level: confidence.
        resamples: of the bootstrap.
        seed: of the resamples.

    Raises:
        ValueError: there is no pair, or one without blocks.
    """
    drawn = _resampled(pairs, resamples, seed)
    medians = [float(np.median(blocks)) for blocks in pairs]
    reach = _reach(medians, level)
    return _ratio(float(np.mean(medians)), drawn, reach, level, len(pairs), sum(map(len, pairs)))


def without_order(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-ratios of blocks [N], in turn begun by the one side and by the other, less the effect of who began.

    In the middle of a block the same side works twice on end, and is faster for it by some percent; so the blocks have
    two modes, between which their median is uncertain. The blocks of each order are moved to the mean of both medians.
    NaN, where a block tells nothing, is left out.
    """
    orders = [each[~np.isnan(each)] for each in (ratios[0::2], ratios[1::2])]
    if not all(len(each) for each in orders):
        return np.concatenate(orders)
    medians = [float(np.median(each)) for each in orders]
    middle = (medians[0] + medians[1]) / 2
    return np.concatenate([each - median + middle for each, median in zip(orders, medians, strict=True)])


def unpaired_ratio_of(
    base: Sequence[NDArray[np.float64]],
    head: Sequence[NDArray[np.float64]],
    *,
    level: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Ratio:
    """The ratio of timings that were not taken side by side.

    Args:
        base, head: logarithms of the seconds of the blocks of each process.
        level, resamples, seed: as `ratio_of`.

    Raises:
        ValueError: a side has no process, or one without blocks.
    """
    drawn = _resampled(head, resamples, seed) - _resampled(base, resamples, seed + 1)
    of_base, of_head = ([float(np.median(blocks)) for blocks in side] for side in (base, head))
    reach = math.hypot(_reach(of_base, level), _reach(of_head, level))
    value = float(np.mean(of_head) - np.mean(of_base))
    return _ratio(value, drawn, reach, level, min(len(base), len(head)), sum(map(len, head)))


def share_above(
    pairs: Sequence[NDArray[np.float64]], threshold: float, *, resamples: int = RESAMPLES, seed: int = 0
) -> float:
    """How sure it is that a log-ratio is above a threshold: the share of resamples that are, or what Student's t says.

    The less certain of both, for the reason for which an interval is at least Student's.

    Raises:
        ValueError: as `ratio_of`.
    """
    above = int(np.count_nonzero(_resampled(pairs, resamples, seed) > threshold))
    shares: list[float] = [(above + 1) / (resamples + 2)]  # of so many none is certain
    medians = [float(np.median(blocks)) for blocks in pairs]
    error = _error(medians)
    if error > 0:
        shares.append(student_below((float(np.mean(medians)) - threshold) / error, len(medians) - 1))
    return min(shares, key=lambda share: abs(share - 0.5))


def _reach(medians: Sequence[float], level: float) -> float:
    """Half of Student's interval over pairs; nothing for a single one, of which it cannot tell."""
    return student_t(level, len(medians) - 1) * _error(medians) if len(medians) > 1 else 0.0


def _error(medians: Sequence[float]) -> float:
    """Standard error of the mean over pairs; zero for a single one."""
    return float(np.std(medians, ddof=1)) / math.sqrt(len(medians)) if len(medians) > 1 else 0.0


def _ratio(value: float, drawn: NDArray[np.float64], reach: float, level: float, pairs: int, blocks: int) -> Ratio:
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    # Percentiles of a few medians may lie to one side of the value that they are about.
    found = np.exp([value, min(low, value - reach), max(high, value + reach)])
    return Ratio(float(found[0]), float(found[1]), float(found[2]), level, pairs, blocks)


def _resampled(pairs: Sequence[NDArray[np.float64]], resamples: int, seed: int) -> NDArray[np.float64]:
    """Log-ratios of resamples [R]: pairs drawn, and of each drawn pair its blocks.

    Raises:
        ValueError: there is no pair, or one without blocks.
    """
    if not pairs or not all(len(pair) for pair in pairs):
        raise ValueError("a ratio needs pairs, and each pair blocks")
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(pairs), size=(resamples, len(pairs)))
    medians = np.empty(drawn.shape)
    for number, blocks in enumerate(pairs):
        places = np.nonzero(drawn == number)
        draws = rng.integers(len(blocks), size=(len(places[0]), len(blocks)))
        medians[places] = np.median(blocks[draws], axis=1)
    found: NDArray[np.float64] = medians.mean(axis=1)
    return found
