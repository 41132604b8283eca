"""High-water marks: the most memory in use at once since a moment, by the most exact method at hand."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from threading import Event, Thread
from typing import Any, Protocol

import torch

PROCESS = Path("/proc/self")


class HighWater(Protocol):
    """A mark that only rises until it is set back. There is one to a process or device: two users disturb each other.

    Attributes:
        method: how it is measured, and what it covers.
    """

    method: str

    def reset(self) -> int:
        """Set the mark back to what is in use now, in bytes, and return that."""
        ...

    def peak(self) -> int:
        """Bytes at the mark: the most since `reset`."""
        ...


class KernelHighWater:
    """Linux: `VmHWM`, the kernel's own mark of this process's resident memory, exact to some 100 KiB.

    Resident memory is what the process has touched: tensors, mapped files, code. Other processes are not in it.

    Raises:
        OSError: this kernel does not let a process reset its mark.
    """

    method = "resident memory of the main process, VmHWM reset at each start"

    def __init__(self, process: Path = PROCESS) -> None:
        self._process = process
        self.reset()

    def reset(self) -> int:
        """Write 5 to `clear_refs`, proc(5)."""
        (self._process / "clear_refs").write_text("5", encoding="ascii")
        return self.peak()

    def peak(self) -> int:
        """Read `VmHWM`, proc(5)."""
        for line in (self._process / "status").read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        raise OSError("the kernel tells no VmHWM")


class SampledHighWater:
    """A thread that looks at resident memory every other millisecond; a shorter peak may be missed.

    Args:
        resident: bytes in use now.
        source: what `resident` reads.
    """

    INTERVAL_S = 0.002

    def __init__(self, resident: Callable[[], int], source: str) -> None:
        self.method = f"resident memory of the main process, {source} sampled every {self.INTERVAL_S * 1000:g} ms"
        self._resident = resident
        self._most = resident()
        self._stop = Event()
        self._thread = Thread(target=self._sample, name="resident-memory", daemon=True)
        self._thread.start()

    def reset(self) -> int:
        """Forget what was seen."""
        self._most = now = self._resident()
        return now

    def peak(self) -> int:
        """The most that was seen, now included."""
        self._most = most = max(self._most, self._resident())
        return most

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(self.INTERVAL_S):
            self.peak()


class LifetimeHighWater:
    """`ru_maxrss`: the mark of the process's whole life, which nothing sets back; what stays below it is not seen."""

    method = "ru_maxrss of the main process, not reset"

    def reset(self) -> int:
        """The mark stays where it is."""
        return self.peak()

    def peak(self) -> int:
        """Bytes since the process began."""
        import resource  # noqa: PLC0415 - not on Windows

        # Linux counts in KiB, macOS in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Allocator(Protocol):
    """PyTorch's memory statistics of a kind of device, as `torch.cuda` and `torch.xpu` have them."""

    def synchronize(self, device: torch.device) -> None: ...  # noqa: D102
    def empty_cache(self) -> None: ...  # noqa: D102
    def reset_peak_memory_stats(self, device: torch.device) -> None: ...  # noqa: D102
    def max_memory_allocated(self, device: torch.device) -> int: ...  # noqa: D102
    def max_memory_reserved(self, device: torch.device) -> int: ...  # noqa: D102


class AllocatorHighWater:
    """The most that PyTorch's allocator handed out on a device; context and other libraries are not in it.

    Attributes:
        reserved: the most bytes that the allocator held, handed out or cached, since the object was made.
    """

    def __init__(self, allocator: Allocator, device: torch.device) -> None:
        self.method = f"{device.type} max_memory_allocated, reset at each start"
        self.reserved = 0
        self._allocator = allocator
        self._device = device
        self.reset()

    def reset(self) -> int:
        """Reset the allocator's peaks. They are the host's own count, so there is nothing to wait for."""
        self._allocator.reset_peak_memory_stats(self._device)
        return self.peak()

    def peak(self) -> int:
        """Bytes handed out at once."""
        self.reserved = max(self.reserved, self._allocator.max_memory_reserved(self._device))
        return self._allocator.max_memory_allocated(self._device)


@contextmanager
def host_high_water(process: Path = PROCESS) -> Iterator[HighWater]:
    """The best mark of this process's memory: the kernel's, else samples, else the mark of its whole life."""
    try:
        kernel = KernelHighWater(process)
    except OSError:
        pass
    else:
        yield kernel
        return
    found = _resident(process)
    if found is None:
        yield LifetimeHighWater()
        return
    sampled = SampledHighWater(*found)
    try:
        yield sampled
    finally:
        sampled.close()


def _resident(process: Path) -> tuple[Callable[[], int], str] | None:
    try:
        return _resident_in_proc(process), "/proc statm"
    except OSError:
        pass
    try:
        psutil: Any = import_module("psutil")
    except ImportError:
        return None
    own = psutil.Process()
    return lambda: int(own.memory_info().rss), "psutil rss"


def _resident_in_proc(process: Path) -> Callable[[], int]:
    import resource  # noqa: PLC0415 - not on Windows, which has no /proc either

    statm, page = process / "statm", resource.getpagesize()

    def read() -> int:
        return int(statm.read_text(encoding="ascii").split()[1]) * page

    read()
    return read
