"""Energy, read from counters of the machine: RAPL's of the processor packages, NVML's of a device. Never estimated."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import Protocol, TypeVar

import torch

from mmbench.profile.nvml import NvmlDevice, find_device
from mmbench.profile.results import Energy

B = TypeVar("B")

POWERCAP = Path("/sys/class/powercap")


class EnergyMeter(Protocol):
    """A counter that only grows.

    Attributes:
        source: the counter, and what it covers.
    """

    source: str

    def joules(self) -> float:
        """Since the meter was made."""
        ...


class _Zone:
    """A zone of the power capping framework: a counter of microjoules that wraps round after `max_energy_range_uj`."""

    def __init__(self, folder: Path) -> None:
        self._counter = folder / "energy_uj"
        self._range = _number(folder / "max_energy_range_uj")
        self._last = _number(self._counter)
        self._total = 0

    def joules(self) -> float:
        now = _number(self._counter)
        self._total += now - self._last + (self._range if now < self._last else 0)
        self._last = now
        return self._total / 1e6


class RaplMeter:
    """Processor packages by RAPL, to be read at least once in each of its rounds (minutes under full load).

    Zones within a package (cores, graphics) are part of it and not read, nor is `psys`, which covers packages too.

    Args:
        root: folder of the power capping framework, kernel.org "Power Capping Framework".

    Raises:
        OSError: there is no package, or one that may not be read; the sum of the others would be too little.
    """

    def __init__(self, root: Path = POWERCAP) -> None:
        packages = [zone for zone in sorted(root.glob("intel-rapl:*")) if _is_package(zone)]
        if not packages:
            raise FileNotFoundError(f"no processor package in {root}")
        self._zones = [_Zone(zone) for zone in packages]
        self.source = (
            f"RAPL, {len(packages)} processor package{'s' if len(packages) > 1 else ''}: "
            "all that runs on them, idle power included; memory chips and other devices are not"
        )

    def joules(self) -> float:
        """Sum over the packages."""
        return sum(zone.joules() for zone in self._zones)


class NvmlMeter:
    """A device by NVML.

    Raises:
        OSError: the device has no such counter.
    """

    source = "NVML, the whole device: all that runs on it, idle power included"

    def __init__(self, device: NvmlDevice) -> None:
        self._device = device
        self._start = self._read()

    def joules(self) -> float:
        """Of the whole device."""
        return self._read() - self._start

    def _read(self) -> float:
        joules = self._device.energy_j()
        if joules is None:
            raise OSError("NVML tells no energy of this device")
        return joules


def find_meters(device: torch.device, root: Path = POWERCAP, nvml: NvmlDevice | None = None) -> list[EnergyMeter]:
    """The counters of what works when `device` does: its own, without which there is none, and the processors'.

    Args:
        device: that does the work.
        root: folder of the power capping framework.
        nvml: the device as NVML sees it; looked for if not given.
    """
    meters: list[EnergyMeter] = []
    try:
        if device.type == "cuda":
            nvml = nvml or find_device(torch.cuda.get_device_properties(device))
            if nvml is None:
                return []
            meters.append(NvmlMeter(nvml))
        elif device.type != "cpu":
            return []
    except OSError:
        return []
    with suppress(OSError):  # a device's own counter still says what it says
        meters.append(RaplMeter(root))
    return meters


def measure_energy(
    work: Callable[[B], object],
    batches: Sequence[B],
    sizes: Sequence[int],
    *,
    device: torch.device,
    wait: Callable[[], None],
    seconds: float,
    meters: Sequence[EnergyMeter] | None = None,
    clock: Callable[[], float] = perf_counter,
) -> Energy | None:
    """Put batches to the model, in turn and again, for some time, and read the counters before and after.

    All that the machine draws in that time counts, so nothing else should run on it.

    Args:
        work: puts one batch, already on the device, to the model.
        batches: at least one.
        sizes: samples of each batch.
        device: that does the work.
        wait: waits until the device has done all queued work.
        seconds: how long at least; all batches are always gone through.
        meters: counters to read; by default those of the device (`find_meters`).
        clock: gives seconds.

    Returns:
        The energy, or `None` where no counter of the device can be read, or none moves, as in virtual machines.

    Raises:
        OSError: a counter that could be read at first cannot any more.
        Exception: whatever `work` raises.
    """
    meters = find_meters(device) if meters is None else meters
    if not meters:
        return None
    work(batches[0])  # what is made once is not part of it
    wait()
    before, start, samples = _joules(meters), clock(), 0
    while True:
        for batch, size in zip(batches, sizes, strict=True):
            work(batch)
            samples += size
        wait()
        after, passed = _joules(meters), clock() - start  # read in each turn: RAPL's counters wrap round
        if passed >= seconds:
            break
    joules = after - before
    if joules <= 0:
        return None
    return Energy(
        joules_per_sample=joules / samples,
        joules=joules,
        seconds=passed,
        samples=samples,
        source="; ".join(meter.source for meter in meters),
    )


def _joules(meters: Sequence[EnergyMeter]) -> float:
    return sum(meter.joules() for meter in meters)


def _is_package(zone: Path) -> bool:
    if zone.name.count(":") != 1:  # intel-rapl:0:0 lies within intel-rapl:0
        return False
    return (zone / "name").read_text(encoding="ascii").strip().startswith("package-")


def _number(file: Path) -> int:
    return int(file.read_text(encoding="ascii"))
