"""One gate at a time on a machine: two would disturb each other."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from mmbench.errors import HarnessError
from mmbench.gate.scratch import remove_left


@contextmanager
def alone(patience_s: float, note: Callable[[str], None]) -> Iterator[None]:
    """Hold the machine for the time of the context; the lock goes with the process, however that ends.

    Args:
        patience_s: seconds to wait for another gate or bisection of this user.
        note: told where that is waited for.

    Raises:
        HarnessError: the other still measures after that.
    """
    lock = FileLock(Path(tempfile.gettempdir()) / f"mmbench-gate-{os.getuid()}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:  # before OSError, which it is one of
        note("another gate measures on this machine; waiting for it")
        try:
            lock.acquire(timeout=patience_s)
        except Timeout:
            raise HarnessError(
                f"another gate or bisection of this user still measures on this machine after {patience_s:.0f} s: "
                "start again when it has ended, or wait longer for it with --time-limit SECONDS"
            ) from None
    except OSError as error:
        raise HarnessError(f"cannot lock {lock.lock_file}: {error.strerror or error}") from error
    try:
        remove_left()
        yield
    finally:
        lock.release()
