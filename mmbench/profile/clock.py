"""Clocks: marks in a stream of work, read once the device has done it.

On the CPU a mark is a reading of `perf_counter`. On CUDA it is an event from a pool, on the current stream of the run's
device (which need not be the current device), and the host's own time beside it. Events are read after one
synchronisation, never while work is queued: that would wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

import torch

from mmbench.profile.device import synchronize


@dataclass(frozen=True, slots=True)
class Mark:
    """A point in the work.

    Attributes:
        host_s: when the host got there, in seconds of `perf_counter`.
        event: what the device records when it gets there; `None` on the CPU.
    """

    host_s: float
    event: Any = None


class Clock(Protocol):
    """Sets marks, and measures between them once `settle` has been called."""

    def mark(self) -> Mark:
        """Set a mark where the work stands; nothing waits for it."""
        ...

    def settle(self) -> None:
        """Wait until the device has passed all marks."""
        ...

    def seconds(self, start: Mark, end: Mark) -> float:
        """Seconds of the device between two marks, to be asked after `settle` only."""
        ...

    def release(self) -> None:
        """Give all marks up; their events are used again."""
        ...


class HostClock:
    """For devices whose work is done when a call returns."""

    def mark(self) -> Mark:
        """Read `perf_counter`."""
        return Mark(perf_counter())

    def settle(self) -> None:
        """There is nothing to wait for."""

    def seconds(self, start: Mark, end: Mark) -> float:
        """Wall-clock seconds."""
        return end.host_s - start.host_s

    def release(self) -> None:
        """There is nothing to give up."""


class EventClock:
    """For devices that work through a queue.

    Args:
        make_event: makes an event that keeps time.
        record: puts an event into the queue of the device; `event.record()` would take that of the current device.
        wait: waits until the device has done all queued work.
    """

    def __init__(self, make_event: Callable[[], Any], record: Callable[[Any], None], wait: Callable[[], None]) -> None:
        self._make_event = make_event
        self._record = record
        self._wait = wait
        self._free: list[Any] = []
        self._used: list[Any] = []

    def mark(self) -> Mark:
        """Record an event."""
        event = self._free.pop() if self._free else self._make_event()
        self._used.append(event)
        self._record(event)
        return Mark(perf_counter(), event)

    def settle(self) -> None:
        """Wait for the device, once for all events."""
        self._wait()

    def seconds(self, start: Mark, end: Mark) -> float:
        """Seconds between two events; what the device idled between them is part of it."""
        milliseconds: float = start.event.elapsed_time(end.event)
        return milliseconds / 1000

    def release(self) -> None:
        """Put all events back into the pool."""
        self._free += self._used
        self._used.clear()


def make_clock(device: torch.device) -> Clock:
    """The clock of a device."""
    if device.type == "cpu":
        return HostClock()
    return EventClock(
        make_event=lambda: torch.Event(device=device, enable_timing=True),
        record=lambda event: event.record(torch.accelerator.current_stream(device)),
        wait=lambda: synchronize(device),
    )
