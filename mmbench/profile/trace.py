"""A profiler's trace of a few batches, with the stages in it, for Perfetto or chrome://tracing."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from mmbench.profile.stage import observed

B = TypeVar("B")

_WAIT, _WARM_UP, _ACTIVE = 1, 1, 3
"""Iterations: the profiler's own start is not of the model, and a trace of many is too long to read."""


class _Ranges:
    """An observer that makes every stage a range of the trace."""

    def __init__(self) -> None:
        self._open: list[ExitStack] = []

    def enter(self, name: str) -> None:
        self._open.append(ExitStack())
        self._open[-1].enter_context(record_function(name))

    def leave(self, name: str) -> None:
        self._open.pop().close()


def trace(work: Callable[[B], object], batches: Sequence[B], device: torch.device) -> Callable[[Path], None]:
    """Profile three iterations, after two that are not kept.

    Args:
        work: puts a batch to the model, which has been warmed up.
        batches: on the device; taken in turn.
        device: the CPU, or an accelerator whose work is traced too.

    Returns:
        What writes the trace to a file, as JSON.
    """
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    plan = schedule(wait=_WAIT, warmup=_WARM_UP, active=_ACTIVE, repeat=1)
    with observed(_Ranges()), profile(activities=activities, schedule=plan) as profiler:
        for number in range(_WAIT + _WARM_UP + _ACTIVE):
            work(batches[number % len(batches)])
            profiler.step()
    return lambda path: profiler.export_chrome_trace(str(path))
