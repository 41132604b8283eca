"""Drawing from very many units: how often each was drawn, without drawing one after the other."""

import math

import numpy as np
from numpy.typing import NDArray

_MARGIN = 5.0
"""Standard deviations by which Poisson counts stay below what is to be drawn; a row in a million exceeds it."""
_BYTES = 256
_UNCLEAR = 255
_HIGHEST = 30
"""No count of a Poisson variable of mean 1 is higher: the probability is below the resolution of float64."""


def even_draws(total: int, r: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Draw as many times as there are units, each time any of them: how often each was drawn, [r, total].

    Independent Poisson counts are a multinomial once their sum is known (Devroye, Non-Uniform Random Variate Generation
    1986, XI.1.4). So they are drawn with a mean just below 1, and what their sum lacks is drawn one by one. Exact, and
    several times as fast as drawing all one by one.

    Args:
        total: units, at least 100.
        r: resamples.
        rng: where the draws come from.
    """
    counts = _poisson(1 - _MARGIN / math.sqrt(total), r * total, rng).reshape(r, total)
    for row in counts:
        while (lacking := total - int(row.sum(dtype=np.int64))) < 0:
            row[:] = _poisson(1 - _MARGIN / math.sqrt(total), total, rng)
        np.add.at(row, rng.integers(total, size=lacking), np.uint8(1))
    return counts


def _poisson(mean: float, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Poisson counts by inversion: one byte decides most, and more is drawn only where it does not."""
    below = np.cumsum([math.exp(-mean) * mean**k / math.factorial(k) for k in range(_HIGHEST)])
    edges = np.arange(_BYTES + 1) / _BYTES
    first, last = np.searchsorted(below, edges[:-1], side="right"), np.searchsorted(below, edges[1:], side="left")
    table = np.where(first == last, first, _UNCLEAR).astype(np.uint8)
    drawn = rng.bytes(size)
    counts = np.frombuffer(bytearray(drawn.translate(table.tobytes())), dtype=np.uint8)
    unclear = np.flatnonzero(counts == _UNCLEAR)
    uniform = (np.frombuffer(drawn, dtype=np.uint8)[unclear] + rng.random(len(unclear))) / _BYTES
    counts[unclear] = np.searchsorted(below, uniform, side="right")
    return counts
