"""Times of stages, by the clock of the device."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mmbench.profile.clock import Clock, HostClock, Mark
from mmbench.profile.stage import OTHER, observed


@dataclass(frozen=True, slots=True)
class Span:
    """One entry into a stage.

    Attributes:
        name: of the stage.
        inside: position of the span that it lies in; `None` for the outermost.
        start, end: marks of the clock.
    """

    name: str
    inside: int | None
    start: Mark
    end: Mark


@dataclass(frozen=True, slots=True)
class SelfTime:
    """Time within a stage, without the stages within it.

    Attributes:
        seconds: of the device.
        host_s: seconds that the host took to queue the work; on the CPU the same as `seconds`.
        calls: entries.
    """

    seconds: float
    host_s: float
    calls: int


@dataclass(eq=False)
class StageTimes:
    """An observer that sets a mark at every stage's begin and end; times are read once the clock has settled.

    Its own bookkeeping lies outside of the marks, so in the stage around.

    Attributes:
        clock: of the device that does the work.
        spans: by order of entry; only whole ones may be read.
    """

    clock: Clock = field(default_factory=HostClock)
    spans: list[Span | None] = field(default_factory=list)
    _open: list[tuple[int, Mark]] = field(default_factory=list)

    def enter(self, name: str) -> None:
        """Mark the begin."""
        self.spans.append(None)  # its place, so that a stage stands before those within it
        self._open.append((len(self.spans) - 1, self.clock.mark()))

    def leave(self, name: str) -> None:
        """Mark the end."""
        end = self.clock.mark()
        place, start = self._open.pop()
        inside = self._open[-1][0] if self._open else None
        self.spans[place] = Span(name, inside, start, end)

    @property
    def seconds(self) -> dict[str, list[float]]:
        """Of each entry by stage, the stages within it included, in order of first entry."""
        found: dict[str, list[float]] = {}
        for span in self.spans:
            if span is not None:
                found.setdefault(span.name, []).append(self.clock.seconds(span.start, span.end))
        return found

    @property
    def self_times(self) -> dict[str, SelfTime]:
        """Of each stage over all its entries, in order of first entry; they add up to the outermost spans."""
        device, host = [0.0] * len(self.spans), [0.0] * len(self.spans)
        for place, span in enumerate(self.spans):
            if span is not None:
                seconds, host_s = self.clock.seconds(span.start, span.end), span.end.host_s - span.start.host_s
                device[place] += seconds
                host[place] += host_s
                if span.inside is not None:
                    device[span.inside] -= seconds
                    host[span.inside] -= host_s
        found: dict[str, list[int]] = {}
        for place, span in enumerate(self.spans):
            if span is not None:
                found.setdefault(span.name, []).append(place)
        # Events are read in steps of half a microsecond, so that a difference may fall below zero.
        return {
            name: SelfTime(
                max(sum(device[p] for p in places), 0.0), max(sum(host[p] for p in places), 0.0), len(places)
            )
            for name, places in found.items()
        }


@contextmanager
def whole(times: StageTimes) -> Iterator[None]:
    """Mark the enclosed work as one iteration: the outermost span, whose self time lies in no stage, so `other`.

    Stages within it are marked only where `times` is told of them: `with observed(times), whole(times):`.
    """
    times.enter(OTHER)
    try:
        yield
    finally:
        times.leave(OTHER)


@contextmanager
def settling(clock: Clock) -> Iterator[None]:
    """Wait once for all the work of the context, whether it fails or not."""
    try:
        yield
    finally:
        clock.settle()


@contextmanager
def record_stages(clock: Clock | None = None) -> Iterator[StageTimes]:
    """Collect the times of all stages entered within the context, on this process."""
    times = StageTimes(clock or HostClock())
    with settling(times.clock), observed(times):
        yield times
