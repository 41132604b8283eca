"""Energy from counters: all packages, each once, past a wrap-around; nothing where nothing can be read."""

import pytest
import torch

from mmbench.profile.energy import NvmlMeter, RaplMeter, find_meters, measure_energy
from mmbench.profile.nvml import NvmlDevice

CPU, CUDA = torch.device("cpu"), torch.device("cuda:0")


def wait():
    pass


def zone(root, name, domain, microjoules, wraps_at=1_000_000_000):
    folder = root / name
    folder.mkdir()
    (folder / "name").write_text(f"{domain}\n")
    (folder / "max_energy_range_uj").write_text(f"{wraps_at}\n")
    (folder / "energy_uj").write_text(f"{microjoules}\n")
    return folder / "energy_uj"


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class FakeNvml:
    NVMLError = RuntimeError

    def __init__(self, millijoules):
        self.millijoules = millijoules

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        if self.millijoules is None:
            raise RuntimeError("Not Supported")
        return self.millijoules


@pytest.fixture
def packages(tmp_path):
    """Two packages, what lies within the first, and two zones that cover the first again."""
    first = zone(tmp_path, "intel-rapl:0", "package-0", 5_000_000)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 7_000_000)
    again = [
        zone(tmp_path, "intel-rapl:0:0", "core", 1_000_000),
        zone(tmp_path, "intel-rapl:2", "psys", 9_000_000),
        zone(tmp_path, "intel-rapl-mmio:0", "package-0", 5_000_000),
    ]
    return first, second, again


def test_each_package_counts_once(tmp_path, packages):
    first, second, again = packages
    meter = RaplMeter(tmp_path)
    assert meter.joules() == 0
    first.write_text("6500000\n")
    second.write_text("7250000\n")
    for counter in again:
        counter.write_text("900000000\n")
    assert meter.joules() == 1.75
    assert meter.source.startswith("RAPL, 2 processor packages")


def test_counter_that_wraps_round_twice(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 9_000_000, wraps_at=10_000_000)
    meter = RaplMeter(tmp_path)
    counter.write_text("2000000\n")
    assert meter.joules() == 3
    counter.write_text("8000000\n")
    assert meter.joules() == 9
    counter.write_text("1000000\n")
    assert meter.joules() == 12


def test_one_package_that_cannot_be_read_leaves_none(tmp_path, packages):
    packages[1].unlink()
    packages[1].mkdir()  # as a file without permission: opening it is an OSError, for root too
    with pytest.raises(OSError, match="energy_uj"):
        RaplMeter(tmp_path)
    assert find_meters(CPU, tmp_path) == []


def test_machine_without_counters(tmp_path):
    assert find_meters(CPU, tmp_path / "absent") == []
    zone(tmp_path, "intel-rapl:0", "psys", 1)
    assert find_meters(CPU, tmp_path) == []
    assert measure_energy(lambda _: None, [1], [1], device=CPU, wait=wait, seconds=0, meters=[]) is None


def test_device_needs_a_counter_of_its_own(tmp_path, packages):
    assert find_meters(CUDA, tmp_path, NvmlDevice(FakeNvml(None), 0)) == []
    both = find_meters(CUDA, tmp_path, NvmlDevice(FakeNvml(1), 0))
    assert [type(meter) for meter in both] == [NvmlMeter, RaplMeter]
    alone = find_meters(CUDA, tmp_path / "absent", NvmlDevice(FakeNvml(1), 0))
    assert [type(meter) for meter in alone] == [NvmlMeter]
    assert find_meters(torch.device("mps"), tmp_path) == []


def test_energy_of_whole_turns_over_the_batches(tmp_path, packages):
    clock, nvml = Clock(), FakeNvml(0)
    calls = []

    def work(batch):
        calls.append(batch)
        clock.now += 1
        nvml.millijoules += 10_000  # 10 J a call
        packages[0].write_text(f"{5_000_000 + nvml.millijoules * 200}\n")  # 2 J a call

    meters = find_meters(CUDA, tmp_path, NvmlDevice(nvml, 0))
    run = {"device": CUDA, "wait": lambda: calls.append("wait"), "seconds": 2.5, "meters": meters, "clock": clock}
    found = measure_energy(work, ["a", "b"], [8, 4], **run)
    assert calls == ["a", "wait", "a", "b", "wait", "a", "b", "wait"]  # one before the counters are read
    assert found.seconds == 4
    assert found.samples == 24
    assert found.joules == pytest.approx(4 * 12)
    assert found.joules_per_sample == pytest.approx(2)
    assert found.source == f"{meters[0].source}; {meters[1].source}"
    assert "whole device" in found.source


def test_wrap_between_turns_is_seen(tmp_path):
    counter = zone(tmp_path, "intel-rapl:0", "package-0", 0, wraps_at=10_000_000)
    clock, spent = Clock(), [0]

    def work(batch):
        clock.now += 1
        spent[0] += 6_000_000
        counter.write_text(f"{spent[0] % 10_000_000}\n")

    found = measure_energy(work, [0], [1], device=CPU, wait=wait, seconds=5, meters=[RaplMeter(tmp_path)], clock=clock)
    assert found.joules == pytest.approx(30)


def test_counter_that_stands_still_gives_nothing(tmp_path, packages):
    assert (
        measure_energy(lambda _: None, [0], [1], device=CPU, wait=wait, seconds=0, meters=[RaplMeter(tmp_path)]) is None
    )
