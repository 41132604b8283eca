"""Times of stages, by the clock of the device."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mmbench.profile.clock import Clock, HostClock, Mark
from mmbench.profile.stage import observed


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


@dataclass
class StageTimes:
    """An observer that sets a mark at every stage's begin and end; times are read once the clock has settled.

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
        place, start = self._open.pop()
        inside = self._open[-1][0] if self._open else None
        self.spans[place] = Span(name, inside, start, self.clock.mark())

    @property
    def seconds(self) -> dict[str, list[float]]:
        """Of each entry by stage, the stages within it included, in order of first entry."""
        found: dict[str, list[float]] = {}
        for span in self.spans:
            if span is not None:
                found.setdefault(span.name, []).append(self.clock.seconds(span.start, span.end))
        return found


@contextmanager
def record_stages(clock: Clock | None = None) -> Iterator[StageTimes]:
    """Collect the times of all stages entered within the context, on this process."""
    times = StageTimes(clock or HostClock())
    with observed(times):
        yield times
    times.clock.settle()
