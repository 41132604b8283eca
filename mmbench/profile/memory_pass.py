"""The memory pass: one batch through the model, with the most memory in use at once, whole and by stage."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch

from mmbench.errors import HarnessError
from mmbench.profile.high_water import Allocator, AllocatorHighWater, HighWater, host_high_water
from mmbench.profile.malloc import returning_malloc
from mmbench.profile.nvml import NvmlDevice, find_device
from mmbench.profile.results import MemoryPass, StageMemory
from mmbench.profile.stage import observed

B = TypeVar("B")


@dataclass
class Extent:
    """Memory of one piece of work.

    Attributes:
        peak: the most bytes in use at once.
        delta: the most above what was in use at the beginning.
    """

    peak: int = 0
    delta: int = 0

    def include(self, peak: int, delta: int) -> None:
        """Take in another entry."""
        self.peak = max(self.peak, peak)
        self.delta = max(self.delta, delta)


@dataclass
class _Entry:
    into: Extent
    start: int
    peak: int


@dataclass(eq=False)
class StagePeaks:
    """An observer that reads a high-water mark at the stages' boundaries and sets it back at each begin.

    What a stage uses counts for every stage around it too. Of several entries into a stage the largest counts.

    Args:
        mark: of the memory that is watched.
        give_back: returns memory that is free, so that what a stage takes is new.

    Attributes:
        stages: by name, in order of first entry.
    """

    mark: HighWater
    give_back: Callable[[], None] = lambda: None
    stages: dict[str, Extent] = field(default_factory=dict)
    _open: list[_Entry] = field(default_factory=list)

    def enter(self, name: str) -> None:
        """Begin a stage."""
        self._begin(self.stages.setdefault(name, Extent()))

    def leave(self, name: str) -> None:
        """End the stage entered last."""
        self._end()

    @contextmanager
    def whole(self) -> Iterator[Extent]:
        """Watch the context as one, and the stages in it; the extent is complete after it."""
        extent = Extent()
        with observed(self):
            self._begin(extent)
            try:
                yield extent
            finally:
                self._end()

    def _begin(self, into: Extent) -> None:
        self._take_in()
        self.give_back()
        now = self.mark.reset()
        self._open.append(_Entry(into, now, now))

    def _end(self) -> None:
        self._take_in()
        entry = self._open.pop()
        entry.into.include(entry.peak, entry.peak - entry.start)

    def _take_in(self) -> None:
        if self._open:
            peak = self.mark.peak()
            for entry in self._open:
                entry.peak = max(entry.peak, peak)


def measure_memory(work: Callable[[B], object], batch: B, *, batch_size: int, device: torch.device) -> MemoryPass:
    """Put a batch to the model twice: unwatched, so that what is made once is there, and then watched.

    On the CPU resident memory is counted: what was touched, in pages, so a block of 128 KiB counts 3 % more than it
    has, a larger one less. `delta_bytes` is what came on top since the beginning, outputs and temporary memory
    included; workspaces that libraries keep from batch to batch were there before. With glibc's malloc all memory that
    a stage takes is new (`returning_malloc`), but for what other threads keep at the end of their arenas. Timing passes
    had better run before: malloc's thresholds are different afterwards.

    On CUDA what PyTorch's allocator handed out is counted, beside what it held (its cache is emptied before) and what
    the driver says of the process, context included, once the batch is done.

    Args:
        work: puts one batch, already on the device, to the model.
        batch: the batch.
        batch_size: samples in it.
        device: that does the work.

    Raises:
        HarnessError: PyTorch does not count the memory of this kind of device.
        Exception: whatever `work` raises.
    """
    work(batch)
    if device.type != "cpu":
        nvml = find_device(torch.cuda.get_device_properties(device)) if device.type == "cuda" else None
        return device_memory(work, batch, batch_size, device, _allocator(device), nvml)
    with returning_malloc() as malloc, host_high_water() as mark:
        peaks = StagePeaks(mark, malloc.give_back)
        with peaks.whole() as whole:
            work(batch)
        return _result(batch_size, f"{mark.method}; {malloc.method}", whole, peaks.stages)


def device_memory(
    work: Callable[[B], object],
    batch: B,
    batch_size: int,
    device: torch.device,
    allocator: Allocator,
    nvml: NvmlDevice | None,
) -> MemoryPass:
    """The watched run on a device with an allocator of its own.

    Raises:
        Exception: whatever `work` raises.
    """
    allocator.synchronize(device)  # blocks that a stream still uses do not leave the cache
    allocator.empty_cache()
    mark = AllocatorHighWater(allocator, device)
    peaks = StagePeaks(mark)
    with peaks.whole() as whole:
        work(batch)
    allocator.synchronize(device)  # what fails on the device fails here
    process = nvml.process_bytes(os.getpid()) if nvml else None
    method = f"{mark.method}; process: {'NVML' if process is not None else 'not told by NVML'}"
    result = _result(batch_size, method, whole, peaks.stages)
    return result.model_copy(update={"reserved_bytes": mark.reserved, "process_bytes": process})


def _allocator(device: torch.device) -> Allocator:
    allocator: Any = torch.get_device_module(device)
    if not hasattr(allocator, "reset_peak_memory_stats"):
        raise HarnessError(f"PyTorch does not count the peak memory of {device.type} devices")
    return allocator  # type: ignore[no-any-return]


def _result(batch_size: int, method: str, whole: Extent, stages: dict[str, Extent]) -> MemoryPass:
    return MemoryPass(
        batch_size=batch_size,
        method=method,
        peak_bytes=whole.peak,
        delta_bytes=whole.delta,
        stages=[StageMemory(name=name, peak_bytes=s.peak, delta_bytes=s.delta) for name, s in stages.items()],
    )
