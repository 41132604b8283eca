"""A ratio of two timings that were taken side by side: its value and interval from blocks within pairs of processes.

A pair of processes has a ratio of its own (where memory lies, which core runs what), and the blocks of a pair vary
around that. The hierarchical bootstrap (Davison & Hinkley 1997, 3.8) draws pairs, and of each drawn pair its blocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    value = float(np.mean([np.median(blocks) for blocks in pairs]))
    # Percentiles of a few medians may lie to one side of the value that they are about.
    low, high = min(low, value), max(high, value)
    found = np.exp([value, low, high])
    return Ratio(float(found[0]), float(found[1]), float(found[2]), level, len(pairs), sum(map(len, pairs)))


def share_above(
    pairs: Sequence[NDArray[np.float64]], threshold: float, *, resamples: int = RESAMPLES, seed: int = 0
) -> float:
    """The share of resamples whose log-ratio is above a threshold: how sure it is that the ratio is.

    Raises:
        ValueError: as `ratio_of`.
    """
    return float(np.mean(_resampled(pairs, resamples, seed) > threshold))


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
