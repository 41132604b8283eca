"""Named stages of a model's work: `with stage("encode.image"):`.

Outside a cost pass a mark is one global read and a shared context that does nothing, so models keep their marks. A pass
puts an observer in place: of time, of memory, of work.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

OTHER = "other"
"""What lies in no stage."""

DECODE = "data.decode"
"""From files to pixels or sound; what a model calls `decode` is another thing."""


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


def in_stage(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark all calls of a function as stage `name`."""

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def marked(*args: P.args, **kwargs: P.kwargs) -> R:
            with stage(name):
                return function(*args, **kwargs)

        return marked

    return mark


@contextmanager
def observed(observer: Observer) -> Iterator[None]:
    """Tell `observer` of all stages within the context, and no other that was told before; of this process.

    Contexts nest: the one that was entered last is left first.
    """
    _observers.append(observer)
    try:
        yield
    finally:
        _observers.pop()
