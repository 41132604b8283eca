"""Warming up until timings have settled: at least for a while, at most until the time for it is spent."""

from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np

from mmbench.profile.results import WarmUp

WINDOW = 20
"""Timings that must look settled, as two halves."""

_QUARTILES = 0.05
_SPREAD = 0.10


def warm_up(
    call: Callable[[], object],
    *,
    wait: Callable[[], None],
    least_s: float,
    most_s: float,
    now: Callable[[], float] = perf_counter,
) -> WarmUp:
    """Call until at least `least_s` have passed and the last `WINDOW` timings are steady, or `most_s` have passed.

    Compilation and tuning are of one shape of input, so each shape wants a warm-up of its own.

    Args:
        call: the work on one input.
        wait: waits until the device has done all queued work; called after each call.
        least_s: least seconds of warm-up, the first call not counted; clocks and caches settle in time, not in calls.
        most_s: seconds, the first call counted, after which no further call is made, steady or not.
        now: the clock, in seconds.

    Returns:
        What ran; the first call, which compiles and allocates, apart.
    """
    start = now()
    call()
    wait()
    begun = now()
    first_s = begun - start
    times: list[float] = []
    end = begun
    while True:
        steady = is_steady(times)
        if end - start >= most_s or (steady and end - begun >= least_s):
            break
        call()
        wait()
        last, end = end, now()
        times.append(end - last)
    return WarmUp(first_s=first_s, iterations=len(times), seconds=end - begun, steady=steady)


def is_steady(times: Sequence[float]) -> bool:
    """Whether the last timings have settled: the rule by which pyperf calibrates its warm-ups (`pyperf/_worker.py`).

    Of the last `WINDOW` timings the second half is held against the first: the first and the third quartile may differ
    by 5 %, the median absolute deviation (MAD) by 10 % of the median. pyperf takes 10 % of the MAD instead, which on a
    quiet machine refuses nanoseconds.
    """
    if len(times) < WINDOW:
        return False
    first, second = np.split(np.asarray(times[-WINDOW:], dtype=np.float64), 2)
    quartiles = np.quantile(first, (0.25, 0.75)), np.quantile(second, (0.25, 0.75))
    if np.any(np.abs(quartiles[1] - quartiles[0]) > _QUARTILES * quartiles[0]):
        return False
    median = np.median(first)
    deviations = [np.median(np.abs(half - np.median(half))) for half in (first, second)]
    return bool(abs(deviations[1] - deviations[0]) <= _SPREAD * median)
