"""A command of another program, run to its end, or ended with all that it has started."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], patience_s: float
) -> subprocess.CompletedProcess[str]:
    """Run a command without a shell and without input, and keep what it prints.

    However it ends, also by a signal to this process, nothing that it has started goes on.

    Args:
        command: the program and its arguments.
        folder: where it runs.
        environment: all of it.
        patience_s: seconds that it may take.

    Raises:
        FileNotFoundError: there is no such program.
        subprocess.TimeoutExpired: it takes too long.
    """
    with subprocess.Popen(  # noqa: S603  # what the caller chose, no shell
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="surrogateescape",
        start_new_session=True,  # what it starts ends with it, and Ctrl-C comes to the gate alone
    ) as process:
        try:
            told, complained = process.communicate(timeout=patience_s)
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return subprocess.CompletedProcess(command, process.returncode, told, complained)
