import pytest

from mmbench.profile.results import WarmUp
from mmbench.profile.throughput import Throughput, measure_throughput


class _Device:
    """Queues work without taking time, and does it all when waited for."""

    def __init__(self, per_sample: float = 0.001) -> None:
        self.time = 0.0
        self.per_sample = per_sample
        self.asked: list[int] = []
        self.queued = 0.0
        self.log: list[str] = []

    def work(self, size: int) -> None:
        self.asked.append(size)
        self.queued += size * self.per_sample
        self.log.append("work")

    def wait(self) -> None:
        self.time += self.queued
        self.queued = 0.0
        self.log.append("wait")

    def now(self) -> float:
        self.log.append("now")
        return self.time


def _measure(device: _Device, sizes: list[int], seconds: float = 2.0, **options: float):
    return measure_throughput(device.work, sizes, sizes, wait=device.wait, seconds=seconds, now=device.now, **options)


def test_samples_per_second_are_those_of_the_device() -> None:
    found = _measure(_Device(0.001), [16, 16, 16])
    assert found.samples_per_s.value == pytest.approx(1000)
    assert found.batch_size == 16


def test_blocks_are_long_enough_and_at_least_ten_and_all_kept() -> None:
    found = _measure(_Device(0.0001), [4, 4], seconds=0.1)
    assert len(found.block_s) == len(found.block_samples) >= 10
    assert min(found.block_s) >= 0.05
    assert [n / s for n, s in zip(found.block_samples, found.block_s, strict=True)] == pytest.approx(
        [10_000] * len(found.block_s)
    )


def test_the_device_is_waited_for_at_the_ends_of_a_block_only() -> None:
    device = _Device()
    meter = Throughput(device.work, [8], [8], wait=device.wait, now=device.now)
    meter.run(0.0)
    device.log.clear()
    meter.run(0.0)
    inner = device.log[device.log.index("wait") : len(device.log) - device.log[::-1].index("wait")]
    assert inner[:2] == ["wait", "now"]
    assert inner[-1] == "wait"
    assert set(inner[2:-1]) == {"work"}
    assert inner.count("work") == meter.result().block_samples[-1] // 8


def test_batches_of_different_sizes_are_cycled_and_blocks_are_whole_turns() -> None:
    device = _Device()
    found = _measure(device, [32, 32, 7])
    assert device.asked[:6] == [32, 32, 7, 32, 32, 7]
    assert {samples % 71 for samples in found.block_samples} == {0}
    assert found.batch_size == 32


def test_a_turn_too_long_for_ten_blocks_is_cut_and_no_batch_is_left_out() -> None:
    device = _Device(0.01)
    sizes = [10] * 99 + [5]
    found = _measure(device, sizes, seconds=2.0)
    assert len(found.block_s) >= 10
    assert sum(found.block_s) < 4.0
    # Every batch is asked in its turn, across blocks.
    assert device.asked == [sizes[index % 100] for index in range(len(device.asked))]


def test_a_slow_model_runs_ten_blocks_whatever_the_seconds_unless_capped() -> None:
    assert len(_measure(_Device(1.0), [10], seconds=5.0).block_s) == 10
    capped = _measure(_Device(1.0), [10], seconds=5.0, most_s=25.0)
    assert len(capped.block_s) == 3
    assert capped.samples_per_s.low is None
    assert len(_measure(_Device(1.0), [10], seconds=5.0, most_s=0.0).block_s) == 1


def test_no_batch_of_a_slow_model_is_measured_in_vain() -> None:
    device = _Device(1.0)
    found = _measure(device, [10, 20], seconds=5.0)
    assert sum(found.block_samples) == sum(device.asked)
    assert sum(found.block_s) == device.time


def test_a_trial_of_other_length_than_the_blocks_is_not_among_them() -> None:
    device = _Device(0.01)
    found = _measure(device, [10, 20], seconds=10.0)
    assert set(found.block_samples) == {30}
    assert sum(device.asked) == sum(found.block_samples) + 10


def test_looking_for_a_length_ends_when_the_time_is_over() -> None:
    device = _Device(0.0001)
    found = _measure(device, [1], seconds=1.0, most_s=0.0)
    assert (device.asked, found.block_samples) == ([1], [1])
    device = _Device(0.0001)
    found = _measure(device, [1], seconds=1.0, most_s=0.0005)
    assert device.time == pytest.approx(0.0011)  # a trial of one, then the one of ten that crosses the line
    assert found.block_samples == [10]


def test_a_slow_spell_moves_the_interval_and_not_the_median() -> None:
    device = _Device(0.001)
    meter = Throughput(device.work, [10], [10], wait=device.wait, now=device.now)
    meter.run(2.0)
    device.per_sample = 0.002
    meter.run(0.5)
    found = meter.result().samples_per_s
    assert found.value == pytest.approx(1000)
    assert found.low is not None
    assert found.low < 950


def test_rounds_add_up() -> None:
    device = _Device()
    meter = Throughput(device.work, [10], [10], wait=device.wait, now=device.now)
    meter.run(1.0)
    once = len(meter.result().block_s)
    device.time += 100.0  # other passes meanwhile
    meter.run(1.0)
    assert len(meter.result().block_s) == pytest.approx(2 * once, abs=1)


def test_warm_ups_stand_in_the_result() -> None:
    warm = WarmUp(first_s=1.0, iterations=20, seconds=0.5, steady=True)
    device = _Device()
    found = measure_throughput(device.work, [1], [1], wait=device.wait, seconds=0.1, warm_up=[warm], now=device.now)
    assert found.warm_up == [warm]


@pytest.mark.parametrize(("batches", "sizes"), [([], []), ([1, 2], [1])])
def test_batches_and_sizes_must_match(batches: list[int], sizes: list[int]) -> None:
    with pytest.raises(ValueError, match="batches"):
        measure_throughput(lambda _: None, batches, sizes, wait=lambda: None, seconds=1.0)
