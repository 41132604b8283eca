"""The objects of a list in a JSON file, each with the place that messages name."""

from collections.abc import Iterator
from typing import Any

from mmbench.data.annotations import field
from mmbench.errors import UsageError


def entries(value: Any, where: str, key: str | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Place ("FILE: entry 7 of images") and object of each entry of a list; places count from 1.

    Args:
        value: what the file, or an object in it, holds.
        where: its place.
        key: where the list is in it; it is the whole value if `None`.

    Raises:
        UsageError: there is no such list, or something in it is no object; says which.
    """
    if key is not None:
        if not isinstance(value, dict):
            raise UsageError(f"{where}: expected a JSON object with {key!r}, found {type(value).__name__}")
        value = field(value, key, list, where)
    if not isinstance(value, list):
        raise UsageError(f"{where}: expected a JSON list, found {type(value).__name__}")
    of = "" if key is None else f" of {key}"
    for number, entry in enumerate(value, start=1):
        place = f"{where}: entry {number}{of}"
        if not isinstance(entry, dict):
            raise UsageError(f"{place}: expected a JSON object, found {type(entry).__name__}")
        yield place, entry
