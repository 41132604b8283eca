"""What the driver of NVIDIA's devices tells (NVML), if the optional package `nvidia-ml-py` is there."""

from importlib import import_module
from typing import Any

_IDS = ("GPU-", "MIG-")  # what NVML puts before the UUID that CUDA gives


class NvmlDevice:
    """One device.

    Args:
        library: the module `pynvml`, initialised.
        handle: NVML's of the device.
    """

    def __init__(self, library: Any, handle: Any) -> None:
        self._library = library
        self._handle = handle

    def process_bytes(self, pid: int) -> int | None:
        """Bytes that a process holds on the device, context included.

        `None` where the driver does not tell: some virtual devices, and containers where it knows the process by
        another id.
        """
        try:
            running = self._library.nvmlDeviceGetComputeRunningProcesses(self._handle)
        except self._library.NVMLError:
            return None
        held = [process.usedGpuMemory for process in running if process.pid == pid]
        return sum(held) if held and None not in held else None

    def energy_j(self) -> float | None:
        """Joules of the whole device since its driver was loaded; `None` before the Volta generation."""
        try:
            millijoules: int = self._library.nvmlDeviceGetTotalEnergyConsumption(self._handle)
        except self._library.NVMLError:
            return None
        return millijoules / 1000


def find_device(properties: Any, library: Any = None) -> NvmlDevice | None:
    """NVML's view of a device of PyTorch's; `None` without the package, the driver, or a certain match.

    It is found by UUID, else by its place on the PCI bus. NVML numbers all devices of the machine, CUDA those that
    `CUDA_VISIBLE_DEVICES` leaves and in another order, so a number says nothing.

    Args:
        properties: what `torch.cuda.get_device_properties` gives.
        library: the module `pynvml`; imported if not given.
    """
    library = library or _load()
    if library is None:
        return None
    try:
        library.nvmlInit()
    except library.NVMLError:
        return None
    handle = _handle(library, properties)
    return NvmlDevice(library, handle) if handle is not None else None


def _load() -> Any:
    try:
        return import_module("pynvml")
    except ImportError:
        return None


def _handle(library: Any, properties: Any) -> Any:
    uuid = getattr(properties, "uuid", None)
    if uuid is not None:
        for prefix in _IDS:
            try:
                return library.nvmlDeviceGetHandleByUUID(f"{prefix}{uuid}")
            except library.NVMLError:
                continue
    bus = getattr(properties, "pci_bus_id", None)
    if bus is None:
        return None
    place = f"{getattr(properties, 'pci_domain_id', 0):08X}:{bus:02X}:{properties.pci_device_id:02X}.0"
    try:
        return library.nvmlDeviceGetHandleByPciBusId(place)
    except library.NVMLError:
        return None
