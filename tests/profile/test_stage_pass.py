"""The stage pass in virtual time: a stage's own amount, additivity, order of iterations, one wait a round."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from mmbench.errors import HarnessError
from mmbench.profile.clock import make_clock
from mmbench.profile.estimate import autocorrelation_widening
from mmbench.profile.results import WarmUp
from mmbench.profile.stage import stage
from mmbench.profile.stage_pass import estimate_together, interquartile_mean, measure_stages

from .fake_device import FakeDevice

TIMES = {"encode.image": 4.0, "encode.text": 1.0, "fuse": 0.5, "head": 0.25}


@pytest.fixture
def device(monkeypatch):
    return FakeDevice(monkeypatch)


def staged(spend, times=TIMES, other=0.125):
    """Work that spends a known time in each stage, times the batch."""

    def work(batch):
        for name, seconds in times.items():
            with stage(name):
                spend(batch * seconds)
        spend(batch * other)

    return work


def measure(work, clock, batches=(1.0,), **options):
    return measure_stages(work, batches, batch_size=8, clock=clock, **{"min_seconds": 0.0, **options})


def by_name(stages):
    return {each.name: each.seconds.value for each in stages.stages}


@pytest.mark.parametrize("queued", [False, True])
def test_each_stage_has_its_time_and_they_add_up(device, queued):
    clock, spend = (device.clock(), device.run) if queued else (device.host_clock(), device.busy)
    stages = measure(staged(spend), clock)
    assert by_name(stages) == pytest.approx({**TIMES, "other": 0.125})
    assert [each.name for each in stages.stages] == [*TIMES, "other"]
    assert [each.calls for each in stages.stages] == pytest.approx([1.0] * 5)
    assert stages.plain.value == pytest.approx(5.875)
    assert (stages.sum_s, stages.sum_to_plain) == pytest.approx((5.875, 1.0))
    assert stages.batch_size == 8
    assert len(stages.plain_s) == 20
    assert {len(each.iteration_s) for each in stages.stages} == {20}


@pytest.mark.parametrize("queued", [False, True])
@pytest.mark.parametrize("slow", [*TIMES, "other"])
def test_a_slower_stage_shows_that_and_no_other_moves(device, queued, slow):
    clock, spend = (device.clock(), device.run) if queued else (device.host_clock(), device.busy)
    before = by_name(measure(staged(spend), clock))
    other = 0.125 + 0.75 * (slow == "other")
    changed = {name: seconds + 0.75 * (name == slow) for name, seconds in TIMES.items()}
    after = by_name(measure(staged(spend, changed, other), clock))
    moved = {name: after[name] - before[name] for name in before}
    assert moved == pytest.approx({name: 0.75 * (name == slow) for name in before}, abs=1e-9)


def test_nested_stages_keep_to_themselves(device):
    def work(batch):
        with stage("outer"):
            device.busy(1.0)
            for _ in range(3):
                with stage("inner"):
                    device.busy(0.5)

    stages = measure(work, device.host_clock())
    assert by_name(stages) == pytest.approx({"outer": 1.0, "inner": 1.5, "other": 0.0})
    assert [each.calls for each in stages.stages] == pytest.approx([1.0, 3.0, 1.0])


def test_work_without_stages_is_other(device):
    stages = measure(lambda batch: device.busy(2.0), device.host_clock())
    assert by_name(stages) == {"other": 2.0}


def test_a_stage_that_some_batches_do_not_enter_counts_there_as_none(device):
    def work(batch):
        device.busy(1.0)
        if batch == "long":
            with stage("rest"):
                device.busy(1.0)

    stages = measure(work, device.host_clock(), ["short", "long"], iterations=8)
    rest = {each.name: each for each in stages.stages}["rest"]
    assert rest.iteration_s == [0.0, 0.0, 1.0, 1.0] * 2
    assert (rest.seconds.value, rest.calls) == (0.5, 0.5)
    assert stages.sum_to_plain == 1.0


def test_plain_and_recorded_alternate_on_the_same_batch(device):
    seen = []

    def work(batch):
        seen.append((batch, stage("x") is not stage("y")))
        device.busy(1.0)

    measure(work, device.host_clock(), ["a", "b", "c"], iterations=8)
    order = [False, True, True, False]
    assert seen == [(batch, told) for batch in "abca" for told in order]


def test_what_recording_costs_is_seen(monkeypatch):
    device = FakeDevice(monkeypatch, record_s=0.25)
    times = {"encode": 0.0, "head": 0.0}
    waits = measure(staged(lambda s: device.run(0.0, host_s=s), times, 1.0), device.clock())
    assert waits.sum_to_plain == pytest.approx((1.0 + 5 * 0.25) / (1.0 + 0.25))
    behind = measure(staged(device.run, times, 10.0), device.clock())
    assert behind.sum_to_plain == pytest.approx(1.0)


def test_device_is_waited_for_once_a_round_and_events_are_pooled(device):
    stages = measure(staged(device.run), device.clock(), iterations=100)
    assert len(stages.plain_s) == 100
    assert device.waits == 25
    assert device.made == 4 * 2 + 4 * 2 * (1 + len(TIMES))


def test_work_that_reads_its_answers_starts_on_an_idle_device_and_shows_its_launches(device):
    """Of every iteration, plain or recorded: the time of its first stage is that of launching and doing it."""

    def work(batch):
        with stage("encode"):
            device.run(1.0, host_s=0.5)
        with stage("head"):
            device.run(1.0, host_s=0.5)
        device.synchronize()

    stages = measure(work, device.clock())
    assert by_name(stages) == pytest.approx({"encode": 1.5, "head": 1.0, "other": 0.0})
    assert set(stages.plain_s) == {2.5}
    assert stages.sum_to_plain == pytest.approx(1.0)


def test_host_time_is_that_of_queueing(device):
    stages = measure(staged(lambda seconds: device.run(seconds, host_s=0.0625)), device.clock())
    host = {each.name: each.host_s for each in stages.stages}
    assert host == pytest.approx(dict.fromkeys([*TIMES, "other"], 0.0625))
    assert by_name(stages) == pytest.approx({**TIMES, "other": 0.125})


def test_goes_on_until_the_time_is_up_or_there_are_enough(device):
    def count(**options):
        return len(measure(staged(device.run), device.clock(), **options).plain_s)

    assert count(iterations=1) == 4
    assert count(iterations=9) == 12
    assert count(iterations=4, min_seconds=100.0) == 12  # 8 iterations of 5.875 s a round
    assert count(iterations=4, min_seconds=1e9, max_iterations=40) == 40


def test_disturbed_iterations_move_nothing(device):
    """A fifth of the iterations is disturbed, recorded and plain ones, in one stage or another."""
    rng = np.random.default_rng(0)

    def spend(seconds):
        device.busy(seconds + (50.0 if rng.random() < 0.04 else 0.0))

    stages = measure(staged(spend), device.host_clock(), iterations=200)
    assert by_name(stages) == pytest.approx({**TIMES, "other": 0.125})
    assert stages.sum_to_plain == pytest.approx(1.0)
    assert max(stages.plain_s) > 50.0


def test_two_profiles_of_the_same_agree_within_their_intervals(device):
    """Intervals at 95 % hold the true value of noisy stages about as often, so that two of them meet."""
    rng = np.random.default_rng(1)
    held = met = 0
    widths = []
    profiles = 60
    for _ in range(profiles):
        first, second = (
            measure(staged(lambda s: device.busy(s * rng.normal(1.0, 0.05))), device.host_clock(), iterations=24)
            for _ in range(2)
        )
        image = first.stages[0].seconds
        held += image.low <= TIMES["encode.image"] <= image.high
        met += first.plain.low <= second.plain.high and second.plain.low <= first.plain.high
        widths.append(image.high - image.low)
    assert held >= 0.88 * profiles
    assert met >= 0.95 * profiles
    assert np.median(widths) < 0.5


def test_a_failure_comes_through_and_leaves_the_clock_ready(device):
    clock = device.clock()
    calls = iter(range(100))

    def fail(batch):
        with stage("encode"):
            device.run(1.0)
            if next(calls) == 5:
                raise MemoryError("too large")

    with pytest.raises(MemoryError, match="too large"):
        measure(fail, clock)
    assert stage("one") is stage("another")
    assert by_name(measure(staged(device.run), clock)) == pytest.approx({**TIMES, "other": 0.125})


def test_refuses_what_cannot_be_measured(device):
    with pytest.raises(ValueError, match="need a batch"):
        measure(staged(device.busy), device.host_clock(), [])
    with pytest.raises(HarnessError, match="no time that the clock could see"):
        measure(lambda batch: None, device.host_clock())


def test_warm_up_is_kept(device):
    ran = WarmUp(first_s=1.0, iterations=3, seconds=2.0, steady=True)
    assert measure(staged(device.busy), device.host_clock(), warm_up=[ran]).warm_up == [ran]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 11])
def test_interquartile_mean_is_that_of_the_middle_half(count):
    """Reference: every row four times over, so that a quarter is a whole number of rows; then a plain mean."""
    rng = np.random.default_rng(count)
    wholes, values = rng.random(count), rng.random((count, 2))
    often = np.repeat(values[np.argsort(wholes)], 4, axis=0)
    np.testing.assert_allclose(interquartile_mean(wholes, values), often[count : 3 * count].mean(axis=0))


def test_intervals_need_three_blocks_and_are_a_point_without_spread():
    ones = np.ones(8)
    (two,) = estimate_together(ones, ones[:, None], rounds=2)
    assert (two.value, two.low, two.high, two.n) == (1.0, None, None, 2)
    (four,) = estimate_together(ones, ones[:, None], rounds=4)
    assert (four.value, four.low, four.high, four.n) == (1.0, 1.0, 1.0, 4)


def test_interval_is_students_over_blocks():
    """Reference: scipy's interval of a mean, over values that are alike within each of three rounds."""
    rounds = np.array([1.0, 2.0, 4.0])
    values = np.repeat(rounds, 4)
    (estimate,) = estimate_together(values, values[:, None], rounds=3)
    scale = stats.sem(rounds) * autocorrelation_widening(rounds)
    low, high = stats.t.interval(0.95, 2, loc=estimate.value, scale=scale)
    assert (estimate.low, estimate.high) == pytest.approx((max(low, 0.0), high))


