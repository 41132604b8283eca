import pytest

from mmbench.profile.scenario import multi_stream, offline, plan_queries, server, server_rate, single_stream


class _Device:
    """A virtual clock and a queue that is worked off when waited for."""

    def __init__(self) -> None:
        self.time = 5.0
        self.queued = 0.0
        self.waits = 0

    def work(self, seconds: float) -> None:
        self.queued += seconds

    def wait(self) -> None:
        self.time += self.queued
        self.queued = 0.0
        self.waits += 1

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_single_stream_sends_one_after_the_other() -> None:
    device = _Device()
    found = single_stream(device.work, [0.25, 0.5], wait=device.wait, queries=200, clock=device)
    assert (found.name, found.samples_per_query, found.queries) == ("single-stream", 1, 200)
    assert found.latency_s == [0.25, 0.5] * 100
    assert found.samples_per_s == pytest.approx(200 / 75)
    assert found.utilisation == pytest.approx(1.0)
    assert (found.valid, found.arrivals_per_s) == (None, None)


def test_percentiles_are_of_the_queries() -> None:
    device = _Device()
    requests = [float(place) for place in range(1, 102)]
    found = single_stream(device.work, requests, wait=device.wait, queries=101, clock=device)
    assert (found.p50_s, found.p90_s, found.p99_s) == pytest.approx((51.0, 91.0, 100.0))


def test_multi_stream_has_eight_samples_a_query() -> None:
    device = _Device()
    found = multi_stream(device.work, [0.5], wait=device.wait, queries=20, clock=device)
    assert (found.name, found.samples_per_query, found.queries) == ("multi-stream", 8, 20)
    assert found.samples_per_s == pytest.approx(16.0)


def test_offline_is_one_query_that_is_waited_for_once() -> None:
    device = _Device()
    found = offline(device.work, [1.0, 1.0, 0.5], [4, 4, 2], wait=device.wait, clock=device)
    assert (found.name, found.samples_per_query, found.queries) == ("offline", 10, 1)
    assert found.latency_s == [2.5]
    assert found.samples_per_s == pytest.approx(4.0)
    assert device.waits == 2  # before it begins, and at its end


def test_server_waits_in_a_queue_at_the_rate_asked_for() -> None:
    device = _Device()
    found = server(device.work, [0.5], wait=device.wait, rate=1.4, queries=5000, seed=3, clock=device)
    assert (found.name, found.samples_per_query, found.queries) == ("server", 1, 5000)
    assert found.arrivals_per_s == 1.4
    assert found.utilisation == pytest.approx(0.7, rel=0.05)
    assert found.samples_per_s == pytest.approx(1.4, rel=0.05)
    assert found.p50_s > 0.5
    assert found.p99_s > 2 * found.p50_s


def test_server_repeats_with_its_seed() -> None:
    def run(seed: int):
        device = _Device()
        return server(device.work, [0.5], wait=device.wait, rate=1.0, queries=50, seed=seed, clock=device)

    assert run(1) == run(1)
    assert run(1).latency_s != run(2).latency_s


@pytest.mark.parametrize(("bound_s", "valid"), [(0.5, True), (0.49, False)])
def test_p99_is_held_against_the_bound(bound_s: float, valid: bool) -> None:
    device = _Device()
    for run in (single_stream, multi_stream):
        found = run(device.work, [0.5], wait=device.wait, queries=10, bound_s=bound_s, clock=device)
        assert (found.bound_s, found.valid) == (bound_s, valid)
    slow = server(device.work, [0.5], wait=device.wait, rate=0.001, queries=10, bound_s=bound_s, clock=device)
    assert slow.valid is valid


def test_the_default_rate_is_a_share_of_what_single_stream_got_done() -> None:
    device = _Device()
    capacity = single_stream(device.work, [0.25], wait=device.wait, queries=10, clock=device)
    assert server_rate(capacity) == pytest.approx(2.8)
    assert server_rate(capacity, 0.5) == pytest.approx(2.0)


def test_queries_fit_into_the_time() -> None:
    assert plan_queries(0.01, 10.0) == 1000
    assert plan_queries(60.0, 10.0) == 10
    assert plan_queries(1e-6, 10.0) == 10_000
    assert plan_queries(0.0, 10.0, most=500) == 500


def test_nothing_to_send_is_refused() -> None:
    device = _Device()
    for run in (single_stream, multi_stream):
        with pytest.raises(ValueError, match="at least one"):
            run(device.work, [], wait=device.wait, queries=1)
        with pytest.raises(ValueError, match="at least one"):
            run(device.work, [0.5], wait=device.wait, queries=0)
    with pytest.raises(ValueError, match="at least one"):
        server(device.work, [], wait=device.wait, rate=1.0, queries=1)
    with pytest.raises(ValueError, match="rate"):
        server(device.work, [0.5], wait=device.wait, rate=0.0, queries=1)
    with pytest.raises(ValueError, match="at least one"):
        offline(device.work, [], [], wait=device.wait)


def test_the_real_clock_serves_where_none_is_given() -> None:
    found = server(lambda _: None, [0], wait=lambda: None, rate=2000.0, queries=20)
    assert found.queries == 20
    assert all(latency >= 0 for latency in found.latency_s)
    assert single_stream(lambda _: None, [0], wait=lambda: None, queries=5).samples_per_s > 0
