"""The area under a curve of robustness."""

from collections.abc import Callable, Sequence

import numpy as np

from mmbench.stats.bootstrap import FloatArray


def relative_area(levels: Sequence[float]) -> Callable[[FloatArray], FloatArray]:
    """The area under values over levels of noise from 0 to 1, by that of the value at 0: integral of V(p) dp / V(0).

    It is 1 where noise changes nothing. The integral is that of straight lines between the levels (trapezoids).

    Args:
        levels: ascending, the first 0 and the last 1, [L].

    Returns:
        A function of values at the levels, [L, ...] -> [...]; NaN where the value at 0 is 0.

    Raises:
        ValueError: the levels are not such.
    """
    steps = np.diff(np.asarray(levels, dtype=np.float64))
    if len(levels) < 2 or levels[0] != 0 or levels[-1] != 1 or not (steps > 0).all():
        raise ValueError(f"levels must ascend from 0 to 1, not {list(levels)}")
    weights = (np.append(steps, 0.0) + np.append(0.0, steps)) / 2

    def area(values: FloatArray) -> FloatArray:
        total = np.tensordot(weights, values, axes=1)
        clean = values[0]
        found: FloatArray = np.divide(total, clean, out=np.full(np.shape(total), np.nan), where=clean != 0)
        return found

    return area
