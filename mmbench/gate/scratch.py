"""Temporary folders, named by their process, so that those of a gate that was killed can be told from those in use."""

import os
import re
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

_PREFIX = "mmbench-gate-"


def scratch_folder() -> tempfile.TemporaryDirectory[str]:
    """A folder for the time of its context."""
    return tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-", ignore_cleanup_errors=True)


def is_left(folder: Path) -> bool:
    """Whether it is such a folder, of a process that is gone."""
    named = re.fullmatch(rf"{_PREFIX}(\d+)-\w+", folder.name)
    return named is not None and Path("/proc").exists() and not Path(f"/proc/{named[1]}").exists()


def remove_left() -> None:
    """Remove the folders of this user's gates that were killed so that they could not."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody else's may go in the meantime
            if is_left(folder) and folder.is_dir() and not folder.is_symlink() and folder.lstat().st_uid == os.getuid():
                shutil.rmtree(folder, ignore_errors=True)
