"""Signals that ask a verb to end, where it has worktrees and workers to remove first."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let a signal that asks to end it unwind the stack, so that worktrees and workers go."""

    def stop(number: int, _: FrameType | None) -> None:
        for each in ours:  # a second one would interrupt the cleaning up
            signal.signal(each, signal.SIG_IGN)
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)

    ours = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # as of nohup
    before = {number: signal.signal(number, stop) for number in ours}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
