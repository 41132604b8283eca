"""Peak memory of a part of a run, by the most exact method at hand; the record says which."""

import resource
import sys
from pathlib import Path

import torch

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


class PeakMemory:
    """Measures from its construction to `read`.

    CUDA: the most that PyTorch's allocator held at once on the device, context and other libraries not included.
    Linux CPU: the kernel's high-water mark of this process's resident memory (VmHWM), reset at the start; loader
    workers are processes of their own and not included. Elsewhere: `ru_maxrss`, which covers the process's whole life.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.method = "cuda max_memory_allocated"
        elif _reset_high_water_mark():
            self.method = "VmHWM of the main process, reset at the start"
        else:
            self.method = "ru_maxrss of the main process, not reset"

    def read(self) -> int:
        """Bytes at the peak so far."""
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        if self.method.startswith("VmHWM"):
            return _status_bytes("VmHWM")
        # Linux counts in KiB, macOS in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _reset_high_water_mark() -> bool:
    try:
        _CLEAR_REFS.write_text("5", encoding="ascii")  # 5: reset the peak resident set size, proc(5)
    except OSError:
        return False
    return True


def _status_bytes(field: str) -> int:
    for line in _STATUS.read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)
