"""What a process that has ended said last."""

from pathlib import Path

from mmbench.errors import printable

_TAIL = 4096  # bytes of a log that hold its last line


def last_words(log: Path) -> str:
    """The last line of a log that is not empty, of a command of mmbench without `error: ` before it."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        lines = file.read().decode("utf-8", errors="replace").split("\n")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return printable(last.removeprefix("error: "))
