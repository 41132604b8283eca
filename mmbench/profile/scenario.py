"""Four ways to send requests, by MLPerf's names: Reddi et al., "MLPerf Inference Benchmark", ISCA 2020.

The names and the shape of the traffic are MLPerf's; run lengths and rules are not, so nothing here is an MLPerf result.
MLPerf runs for minutes and stops early by a binomial rule; here the caller says how many queries run, `plan_queries`
fits them into a time, from 10 to 10,000, and the record has the latency of each. A p99 of fewer than some hundred
queries is close to their maximum, and a validity rests on it.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

from mmbench.profile.results import Scenario
from mmbench.profile.server import RealTime, Time, poisson_arrivals, serve

B = TypeVar("B")

MULTI_STREAM = 8
"""Samples of a query of multi-stream."""

SERVER_SHARE = 0.7
"""Share of the capacity at which queries arrive unless a rate is given: busy, and the queue still empties."""

LEAST_QUERIES = 10
MOST_QUERIES = 10_000


def single_stream(
    work: Callable[[B], object],
    requests: Sequence[B],
    *,
    wait: Callable[[], None],
    queries: int,
    bound_s: float | None = None,
    clock: Time | None = None,
) -> Scenario:
    """One sample a query; the next is sent when the last is answered. MLPerf's figure is p90.

    Args:
        work: puts a request to the model.
        requests: of one sample each, on the device and warm; taken in turn.
        wait: waits until the device has done all queued work.
        queries: how many are sent, one at least.
        bound_s: what p99 has to keep to.
        clock: the real one if `None`.

    Raises:
        ValueError: there is no request, or no query.
    """
    return _closed_loop("single-stream", 1, work, requests, wait, queries, bound_s, clock or RealTime())


def multi_stream(
    work: Callable[[B], object],
    requests: Sequence[B],
    *,
    wait: Callable[[], None],
    queries: int,
    samples: int = MULTI_STREAM,
    bound_s: float | None = None,
    clock: Time | None = None,
) -> Scenario:
    """Eight samples a query; the next is sent when the last is answered. MLPerf's figure is p99.

    Args:
        work: puts a request to the model.
        requests: of `samples` samples each, on the device and warm; taken in turn.
        wait: waits until the device has done all queued work.
        queries: how many are sent, one at least.
        samples: of each request.
        bound_s: what p99 has to keep to.
        clock: the real one if `None`.

    Raises:
        ValueError: there is no request, or no query.
    """
    return _closed_loop("multi-stream", samples, work, requests, wait, queries, bound_s, clock or RealTime())


def offline(
    work: Callable[[B], object],
    batches: Sequence[B],
    sizes: Sequence[int],
    *,
    wait: Callable[[], None],
    clock: Time | None = None,
) -> Scenario:
    """One query with all samples, in batches as the server likes them. MLPerf's figure is samples/s.

    Args:
        work: puts a batch to the model.
        batches: all samples, on the device and of warm shapes.
        sizes: samples of each batch.
        wait: waits until the device has done all queued work; called once, at the end.
        clock: the real one if `None`.

    Raises:
        ValueError: there is no batch, or `sizes` are not as many.
    """
    if not batches or len(batches) != len(sizes):
        raise ValueError(f"{len(batches)} batches and {len(sizes)} sizes; there must be as many, and at least one")
    clock = clock or RealTime()
    wait()
    start = clock.now()
    for batch in batches:
        work(batch)
    wait()
    elapsed = clock.now() - start
    return _scenario("offline", sum(sizes), [elapsed], elapsed, busy_s=elapsed)


def server(
    work: Callable[[B], object],
    requests: Sequence[B],
    *,
    wait: Callable[[], None],
    rate: float,
    queries: int,
    seed: int = 0,
    bound_s: float | None = None,
    clock: Time | None = None,
) -> Scenario:
    """One sample a query; queries arrive by a Poisson process and wait in a queue. MLPerf's figure is p99 in a bound.

    The queue starts empty. Above the capacity of the model the queue grows until the end, and latencies tell the length
    of the run more than they tell of the model: look at `utilisation`.

    Args:
        work: puts a request to the model.
        requests: of one sample each, on the device and warm; taken in turn.
        wait: waits until the device has done all queued work.
        rate: arrivals a second; `server_rate` has a default.
        queries: how many arrive, one at least.
        seed: of the arrivals.
        bound_s: what p99 has to keep to.
        clock: the real one if `None`.

    Raises:
        ValueError: there is no request, no query, or the rate is not above 0.
    """
    _check(requests, queries)
    arrivals = poisson_arrivals(rate, queries, seed)
    latencies, busy_s, elapsed = serve(work, requests, arrivals, wait=wait, clock=clock or RealTime())
    return _scenario("server", 1, latencies, elapsed, busy_s=busy_s, rate=rate, bound_s=bound_s)


def server_rate(capacity: Scenario, share: float = SERVER_SHARE) -> float:
    """Arrivals a second at a share of what single-stream got done."""
    return share * capacity.samples_per_s


def plan_queries(query_s: float, seconds: float, *, least: int = LEAST_QUERIES, most: int = MOST_QUERIES) -> int:
    """Queries that fit into `seconds` if each takes `query_s`, or arrives so long after the last, within limits."""
    return min(most, max(least, math.ceil(seconds / query_s) if query_s > 0 else most))


def _closed_loop(
    name: Literal["single-stream", "multi-stream"],
    samples: int,
    work: Callable[[B], object],
    requests: Sequence[B],
    wait: Callable[[], None],
    queries: int,
    bound_s: float | None,
    clock: Time,
) -> Scenario:
    _check(requests, queries)
    latencies: list[float] = []
    wait()
    begun = clock.now()
    for number in range(queries):
        start = clock.now()
        work(requests[number % len(requests)])
        wait()
        latencies.append(clock.now() - start)
    return _scenario(name, samples, latencies, clock.now() - begun, busy_s=sum(latencies), bound_s=bound_s)


def _check(requests: Sequence[object], queries: int) -> None:
    if not requests or queries < 1:
        raise ValueError(f"{len(requests)} requests for {queries} queries; there must be at least one of each")


def _scenario(
    name: Literal["single-stream", "multi-stream", "server", "offline"],
    samples: int,
    latencies: list[float],
    elapsed: float,
    *,
    busy_s: float,
    rate: float | None = None,
    bound_s: float | None = None,
) -> Scenario:
    p50, p90, p99 = (float(value) for value in np.quantile(latencies, (0.5, 0.9, 0.99)))
    return Scenario(
        name=name,
        samples_per_query=samples,
        queries=len(latencies),
        latency_s=latencies,
        p50_s=p50,
        p90_s=p90,
        p99_s=p99,
        samples_per_s=samples * len(latencies) / elapsed,
        arrivals_per_s=rate,
        utilisation=busy_s / elapsed,
        bound_s=bound_s,
        valid=None if bound_s is None else p99 <= bound_s,
    )
