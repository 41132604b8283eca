"""The server scenario's loop against queueing theory, in virtual time."""

import math
import time
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import brentq

from mmbench.profile.server import RealTime, poisson_arrivals, serve

_QUERIES = 100_000


class VirtualTime:
    def __init__(self) -> None:
        self.time = 1000.0
        self.slept = 0.0

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.time += seconds
        self.slept += seconds


def _serve(arrivals: np.ndarray, service: Callable[[], float]) -> tuple[list[float], float, float, VirtualTime]:
    clock = VirtualTime()

    def work(_: object) -> None:
        clock.time += service()

    latencies, busy, elapsed = serve(work, [None], arrivals, wait=lambda: None, clock=clock)
    return latencies, busy, elapsed, clock


def _md1_wait_cdf(t: float, rho: float) -> float:
    """P(W <= t) of M/D/1, service time 1: Erlang, "The theory of probabilities and telephone conversations", 1909."""
    terms = [math.exp(rho * (t - k)) * (-rho * (t - k)) ** k / math.factorial(k) for k in range(math.floor(t) + 1)]
    return (1 - rho) * math.fsum(terms)


@pytest.mark.parametrize("rho", [0.5, 0.7])
def test_p99_with_fixed_service_time_is_erlangs(rho: float) -> None:
    service = 0.02
    latencies, busy, elapsed, _ = _serve(poisson_arrivals(rho / service, _QUERIES, seed=1), lambda: service)
    predicted = service * (1 + brentq(lambda t: _md1_wait_cdf(t, rho) - 0.99, 0.0, 25.0))
    assert np.quantile(latencies, 0.99) == pytest.approx(predicted, rel=0.15)
    # Pollaczek and Khinchine: mean wait of rho / (2 (1 - rho)) service times.
    assert np.mean(latencies) == pytest.approx(service * (1 + rho / (2 * (1 - rho))), rel=0.05)
    assert busy / elapsed == pytest.approx(rho, rel=0.02)


@pytest.mark.parametrize("rho", [0.5, 0.7])
def test_p99_with_exponential_service_times_is_that_of_mm1(rho: float) -> None:
    mu = 40.0
    draw = np.random.default_rng(3)
    latencies, _, _, _ = _serve(poisson_arrivals(rho * mu, _QUERIES, seed=2), lambda: draw.exponential(1 / mu))
    # Time in an M/M/1 system is exponential with rate mu - lambda.
    assert np.quantile(latencies, 0.99) == pytest.approx(math.log(100) / (mu - rho * mu), rel=0.15)


def test_queries_wait_their_turn_from_their_own_arrival() -> None:
    latencies, busy, elapsed, clock = _serve(np.array([1.0, 1.5, 2.0, 10.0]), lambda: 2.0)
    assert latencies == [2.0, 3.5, 5.0, 2.0]
    assert (busy, elapsed) == (8.0, 12.0)
    assert clock.slept == 1.0 + 3.0  # idle until the first and until the last


def test_a_stall_is_charged_to_all_that_come_meanwhile() -> None:
    services = iter([10.0] + [0.1] * 9)
    latencies, _, _, _ = _serve(np.arange(1.0, 11.0), lambda: next(services))
    assert sum(latency > 1.0 for latency in latencies) >= 9


def test_the_device_is_waited_for_before_a_query_counts_as_answered() -> None:
    clock = VirtualTime()
    queued = []

    def wait() -> None:
        clock.time += sum(queued)
        queued.clear()

    latencies, busy, _ = serve(queued.append, [0.5, 0.25], np.array([1.0, 2.0, 3.0]), wait=wait, clock=clock)
    assert latencies == [0.5, 0.25, 0.5]
    assert busy == 1.25


def test_arrivals_are_a_poisson_process_of_that_rate() -> None:
    arrivals = poisson_arrivals(50.0, 20_000, seed=0)
    gaps = np.diff(arrivals, prepend=0.0)
    assert gaps.min() > 0
    assert gaps.mean() == pytest.approx(1 / 50, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 50, rel=0.05)  # exponential: as wide as its mean
    counts = np.bincount(arrivals.astype(int))[:-1]
    assert counts.var() / counts.mean() == pytest.approx(1.0, abs=0.25)  # Poisson counts a second


def test_arrivals_follow_the_seed() -> None:
    first, again, other = (poisson_arrivals(5.0, 10, seed) for seed in (4, 4, 5))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan])
def test_a_rate_must_be_above_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="rate"):
        poisson_arrivals(rate, 1, 0)


@pytest.mark.parametrize("seconds", [0.0005, 0.01])
def test_a_real_sleep_never_ends_early(seconds: float) -> None:
    start = time.perf_counter()
    RealTime().sleep(seconds)
    assert time.perf_counter() - start >= seconds
