"""Peak memory of a part of a run, as the quality pass reports it; the record says by which method."""

import torch

from mmbench.profile.high_water import AllocatorHighWater, HighWater, KernelHighWater, LifetimeHighWater


class PeakMemory:
    """Measures from its construction to `read`.

    CUDA: the most that PyTorch's allocator held at once on the device, context and other libraries not included.
    Linux CPU: the kernel's high-water mark of this process's resident memory (VmHWM), reset at the start; loader
    workers are processes of their own and not included. Elsewhere: `ru_maxrss`, which covers the process's whole life.
    """

    def __init__(self, device: torch.device) -> None:
        self._mark, self.method = _mark(device)

    def read(self) -> int:
        """Bytes at the peak so far."""
        return self._mark.peak()


def _mark(device: torch.device) -> tuple[HighWater, str]:
    if device.type == "cuda":
        return AllocatorHighWater(torch.cuda, device), "cuda max_memory_allocated"
    try:
        return KernelHighWater(), "VmHWM of the main process, reset at the start"
    except OSError:
        return LifetimeHighWater(), LifetimeHighWater.method
