"""Latency: one request at a time, each waited for."""

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeVar

from mmbench.profile.estimate import median_estimate, quantile_estimate
from mmbench.profile.results import Latency, WarmUp

B = TypeVar("B")

LEAST_REQUESTS = 100
"""One request in a hundred is slower than p99."""

MOST_REQUESTS = 10_000
"""Every timing is kept in the record, and p99 has its interval from a few hundred on: more only swell the file."""


def measure_latency(
    work: Callable[[B], object],
    requests: Sequence[B],
    *,
    wait: Callable[[], None],
    seconds: float,
    batch_size: int = 1,
    least: int = LEAST_REQUESTS,
    most: int = MOST_REQUESTS,
    most_s: float = math.inf,
    warm_up: Sequence[WarmUp] = (),
    now: Callable[[], float] = perf_counter,
) -> Latency:
    """Time requests until `seconds` have passed and there are `least`, or there are `most`.

    The interval of p99 is null where the requests are too few for it, see `quantile_estimate`.

    Args:
        work: puts a request to the model.
        requests: at least one, on the device and of shapes that are warm; taken in turn again and again.
        wait: waits until the device has done all queued work.
        seconds: to measure for.
        batch_size: samples of each request.
        least: requests at least.
        most: requests at most, however few seconds have passed.
        most_s: seconds after which no new request begins, however few there are.
        warm_up: what the caller ran before, by shape.
        now: the clock, in seconds.

    Raises:
        ValueError: there is no request.
    """
    if not requests:
        raise ValueError("no requests to time")
    times: list[float] = []
    wait()
    begun = now()
    while True:
        request = requests[len(times) % len(requests)]
        start = now()
        work(request)
        wait()
        end = now()
        times.append(end - start)
        passed = end - begun
        if passed >= most_s or len(times) >= most or (passed >= seconds and len(times) >= least):
            break
    return Latency(
        batch_size=batch_size,
        p50_s=median_estimate(times),
        p90_s=quantile_estimate(times, 0.9),
        p99_s=quantile_estimate(times, 0.99),
        request_s=times,
        warm_up=list(warm_up),
    )
