"""A sweep over batch sizes, and its knee: the size from which on more samples at once buy next to nothing."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch

from mmbench.profile.results import Estimate, Sweep, SweepPoint

TOLERANCE = 0.1
"""A larger batch must gain at least a tenth in samples/s to be worth its memory."""

# What allocators say through a plain RuntimeError: the CPU's "DefaultCPUAllocator: can't allocate memory: you tried to
# allocate ... bytes", and libraries under CUDA.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory")


def sweep(measure: Callable[[int], SweepPoint], sizes: Iterable[int], *, tolerance: float = TOLERANCE) -> Sweep:
    """Measure every size, smallest first; one that fails has its failure for a result, and the others stand.

    Where a size was out of memory larger ones would be too, and they are not tried.

    Args:
        measure: of one batch size.
        sizes: in any order.
        tolerance: share in samples/s that a larger size may gain before a smaller one is no longer about as fast.
    """
    points: list[SweepPoint] = []
    full: int | None = None
    for size in sorted(set(sizes)):
        if full is not None:
            points.append(_failed(size, f"not tried: size {full} was out of memory"))
            continue
        try:
            points.append(measure(size))
        except Exception as error:  # whatever it is, it is the result at this size
            if is_out_of_memory(error):
                full = size
            points.append(_failed(size, "out of memory" if full else _reason(error)))
    rates = {point.batch_size: point.samples_per_s for point in points if point.samples_per_s is not None}
    return Sweep(points=points, knee=find_knee(rates, tolerance), tolerance=tolerance)


def find_knee(rates: Mapping[int, Estimate], tolerance: float = TOLERANCE) -> int | None:
    """The smallest batch size that no larger one beats by more than the tolerance; `None` without any.

    A gain counts if it is above the tolerance and above what noise explains: the root of the summed squares of the two
    half-widths, where both have intervals. A larger size that was measured in a lucky moment moves no knee.

    Args:
        rates: samples/s by batch size.
        tolerance: share of a smaller size's samples/s.
    """
    sizes = sorted(rates)
    for size in sizes:
        if not any(_beats(rates[larger], rates[size], tolerance) for larger in sizes if larger > size):
            return size
    return None


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that host or device has no memory left."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(text in str(error).lower() for text in _OUT_OF_MEMORY)


def _beats(larger: Estimate, smaller: Estimate, tolerance: float) -> bool:
    gain = larger.value - smaller.value
    if gain <= tolerance * smaller.value:
        return False
    if larger.low is None or smaller.high is None:
        return True
    return gain > math.hypot(larger.value - larger.low, smaller.high - smaller.value)


def _failed(size: int, reason: str) -> SweepPoint:
    return SweepPoint(batch_size=size, samples_per_s=None, latency_s=None, peak_bytes=None, failure=reason)


def _reason(error: Exception) -> str:
    """One line: allocators append pages of advice."""
    text = str(error).strip().partition("\n")[0]
    name = type(error).__name__
    return f"{name}: {text}" if text else name
