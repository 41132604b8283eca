"""How a model was made, seed apart: runs of one recipe may be averaged, others may not."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from pydantic import JsonValue

from mmbench.adapter import TRANSPORT
from mmbench.record.schema import RunRecord

Path = tuple[str, ...]
Recipe = Mapping[Path, str]
"""Settings by their place in the configuration, as JSON text."""

_SEED = ("training", "options", "seed")
_APART = {
    _SEED,
    ("training", "epoch"),  # the best one, and its values, follow from the seed
    ("training", "validation"),
    ("training", "torch"),  # where and on what it was computed, which is not what was computed
    *(("training", "options", name) for name in ("device", "threads", "workers", "log_to")),
}
_OLDER = {
    ("training", "processes"): "1",  # each has statistics of batch norm of its own
    ("training", "options", "keep"): '"best"',
}
"""Settings that older weights do not tell, and what they were made with."""

_LONG = 24
"""Longer values (a vocabulary) are shown as a hash."""

_ABSENT = "–"


def training_seed(record: RunRecord) -> int | None:
    """The seed that the model was trained with; `None` if it was not trained here."""
    found: JsonValue = record.model.config
    for name in _SEED:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, int) else None


def recipe_of(record: RunRecord) -> Recipe:
    """All settings of model and training but the seed, what follows from it, and the machine that trained it."""
    leaves = _leaves(record.model.config, ())
    settings = {path: json.dumps(value, sort_keys=True) for path, value in leaves if path[0] != TRANSPORT}
    if training_seed(record) is not None:
        settings = _OLDER | settings
    return {**settings, ("parameters",): json.dumps(record.model.parameters)}


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two runs those of one model: the name; of a model that was not trained here, how it was opened too."""

    model: str
    recipe: tuple[tuple[Path, str], ...] = ()


def identity_of(record: RunRecord) -> Identity:
    """Of a model that was trained here the name is all, so that the latest training stands for it."""
    if training_seed(record) is not None:
        return Identity(record.model.name)
    recipe: dict[Path, str] = {**recipe_of(record)}
    if record.model.weights is not None:
        recipe["weights",] = json.dumps(record.model.weights.sha256)
    return Identity(record.model.name, tuple(sorted(recipe.items())))


def differences(recipes: Sequence[Recipe]) -> list[Path]:
    """Settings in which recipes differ, those with short values first; their order is that of the configurations."""
    paths = dict.fromkeys(path for recipe in recipes for path in recipe)
    differ = [path for path in paths if len({recipe.get(path) for recipe in recipes}) > 1]
    return sorted(differ, key=lambda path: max(len(recipe.get(path, "")) for recipe in recipes) > _LONG)


def names_apart(recipes: Sequence[Recipe]) -> list[str]:
    """Tell different recipes apart with few settings: `width=96, batch_size=128`; nothing to tell of a single one."""
    chosen: list[Path] = []
    told = 1
    for path in differences(recipes):
        groups = len({tuple(recipe.get(each) for each in (*chosen, path)) for recipe in recipes})
        if groups > told:
            chosen.append(path)
            told = groups
    return [", ".join(f"{short(path)}={_shown(recipe.get(path))}" for path in chosen) for recipe in recipes]


def short(path: Path) -> str:
    """A setting as the command line calls it, more or less: `batch_size`, `encoders.image`, `encoders.text.layers`."""
    inner = path[2:] if path[:2] == _SEED[:2] else path
    return ".".join(part for part in inner if part not in ("name", "options")) or ".".join(path)


def _leaves(value: JsonValue, path: Path) -> Iterator[tuple[Path, JsonValue]]:
    if path in _APART:
        return
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _leaves(child, (*path, name))
    else:
        yield path, value


def _shown(text: str | None) -> str:
    if text is None:
        return _ABSENT
    if len(text) > _LONG:
        return f"#{sha256(text.encode()).hexdigest()[:6]}"
    match json.loads(text):
        case str(value):
            return value
        case None | []:
            return "none"
        case list(values):
            return "+".join(map(str, values))
        case _:
            return text
