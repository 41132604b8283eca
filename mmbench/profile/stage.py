"""Named stages of a model's work: `with stage("encode.image"):`.

Outside a cost pass a mark is one global read and a shared context that does nothing, so models keep their marks. A pass
puts an observer in place: of time, of memory, of work.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Protocol

OTHER = "other"
"""What lies in no stage."""


class Observer(Protocol):
    """Told of every stage as it is entered and left, in order; stages may nest."""

    def enter(self, name: str) -> None:
        """Stage `name` begins."""
        ...

    def leave(self, name: str) -> None:
        """Stage `name`, the last that was entered, ends, with an exception or without."""
        ...


_OFF: AbstractContextManager[None] = nullcontext()
_observers: list[Observer] = []


class _Mark:
    __slots__ = ("_name", "_observer")

    def __init__(self, observer: Observer, name: str) -> None:
        self._observer = observer
        self._name = name

    def __enter__(self) -> None:
        self._observer.enter(self._name)

    def __exit__(self, *_: object) -> None:
        self._observer.leave(self._name)


def stage(name: str) -> AbstractContextManager[None]:
    """Mark the enclosed work as stage `name`."""
    return _Mark(_observers[-1], name) if _observers else _OFF


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Tell `observer` of all stages within the context, and no other that was told before; of this process."""
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.remove(observer)
