"""A profiler's trace of a few batches, with the stages in it, for Perfetto or chrome://tracing."""

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import torch
from torch.profiler import ProfilerActivity, profile, record_function, schedule

from mmbench.profile.stage import observed

B = TypeVar("B")

_WAIT, _WARM_UP, _ACTIVE = 1, 1, 3
"""Iterations: the profiler's own start is not of the model, and a trace of many is too long to read."""

_OF_THE_MACHINE = ("host_name", "traceName")
"""Keys that name a machine and a path on it."""


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
        What writes the trace to a file, as JSON, or raises `OSError`; the trace is ready, so nothing else can go wrong.

    Raises:
        OSError: the profiler could not export its trace.
    """
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    plan = schedule(wait=_WAIT, warmup=_WARM_UP, active=_ACTIVE, repeat=1)
    with observed(_Ranges()), profile(activities=activities, schedule=plan) as profiler:
        for number in range(_WAIT + _WARM_UP + _ACTIVE):
            work(batches[number % len(batches)])
            profiler.step()
    text = _export(profiler)

    def write(path: Path) -> None:
        path.write_text(text, encoding="utf-8")

    return write


def _export(profiler: profile) -> str:
    """The trace without what names the machine."""
    with TemporaryDirectory(prefix="mmbench-") as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        found = json.loads(path.read_text(encoding="utf-8"))
    return json.dumps({name: value for name, value in found.items() if name not in _OF_THE_MACHINE}) + "\n"
