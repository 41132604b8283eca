"""A command of mmbench in a process of its own that writes a log, and dies with the process that started it."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from mmbench.engine.log import last_words
from mmbench.errors import HarnessError

_PROGRAM = (
    "import sys; from mmbench.engine.loader import die_with; die_with(int(sys.argv.pop(1)), 0); "
    "from mmbench.cli import main; sys.exit(main())"
)
"""`mmbench`, killed by the kernel as soon as its parent is gone. A child says so of itself: a function run between
fork and exec would have to hold beside the threads of PyTorch."""

_PATIENCE_S = 5.0  # until a process that was asked to end is killed


class Child:
    """A running command. Start it from a thread that lives as long: the kernel takes a thread's end for the parent's.

    Attributes:
        log: what it prints, after the command itself; a log that is there is continued.
    """

    def __init__(self, words: Sequence[str], log: Path) -> None:
        """Start `mmbench WORDS`.

        Raises:
            HarnessError: the log cannot be written.
        """
        self.log = log
        self._began = perf_counter()
        try:
            with log.open("ab") as file:
                file.write(f"$ mmbench {shlex.join(words)}\n".encode())
                file.flush()
                self._process = subprocess.Popen(  # noqa: S603  # mmbench itself
                    [sys.executable, "-c", _PROGRAM, str(os.getpid()), *words],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    env=_environment(),
                )
        except OSError as error:
            raise HarnessError(f"cannot write {log}: {error.strerror}") from error

    @property
    def seconds(self) -> float:
        """Since it was started."""
        return perf_counter() - self._began

    def over(self) -> bool:
        """Whether it has ended."""
        return self._process.poll() is not None

    def failure(self) -> str | None:
        """Why an ended command failed, in one line: the signal that killed it, or the last thing that it said."""
        code = self._process.returncode
        if code == 0:
            return None
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        return last_words(self.log)

    def stop(self) -> None:
        """End it, and wait until it has."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _environment() -> dict[str, str]:
    """This process's, but for what would colour or fold the log."""
    kept = {name: value for name, value in os.environ.items() if name not in ("FORCE_COLOR", "COLUMNS", "LINES")}
    return kept | {"NO_COLOR": "1"}
