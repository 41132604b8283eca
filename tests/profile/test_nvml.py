"""The driver's view: the right device, and absent where it does not tell."""

from types import SimpleNamespace

import pytest

from mmbench.profile.nvml import find_device

MISSING = object()


class NVMLError(Exception):
    pass


class FakeNvml:
    """A machine of two devices, of which CUDA may see the second alone and call it the first."""

    NVMLError = NVMLError
    UUIDS = ("GPU-aaaa", "GPU-bbbb")
    PLACES = ("00000000:3B:00.0", "00000001:AF:00.0")

    def __init__(self, *, driver=True, processes=(), millijoules=MISSING):
        self._driver = driver
        self._open = False
        self._processes = processes
        self._millijoules = millijoules

    def nvmlInit(self):  # noqa: N802
        if not self._driver:
            raise NVMLError("Driver Not Loaded")
        self._open = True

    def _find(self, names, name):
        assert self._open, "asked before nvmlInit"
        if name not in names:
            raise NVMLError("Not Found")
        return names.index(name)

    def nvmlDeviceGetHandleByUUID(self, uuid):  # noqa: N802
        return self._find(self.UUIDS, uuid)

    def nvmlDeviceGetHandleByPciBusId(self, place):  # noqa: N802
        return self._find(self.PLACES, place)

    def nvmlDeviceGetComputeRunningProcesses(self, handle):  # noqa: N802
        if self._processes is None:
            raise NVMLError("Not Supported")
        return [SimpleNamespace(pid=p, usedGpuMemory=used) for at, p, used in self._processes if at == handle]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):  # noqa: N802
        if self._millijoules is MISSING:
            raise NVMLError("Not Supported")
        return self._millijoules[handle]


SECOND = [
    SimpleNamespace(uuid="bbbb"),
    SimpleNamespace(pci_domain_id=1, pci_bus_id=0xAF, pci_device_id=0),
    SimpleNamespace(uuid="unknown to NVML", pci_domain_id=1, pci_bus_id=0xAF, pci_device_id=0),
]


@pytest.mark.parametrize("properties", SECOND)
def test_device_is_found_by_what_it_is_not_by_number(properties):
    device = find_device(properties, FakeNvml(processes=[(0, 42, 5), (1, 42, 700), (1, 43, 9)], millijoules=[1, 2500]))
    assert device.process_bytes(42) == 700
    assert device.energy_j() == 2.5


@pytest.mark.parametrize(
    "properties",
    [
        SimpleNamespace(name="nothing to find it by"),
        SimpleNamespace(uuid="cccc"),
        SimpleNamespace(pci_domain_id=0, pci_bus_id=1, pci_device_id=0),
    ],
)
def test_no_match_is_none(properties):
    assert find_device(properties, FakeNvml()) is None


def test_absent_driver_or_package(monkeypatch):
    assert find_device(SECOND[0], FakeNvml(driver=False)) is None
    monkeypatch.setitem(__import__("sys").modules, "pynvml", None)
    assert find_device(SECOND[0]) is None


@pytest.mark.parametrize("processes", [None, [(1, 7, 100)], [(1, 42, None)]])
def test_process_that_the_driver_does_not_tell(processes):
    assert find_device(SECOND[0], FakeNvml(processes=processes)).process_bytes(42) is None


def test_device_without_an_energy_counter():
    assert find_device(SECOND[0], FakeNvml()).energy_j() is None
