"""Time to the first token and tokens per second, in virtual time."""

import pytest

from mmbench.profile.generation import measure_generation
from mmbench.profile.stage import stage

from .fake_device import FakeDevice


@pytest.fixture
def device(monkeypatch):
    return FakeDevice(monkeypatch)


def writer(spend, token=0.25):
    """Answers a request with as many tokens as it says, after reading it for a second."""

    def write(tokens):
        with stage("encode.image"):
            spend(0.5)
        with stage("prefill"):
            spend(1.0)
        with stage("prefill"):
            spend(token)
        for _ in range(tokens - 1):
            with stage("decode"):
                spend(token)
        spend(8.0)  # what comes after the last token is neither

    return write


@pytest.mark.parametrize("queued", [False, True])
def test_first_token_and_rate(device, queued):
    clock, spend = (device.clock(), device.run) if queued else (device.host_clock(), device.busy)
    found = measure_generation(writer(spend), [5, 9, 3, 2, 17], clock)
    assert found.first_token_s.value == pytest.approx(1.75)
    assert found.tokens_per_s.value == pytest.approx(4.0)
    assert found.tokens == 36


def test_slower_tokens_and_slower_reading_show_each_for_itself(device):
    def write(tokens):
        with stage("prefill"):
            device.busy(2.0)
        for _ in range(tokens - 1):
            device.busy(0.125)  # between tokens: the user waits for it too
            with stage("decode"):
                device.busy(0.375)

    found = measure_generation(write, [5] * 5, device.host_clock())
    assert (found.first_token_s.value, found.tokens_per_s.value) == pytest.approx((2.0, 2.0))


def test_requests_are_waited_for_one_by_one_and_events_pooled(device):
    measure_generation(writer(device.run), [4] * 10, device.clock())
    assert device.waits == 1 + 10  # before the first, and for each
    assert device.made == 2 * (1 + 3 + 3)


def test_a_request_starts_on_an_idle_device(device):
    """So that launching its first work counts in each of them: behind the work of another it would be hidden."""
    device.run(16.0)
    found = measure_generation(writer(lambda seconds: device.run(seconds, host_s=0.125)), [2] * 5, device.clock())
    first = found.first_token_s
    assert (first.low, first.value, first.high) == pytest.approx((1.875, 1.875, 1.875))


@pytest.mark.parametrize(("most_s", "asked"), [(0.0, 1), (10.0, 1), (10.5, 2), (100.0, 5)])
def test_no_request_begins_once_the_time_is_over(device, most_s, asked):
    """A request of three tokens takes 10.25 s."""
    host, now = device.host_clock(), lambda: device.now
    found = measure_generation(writer(device.busy), [3] * 5, host, most_s=most_s, now=now)
    assert found.tokens == 3 * asked
    assert device.now == 10.25 * asked


def test_models_that_do_not_mark_tokens_have_none(device):
    def classify(batch):
        with stage("head"):
            device.busy(1.0)

    assert measure_generation(classify, [1, 2], device.host_clock()) is None
    assert measure_generation(writer(device.busy), [], device.host_clock()) is None


def test_without_a_second_token_there_is_no_rate(device):
    assert measure_generation(writer(device.busy), [1, 1], device.host_clock()) is None
    found = measure_generation(writer(device.busy), [1, 3], device.host_clock())
    assert (found.tokens, found.tokens_per_s.value) == (4, pytest.approx(4.0))


def test_a_failure_comes_through_and_leaves_the_clock_ready(device):
    clock = device.clock()

    def fail(batch):
        with stage("prefill"):
            device.run(1.0)
            raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        measure_generation(fail, [1], clock)
    assert measure_generation(writer(device.run), [3], clock).tokens == 3
