import pytest
import torch

from mmbench.profile.results import Estimate, SweepPoint
from mmbench.profile.sweep import find_knee, is_out_of_memory, sweep


def _rate(value: float, half: float | None = None) -> Estimate:
    low, high = (None, None) if half is None else (value - half, value + half)
    return Estimate(value=value, low=low, high=high, level=0.95, n=10, method="told")


def _point(size: int, value: float) -> SweepPoint:
    return SweepPoint(batch_size=size, samples_per_s=_rate(value), latency_s=size / value, peak_bytes=None)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
        MemoryError(),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("cuDNN error: out of memory"),
    ],
)
def test_larger_sizes_are_not_tried_once_memory_is_out(error: Exception) -> None:
    tried = []

    def measure(size: int) -> SweepPoint:
        tried.append(size)
        if size >= 8:
            raise error
        return _point(size, 100.0 * size)

    found = sweep(measure, [64, 1, 8, 16, 4])
    assert tried == [1, 4, 8]
    assert [point.batch_size for point in found.points] == [1, 4, 8, 16, 64]
    assert found.points[2].failure == "out of memory"
    assert {point.failure for point in found.points[3:]} == {"not tried: size 8 was out of memory"}
    assert found.knee == 4


def test_memory_that_torch_really_cannot_get_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58, dtype=torch.uint8)
    assert is_out_of_memory(caught.value)


def test_another_failure_is_of_its_size_alone() -> None:
    def measure(size: int) -> SweepPoint:
        if size == 2:
            raise ValueError("batch norm wants more than two\nand pages of advice")
        return _point(size, 10.0 * size)

    found = sweep(measure, [1, 2, 4])
    assert [point.failure for point in found.points] == [None, "ValueError: batch norm wants more than two", None]
    assert found.points[1].samples_per_s is None
    assert found.knee == 4


def test_what_is_no_failure_of_the_model_ends_the_sweep() -> None:
    def measure(size: int) -> SweepPoint:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(measure, [1, 2])


def test_sizes_are_measured_once_in_order() -> None:
    tried = []

    def measure(size: int) -> SweepPoint:
        tried.append(size)
        return _point(size, 1.0)

    found = sweep(measure, [8, 1, 8])
    assert tried == [1, 8]
    assert found.knee == 1
    assert found.tolerance == 0.1


def test_a_sweep_in_which_all_fail_has_no_knee() -> None:
    def measure(size: int) -> SweepPoint:
        raise RuntimeError("no")

    found = sweep(measure, [1, 2])
    assert found.knee is None
    assert len(found.points) == 2


@pytest.mark.parametrize(
    ("rates", "knee"),
    [
        ({1: 100, 2: 190, 4: 350, 8: 600}, 8),  # still growing
        ({1: 100, 2: 190, 4: 350, 8: 360, 16: 365}, 4),
        ({1: 100, 2: 105, 4: 109}, 1),
        ({1: 100, 2: 109, 4: 118}, 2),  # small gains add up: 18 % from 1 to 4
        ({1: 100, 2: 200, 4: 90, 8: 210}, 2),  # a dip says nothing of the smaller ones
        ({1: 100, 2: 60, 4: 50}, 1),
        ({4: 100}, 4),
        ({}, None),
    ],
)
def test_the_knee_is_the_smallest_size_that_no_larger_one_beats(rates: dict[int, float], knee: int | None) -> None:
    assert find_knee({size: _rate(rate) for size, rate in rates.items()}) == knee


def test_the_tolerance_is_the_callers() -> None:
    rates = {1: _rate(100), 2: _rate(115)}
    assert (find_knee(rates, 0.1), find_knee(rates, 0.2)) == (2, 1)


def test_a_gain_that_noise_explains_moves_no_knee() -> None:
    assert find_knee({1: _rate(100, 15), 2: _rate(115, 15)}) == 1
    assert find_knee({1: _rate(100, 5), 2: _rate(115, 5)}) == 2
    assert find_knee({1: _rate(100, 15), 2: _rate(200, 30)}) == 2
