"""Answers kept between runs, so that none is paid for twice."""

import os
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from mmbench.adapters.openai.reply import Reply
from mmbench.errors import UsageError


class AnswerCache:
    """A folder with a file an answer, named by the hash of the question; several processes may share it.

    A file appears whole or not at all. It has the answer and no part of the question.
    """

    def __init__(self, folder: Path) -> None:
        """Raises UsageError: the folder cannot be made."""
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"openai: answers cannot be kept in {folder}: {error.strerror}; give --option cache=FOLDER or cache=off"
            ) from error

    def load(self, key: str) -> Reply | None:
        """The answer to a question that was asked before."""
        with suppress(OSError, ValueError):  # not there, or not whole: it is asked for again
            return Reply.model_validate_json(self._path(key).read_bytes())
        return None

    def store(self, key: str, reply: Reply) -> None:
        """Keep an answer; where it cannot be kept it is still had, so that only warns."""
        path = self._path(key)
        try:
            path.parent.mkdir(exist_ok=True)
            number, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)
            with os.fdopen(number, "w", encoding="utf-8") as file:
                file.write(reply.model_dump_json())
            Path(name).replace(path)
        except OSError as error:
            warnings.warn(f"an answer cannot be kept in {self._folder}: {error.strerror}", RuntimeWarning, stacklevel=2)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / f"{key}.json"
