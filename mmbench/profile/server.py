"""Queries that arrive by the clock, whether or not the server is ready: Poisson arrivals, one server, one queue.

A closed loop, which sends a query when the last is answered, hides every stall from the queries that would have come
meanwhile. Here each waits in the queue from its own arrival on, and that wait is part of its latency.
"""

import time
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

B = TypeVar("B")

_SPIN_S = 0.002  # what a sleep may be late by; the rest of the way is watched


class Time(Protocol):
    """A clock that one can wait by."""

    def now(self) -> float:
        """Seconds from some fixed moment."""
        ...

    def sleep(self, seconds: float) -> None:
        """Return once that much time has passed."""
        ...


class RealTime:
    """`perf_counter`, and sleeps that end on time: a late wake-up would count as latency of the model."""

    def now(self) -> float:
        """Seconds of `perf_counter`."""
        return time.perf_counter()

    def sleep(self, seconds: float) -> None:
        """Sleep most of the time, watch the clock for the last two milliseconds."""
        end = time.perf_counter() + seconds
        if seconds > _SPIN_S:
            time.sleep(seconds - _SPIN_S)
        while time.perf_counter() < end:
            pass


def poisson_arrivals(rate: float, queries: int, seed: int) -> NDArray[np.float64]:
    """Times of arrival in seconds `[queries]`: gaps are independent and exponential with mean `1 / rate`.

    Raises:
        ValueError: the rate is not above 0.
    """
    if not rate > 0:
        raise ValueError(f"arrivals need a rate above 0 a second, not {rate}")
    return np.random.default_rng(seed).exponential(1 / rate, queries).cumsum()


def serve(
    work: Callable[[B], object],
    requests: Sequence[B],
    arrivals: NDArray[np.float64],
    *,
    wait: Callable[[], None],
    clock: Time,
) -> tuple[list[float], float, float]:
    """Answer each query in order of arrival, one after the other.

    Args:
        work: puts a request to the model.
        requests: at least one, taken in turn.
        arrivals: seconds from the start `[queries]`, ascending.
        wait: waits until the device has done all queued work.
        clock: real, or virtual in tests.

    Returns:
        Seconds of each query from its arrival to its answer, seconds in which a query was being answered, and seconds
        from the start to the last answer.
    """
    latencies: list[float] = []
    busy = 0.0
    begun = clock.now()
    for number, arrival in enumerate(arrivals.tolist()):
        ahead = begun + arrival - clock.now()
        if ahead > 0:
            clock.sleep(ahead)
        start = clock.now()
        work(requests[number % len(requests)])
        wait()
        end = clock.now()
        busy += end - start
        latencies.append(max(0.0, end - begun - arrival))
    return latencies, busy, clock.now() - begun
