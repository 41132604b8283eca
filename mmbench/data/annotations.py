"""Annotation files, read strictly: every error names the file, the line or entry, and the sample.

A path is shown as its last two parts, so that messages and records hold no path of one machine.
"""

import gc
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from mmbench.errors import UsageError

T = TypeVar("T")

_MISSING = object()


def shown(path: Path) -> str:
    """A path as messages may show it: its last two parts."""
    return "/".join(path.parts[-2:]) or str(path)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, a byte order mark left out; line ends as they are.

    Raises:
        UsageError: it cannot be read, or is not UTF-8; says at which line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{shown(path)}: {error.strerror}") from error
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{shown(path)}:{line}: not UTF-8 text (byte {data[error.start]:#04x})") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Number from 1 and text of each line that is not empty; only `\n` and `\r\n` end a line.

    Raises:
        UsageError: as `read_text`.
    """
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        text = line.removesuffix("\r")
        if text:
            yield number, text


def read_json(path: Path, *, unique_keys: bool = False) -> Any:
    """The value of a JSON file.

    Args:
        path: the file.
        unique_keys: refuse an object in which a key is there twice, where keys are ids; costs a third more time.

    Raises:
        UsageError: as `read_text`, or not JSON; says at which line.
    """
    return _parse(read_text(path), shown(path), 1, _unique(shown(path)) if unique_keys else None)


def read_jsonl(path: Path, *, unique_keys: bool = False) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number from 1 and object of each line of a JSON Lines file; see `read_json`.

    Raises:
        UsageError: as `read_text`, or a line is no JSON object; says which.
    """
    for number, line in read_lines(path):
        if not line.strip():
            continue
        where = f"{shown(path)}:{number}"
        if line.lstrip().startswith("["):
            raise UsageError(f"{where}: expected one JSON object a line (JSON Lines), found the beginning of a list")
        value = _parse(line, shown(path), number, _unique(where) if unique_keys else None)
        if not isinstance(value, dict):
            raise UsageError(f"{shown(path)}:{number}: expected a JSON object, found {_short(value)}")
        yield number, value


def read_tsv(path: Path, needed: Iterable[str] = ()) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and fields by column name of each row of a tab-separated file whose first line names the columns.

    Quotation marks are ordinary characters.

    Raises:
        UsageError: as `read_text`, a column of `needed` is missing, one is there twice, or a row has another number of
            fields.
    """
    lines = read_lines(path)
    _, first = next(lines, (1, ""))
    names = first.split("\t")
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"{shown(path)}:1: column {name!r} is there twice")
    for name in needed:
        if name not in names:
            raise UsageError(f"{shown(path)}:1: no column {name!r}; there are {', '.join(map(repr, names))}")
    for number, line in lines:
        values = line.split("\t")
        if len(values) != len(names):
            raise UsageError(f"{shown(path)}:{number}: expected {len(names)} fields, found {len(values)}")
        yield number, dict(zip(names, values, strict=True))


def field(row: Mapping[str, Any], name: str, kind: type[T] | tuple[type[T], ...], where: str) -> T:
    """A field that must be there and of that kind; `where` says whose it is ("FILE:LINE: id 7").

    Raises:
        UsageError: missing, or of another kind; says where.
    """
    value = row.get(name, _MISSING)
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if value is _MISSING:
        raise UsageError(f"{where}: no field {name!r}")
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        expected = " or ".join(each.__name__ for each in kinds)
        raise UsageError(f"{where}: field {name!r}: expected {expected}, found {_short(value)}")
    return value


def texts(row: Mapping[str, Any], name: str, where: str, *, least: int = 1) -> list[str]:
    """A field that must be a list of at least `least` texts.

    Raises:
        UsageError: missing, or something else; says where.
    """
    values = field(row, name, list, where)
    for value in values:
        if not isinstance(value, str):
            raise UsageError(f"{where}: field {name!r}: expected texts, found {_short(value)}")
    if len(values) < least:
        raise UsageError(f"{where}: field {name!r}: expected at least {least}, found {len(values)}")
    return values


class UniqueIds:
    """Refuses an id that was there before."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def add(self, sample_id: str, where: str) -> None:
        """Remember an id.

        Raises:
            UsageError: it was there before; says where both are.
        """
        if sample_id in self._seen:
            raise UsageError(f"{where}: id {sample_id!r} is there twice; the first is at {self._seen[sample_id]}")
        self._seen[sample_id] = where


def inside(folder: Path, name: str, where: str) -> Path:
    """A file that annotations name, below `folder`.

    Raises:
        UsageError: the name leads out of the folder.
    """
    path = folder / name
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UsageError(f"{where}: file {name!r} lies outside the data set")
    return path


def _parse(text: str, name: str, line: int, pairs: Callable[[list[tuple[str, Any]]], Any] | None = None) -> Any:
    try:
        with _no_collection():
            value = json.loads(text, object_pairs_hook=pairs, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name}:{line + error.lineno - 1}: not JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise UsageError(f"{name}:{line}: JSON nested too deeply") from error
    except ValueError as error:  # a constant that JSON has not, or a number of thousands of digits
        raise UsageError(f"{name}:{line}: not JSON: {error}") from error
    if "\\ud" in text or "\\uD" in text:  # as an escape, half of a character can stand where none can be written
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            half = ascii(error.object[error.start])
            raise UsageError(f"{name}:{line}: a text holds {half}, half of a character") from error
    return value


def _unique(where: str) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Makes an object of pairs, and refuses a key that is there twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            key = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
            raise UsageError(f"{where}: key {key!r} is there twice in one object")
        return found

    return unique


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON number")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which otherwise walks through a large file's objects again and again."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _short(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