def test_a_stage_that_drifts_has_a_wider_interval_than_one_with_the_same_values_out_of_order():
    """The first column rises from round to round, the second has the same rounds in turn from both ends."""
    drift = np.arange(10.0, 20.0)
    mixed = drift[[0, 9, 1, 8, 2, 7, 3, 6, 4, 5]]
    values = np.repeat(np.stack([drift, mixed], axis=1), 4, axis=0)
    wide, narrow = estimate_together(np.ones(40), values, rounds=10)
    ratio = (wide.high - wide.low) / (narrow.high - narrow.low)
    assert ratio == pytest.approx(autocorrelation_widening(drift) / autocorrelation_widening(mixed))
    assert ratio > 2


class Net(nn.Module):
    """Two linear layers, the first in a busy loop; each call of a layer takes a second of virtual time."""

    def __init__(self, device, repeats):
        super().__init__()
        self.first, self.second, self.repeats = nn.Linear(8, 8), nn.Linear(8, 2), repeats
        for layer in (self.first, self.second):
            layer.register_forward_hook(lambda *_: device.busy(1.0))

    def forward(self, x):
        with stage("encode"):
            for _ in range(self.repeats):
                x = self.first(x).relu()
        with stage("head"):
            return self.second(x)


def test_real_work_is_counted_where_it_is_done(device):
    found = []
    for repeats in (3, 10):
        with torch.inference_mode():
            stages = measure(Net(device, repeats), device.host_clock(), [torch.ones(4, 8)])
        found.append(by_name(stages))
        assert stages.sum_to_plain == pytest.approx(1.0)
    assert found[0] == pytest.approx({"encode": 3.0, "head": 1.0, "other": 0.0})
    assert found[1] == pytest.approx({"encode": 10.0, "head": 1.0, "other": 0.0})


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_stages_add_up_and_a_slower_one_shows():
    gpu = torch.device("cuda:0")
    x = torch.ones(2048, 2048, device=gpu)

    def work_of(encode):
        def work(batch):
            with stage("encode"):
                for _ in range(encode):
                    batch @ batch
            with stage("head"):
                for _ in range(10):
                    batch @ batch

        return work

    work_of(20)(x)
    once, twice = (measure_stages(work_of(n), [x], batch_size=1, clock=make_clock(gpu)) for n in (20, 40))
    for stages in (once, twice):
        assert stages.sum_to_plain == pytest.approx(1.0, abs=0.05)
    assert by_name(twice)["encode"] == pytest.approx(2 * by_name(once)["encode"], rel=0.1)
    assert by_name(twice)["head"] == pytest.approx(by_name(once)["head"], rel=0.1)
