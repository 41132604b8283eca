"""The most that this machine does, measured: multiply-adds in a square matrix product, bytes in a copy.

No data sheet: the threads, the number format and the settings (TF32, power, neighbours) of the run count.
"""

from collections.abc import Callable
from functools import partial
from itertools import takewhile
from pathlib import Path

import torch

from mmbench.profile.clock import Clock, make_clock
from mmbench.profile.results import Peak

_SIZES = [256 << step for step in range(7)]
_LONG_ENOUGH_S = 0.1
_MEASURE_S = 0.15
_FEW_RUNS, _FEW_MEASURE_S = 2, 0.3
_MIN_RUNS, _MAX_RUNS = 3, 200
_COPY_BYTES = 256 << 20
_SHARE_OF_FREE = 8
_MEMINFO = Path("/proc/meminfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_UNITS = {"K": 10, "M": 20, "G": 30}


def measure_peak(
    device: torch.device, dtype: torch.dtype, *, clock: Clock | None = None, copy_bytes: int | None = None
) -> Peak:
    """Measure both, in about a second; the best of several runs each, since nothing makes a run too fast.

    Args:
        device: of the run.
        dtype: number format of the run, a floating one.
        clock: of the device by default.
        copy_bytes: size of the copied tensor; by default twice the last-level cache and no less than 256 MiB, or an
            eighth of the free memory where that is less.

    Raises:
        ValueError: `dtype` is not a floating one.
    """
    if not dtype.is_floating_point:
        raise ValueError(f"the peak of {dtype} is not in floating-point operations")
    clock = clock or make_clock(device)
    with torch.inference_mode():
        return Peak(
            flops_per_s=_product_rate(device, dtype, clock),
            bytes_per_s=_copy_rate(device, dtype, clock, copy_bytes or default_copy_bytes(device)),
            dtype=str(dtype).removeprefix("torch."),
            threads=torch.get_num_threads(),
        )


def _product_rate(device: torch.device, dtype: torch.dtype, clock: Clock) -> float:
    """FLOP/s of the size that does best; sizes double until one takes long enough, or three matrices have no room."""
    best = 0.0
    room = _free_bytes(device) // _SHARE_OF_FREE
    for size in takewhile(lambda size: size == _SIZES[0] or 3 * size**2 * dtype.itemsize <= room, _SIZES):
        left, right = (torch.rand(size, size, device=device).to(dtype) for _ in range(2))
        result = torch.empty_like(left)
        seconds = _best_seconds(partial(torch.mm, left, right, out=result), clock)
        best = max(best, 2 * size**3 / seconds)
        if seconds >= _LONG_ENOUGH_S:
            break
    return best


def _copy_rate(device: torch.device, dtype: torch.dtype, clock: Clock, size: int) -> float:
    """Bytes read and written a second."""
    source = torch.ones(max(1, size // dtype.itemsize), dtype=dtype, device=device)
    target = torch.empty_like(source)  # the run that warms up touches it
    return 2 * source.nbytes / _best_seconds(lambda: target.copy_(source), clock)


def _best_seconds(run: Callable[[], object], clock: Clock) -> float:
    """Shortest of several runs, after one that warms up.

    A run too short for the clock counts as a nanosecond.
    """
    run()
    clock.settle()
    taken: list[float] = []
    while len(taken) < _MIN_RUNS or (sum(taken) < _MEASURE_S and len(taken) < _MAX_RUNS):
        start = clock.mark()
        run()
        end = clock.mark()
        clock.settle()
        taken.append(clock.seconds(start, end))
        clock.release()
        if len(taken) >= _FEW_RUNS and sum(taken) >= _FEW_MEASURE_S:
            break
    return max(min(taken), 1e-9)


def default_copy_bytes(device: torch.device) -> int:
    """Size of a tensor that no cache holds and the memory has room for."""
    cache = _last_level_cache_bytes() if device.type == "cpu" else 0
    return min(max(_COPY_BYTES, 2 * cache), _free_bytes(device) // _SHARE_OF_FREE)


def _last_level_cache_bytes() -> int:
    """Of the host's first core; 0 where the system does not tell."""
    found = [0]
    for file in _CACHES.glob("index*/size"):
        text = file.read_text(encoding="ascii").strip()
        found.append(int(text[:-1]) << _UNITS[text[-1]] if text[-1] in _UNITS else int(text))
    return max(found)


def _free_bytes(device: torch.device) -> int:
    """Memory that nothing uses; where the system does not tell, what a small machine would have."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "cpu" and _MEMINFO.exists():
        for line in _MEMINFO.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 4 << 30
