"""Named stages of a model's work: `with stage("encode.image"):`.

Outside a stage pass a mark is one global read and a shared no-op context, so models may keep their marks.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from time import perf_counter

_OFF: AbstractContextManager[None] = nullcontext()
_recorders: list["StageTimes"] = []


class StageTimes:
    """Host seconds spent in each stage, in order of first appearance; nested stages count in both."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Time one entry into stage `name`."""
        start = perf_counter()
        try:
            yield
        finally:
            self.seconds.setdefault(name, []).append(perf_counter() - start)


def stage(name: str) -> AbstractContextManager[None]:
    """Mark the enclosed work as stage `name`."""
    return _recorders[-1].measure(name) if _recorders else _OFF


@contextmanager
def record_stages() -> Iterator[StageTimes]:
    """Collect the times of all stages entered within the context, on this process."""
    times = StageTimes()
    _recorders.append(times)
    try:
        yield times
    finally:
        _recorders.remove(times)
