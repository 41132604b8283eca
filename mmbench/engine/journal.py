"""The journal of an evaluation: every scored batch is on disk before the next, so that a killed run can go on.

JSON Lines: a header, then one entry a batch. A line cut off by a kill is dropped when the journal is opened again.
"""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from mmbench.errors import HarnessError, UsageError

Entry = dict[str, Any]


def has_header(path: Path) -> bool:
    """Whether a journal was begun at `path`: killed before its header was whole, it holds nothing to go on with."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.readline().endswith(b"\n")


class Journal:
    """An open journal; a context that lets go of the file and of its lock.

    Attributes:
        header: as it was when the run began, which a resumed run takes over.
        done: numbers of the batches that are in it.
    """

    def __init__(self, path: Path, header: Mapping[str, Any], *, resume: bool) -> None:
        """Begin a journal, or go on with the one at `path` if `resume` is set and there is one.

        Raises:
            UsageError: another process writes the same journal now.
            HarnessError: it cannot be written.
        """
        self.path = path
        self.done: set[int] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path.with_suffix(".lock"))
            self._lock.acquire(timeout=0)
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except Timeout as error:
            raise UsageError(f"the same evaluation is running in another process (it holds {path})") from error
        except OSError as error:
            raise HarnessError(f"cannot begin the journal {path}: {error.strerror}") from error
        lines, whole = self._read_whole_lines() if resume else ([], 0)
        os.ftruncate(self._file, whole)
        os.lseek(self._file, whole, os.SEEK_SET)
        if lines:
            self.header: dict[str, Any] = lines[0]
            self.done = {line["batch"] for line in lines[1:]}
        else:
            self.header = dict(header)
            try:
                self._write(self.header)
            except OSError as error:
                self.remove()
                self.close()
                raise HarnessError(f"cannot begin the journal {path}: {error.strerror}") from error

    def append(self, entry: Entry) -> None:
        """Add the entry of one batch; it carries its number under `batch`.

        Raises:
            HarnessError: it cannot be written; what was there before stays usable.
        """
        try:
            self._write(entry)
        except OSError as error:
            raise HarnessError(
                f"cannot write the journal {self.path}: {error.strerror}; what was scored so far is kept, "
                "and --resume goes on from there"
            ) from error
        self.done.add(entry["batch"])

    def entries(self) -> Iterator[Entry]:
        """All entries, one at a time, in the order they were written."""
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                yield json.loads(line)

    def remove(self) -> None:
        """Delete the journal: its run is stored."""
        self.path.unlink(missing_ok=True)

    def close(self) -> None:
        """Let go of the file and of its lock."""
        os.close(self._file)
        self._lock.release()
        self.path.with_suffix(".lock").unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_whole_lines(self) -> tuple[list[Entry], int]:
        """The entries (their batch numbers only) that were written whole, and where they end."""
        lines: list[Entry] = []
        end = 0
        with self.path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                except ValueError:
                    break
                if not line.endswith(b"\n"):
                    break
                lines.append(entry if not lines else {"batch": entry["batch"]})
                end += len(line)
        return lines, end

    def _write(self, entry: Mapping[str, Any]) -> None:
        data = memoryview(json.dumps(entry, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        while data:
            data = data[os.write(self._file, data) :]
