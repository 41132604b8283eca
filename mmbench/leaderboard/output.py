"""A rendered leaderboard, or a figure, as a file."""

import secrets
from pathlib import Path

from mmbench.errors import HarnessError


def write_file(path: Path, content: str | bytes) -> None:
    """Write text or bytes whole or not at all; an existing file is replaced.

    Raises:
        HarnessError: it cannot be written; an existing file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(3)}")
    try:
        try:
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}") from error
