import pytest

from mmbench.profile.latency import MOST_REQUESTS, measure_latency
from mmbench.profile.results import WarmUp


class _Device:
    def __init__(self) -> None:
        self.time = 0.0
        self.queued = 0.0
        self.deepest = 0
        self.depth = 0

    def work(self, seconds: float) -> None:
        self.queued += seconds
        self.depth += 1
        self.deepest = max(self.deepest, self.depth)

    def wait(self) -> None:
        self.time += self.queued
        self.queued, self.depth = 0.0, 0

    def now(self) -> float:
        return self.time


def _measure(requests: list[float], seconds: float = 0.0, **options: float):
    device = _Device()
    found = measure_latency(device.work, requests, wait=device.wait, seconds=seconds, now=device.now, **options)
    return device, found


def test_each_request_is_waited_for_and_timed() -> None:
    requests = [0.25, 0.5, 1.0]  # sums that floats hold exactly
    device, found = _measure(requests, least=300)
    assert found.request_s == requests * 100
    assert device.deepest == 1
    assert found.batch_size == 1


def test_percentiles_are_those_of_the_requests() -> None:
    requests = [float(place + 1) for place in range(1000)]
    _, found = _measure(requests, least=1000)
    assert found.p50_s.value == pytest.approx(500.5)
    assert found.p90_s.value == pytest.approx(900, abs=1)
    assert found.p99_s.value == pytest.approx(990, abs=1)


def test_p99_has_an_interval_only_where_there_are_enough() -> None:
    requests = [1.0, 2.0, 4.0, 8.0]
    _, few = _measure(requests, least=100)
    _, many = _measure(requests, least=2000)
    assert few.p99_s.low is None
    assert few.p50_s.low is not None
    assert many.p99_s.low is not None
    assert many.p99_s.low <= many.p99_s.value <= many.p99_s.high


def test_it_lasts_for_the_seconds_and_the_least_count() -> None:
    _, long = _measure([0.5], seconds=100.0, least=10)
    assert len(long.request_s) == 200
    _, many = _measure([0.5], seconds=1.0, least=10)
    assert len(many.request_s) == 10
    _, capped = _measure([0.5], seconds=1.0, least=10, most_s=2.0)
    assert len(capped.request_s) == 4


def test_of_a_fast_model_no_more_are_kept_than_a_record_can_hold() -> None:
    _, found = _measure([0.0009765625], seconds=100.0)
    assert len(found.request_s) == MOST_REQUESTS
    _, fewer = _measure([0.5], seconds=100.0, least=50, most=30)
    assert len(fewer.request_s) == 30


def test_warm_ups_stand_in_the_result() -> None:
    warm = WarmUp(first_s=1.0, iterations=20, seconds=0.5, steady=False)
    device = _Device()
    found = measure_latency(
        device.work, [0.5], wait=device.wait, seconds=1.0, batch_size=4, warm_up=[warm], now=device.now
    )
    assert (found.warm_up, found.batch_size) == ([warm], 4)


def test_no_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="no requests"):
        _measure([])
