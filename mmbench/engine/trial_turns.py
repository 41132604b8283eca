"""Who may work in a folder of trials: any number of processes at a time, or one alone that measures costs."""

import os
import sys
from pathlib import Path

from mmbench.errors import HarnessError

_GATE = ".gate"
_ROOM = ".room"


class Turns:
    """A comparison's part in a folder. What it holds ends with its process, however that ends.

    The room is shared by those who work and belongs to one who measures. Whoever comes passes the gate first, which one
    who wants to measure keeps shut until the room is empty: those who work in turns would never leave it so.
    """

    def __init__(self, folder: Path) -> None:
        """Args: folder: of all trials; nothing is written yet."""
        self._gate = _Lock(folder / _GATE)
        self._room = _Lock(folder / _ROOM)

    @property
    def taken(self) -> bool:
        """Whether it works or measures."""
        return self._room.held

    def take(self, *, alone: bool) -> bool:
        """Begin, or begin one more thing; false if that must wait. One that waits to be alone is next.

        Raises:
            HarnessError: the folder cannot be written.
        """
        if not self._gate.take(alone=alone):
            return False
        took = self._room.take(alone=alone)
        if not alone:
            self._gate.drop()
        return took

    def drop(self) -> None:
        """Let others work."""
        self._room.drop()
        self._gate.drop()


class _Lock:
    """A file, locked by many or by one; on Windows, which has no such locks, by anyone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    @property
    def held(self) -> bool:
        return self._file is not None

    def take(self, *, alone: bool) -> bool:
        """Lock it if that is possible now; one that is held stays as it is."""
        if self._file is not None:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise HarnessError(f"cannot write {self._path}: {error.strerror}") from error
        try:
            _lock(file, alone=alone)
        except BlockingIOError:
            os.close(file)
            return False
        except OSError as error:
            os.close(file)
            raise HarnessError(f"cannot lock {self._path}: {error.strerror}") from error
        self._file = file
        return True

    def drop(self) -> None:
        if self._file is not None:
            os.close(self._file)  # which unlocks it
            self._file = None


def _lock(file: int, *, alone: bool) -> None:
    if sys.platform == "win32":
        return
    import fcntl  # noqa: PLC0415  # not on Windows

    fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
