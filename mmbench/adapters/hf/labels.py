"""Names of the classes that a model of the transformers library scores."""

import re

from mmbench.adapters.hf.model import Parts
from mmbench.errors import UsageError

_NAMELESS = re.compile(r"LABEL_\d+")  # what the library calls classes that have no names


def class_names(parts: Parts) -> tuple[str, ...]:
    """The classes as the model's configuration calls them; those of the data set where they have no names.

    Raises:
        UsageError: they have none, and are not as many as those of the data set.
    """
    found = {int(number): str(name) for number, name in (parts.pretrained.config.id2label or {}).items()}
    names = tuple(found[number] for number in sorted(found))
    if not all(map(_NAMELESS.fullmatch, names)):
        return names
    labels = parts.opening.labels()
    if len(labels) != len(names):
        raise UsageError(
            f"{parts.name} has {len(names)} classes without names; data set {parts.opening.dataset.name!r} has "
            f"{len(labels)}, so none of them can be told from another"
        )
    return labels


def named_by(parts: Parts) -> str:
    """Whose names they are, for the record."""
    names = map(str, (parts.pretrained.config.id2label or {}).values())
    return "data set" if all(map(_NAMELESS.fullmatch, names)) else "model"
