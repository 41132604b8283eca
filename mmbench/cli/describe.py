"""What `mmbench show` tells of one thing, as plain JSON values."""

import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from typing import Any

from mmbench.errors import UsageError
from mmbench.registry import Kind, registry

Fields = dict[str, Any]

_REQUIRED = "required"
_LEARNED = "from the training samples"

_DIRECTIONS = {True: "higher is better", False: "lower is better", None: "describes, does not judge"}


def describe(kind: Kind, name: str) -> Fields:
    """Everything known of one registered thing; imports it.

    Raises:
        UsageError: no such name, or it cannot be imported, or it is no such thing.
    """
    entry = registry.entry(kind, name)
    thing = registry.load(kind, name)
    try:
        details = _DETAILS[kind](thing)
    except Exception as error:  # foreign code: anything may be missing, and a constructor may fail
        raise UsageError(
            f"{kind} {name!r} of {entry.origin} does not fit its kind: {type(error).__name__}: {error}"
        ) from error
    fields = {"kind": kind, "name": name, "origin": entry.origin, **details}
    if kind == "fusion":
        fields["as_model"] = f"--model {name}"
    if kind == "adapter":
        fields["as_option"] = f"--model {name}:ARGUMENT"
    if kind == "encoder":
        own = registry.own_name(kind, name) if name == thing.modality else name  # the default is another one's name
        fields["as_option"] = f"--encoder {thing.modality}={own}{':ARGUMENT' if _takes_argument(thing) else ''}"
    if kind == "dataset":  # its card says it all
        return fields
    if inspect.isclass(thing) or inspect.isroutine(thing):
        place = f"{thing.__module__}:{thing.__qualname__}"
        return {**fields, "defined_in": place, "documentation": inspect.getdoc(thing) or ""}
    # The docstring of another object is that of its class, which says nothing about the object.
    return {**fields, "type": type(thing).__qualname__, "documentation": entry.summary}


def _task(task: Any) -> Fields:
    return asdict(task.card)


def _dataset(card: Any) -> Fields:
    fields: Fields = card.model_dump(mode="json")
    task = registry.load("task", card.tasks[0])() if card.tasks[0] in registry.names("task") else None
    if task is not None:  # what the card leaves to the task
        fields["modalities"] = list(task.card.modalities_of(card))
        fields["metrics"] = list(task.card.metrics_on(card))
    return fields


def _choices(values: Sequence[str]) -> str:
    """The values of an option, the default marked."""
    return ", ".join([f"{values[0]} (default)", *values[1:]]) if values else "any text"


def _metric(metric: Any) -> Fields:
    return {
        "direction": _DIRECTIONS[metric.higher_is_better],
        "proportion": metric.proportion,
        "family": metric.family,
        "columns": list(metric.columns),
        "protocol": {key: _choices(values) for key, values in metric.options.items()},
    }


def _model(model: Any) -> Fields:
    from mmbench.model import BuildOptions

    abilities = [ability for ability in ("classify", "generate", "embed") if hasattr(model, ability)]
    fields: Fields = {"abilities": abilities} if abilities else {}
    if is_dataclass(model) and not isinstance(model, type):
        fields |= {
            name: value for name, value in asdict(model).items() if not isinstance(getattr(model, name), BuildOptions)
        }
        return fields | _build_options(model)
    modalities = getattr(model, "modalities", None)
    return {**fields, "modalities": list(modalities)} if modalities is not None else fields


def _build_options(factory: Any) -> Fields:
    """The options of `train` by which the factory's models are built otherwise."""
    from mmbench.model import BuildOptions, Configurable

    if not isinstance(factory, Configurable):
        return {}
    asked = {
        "--encoder": BuildOptions(),
        "--freeze": BuildOptions(),
        "--budget equal-width": BuildOptions(width=1),
        "--budget equal-params": BuildOptions(parameters=1),
        "--representation": BuildOptions(representation="joint"),
    }
    taken = []
    for option, build in asked.items():
        with suppress(UsageError):
            factory.configured(build)
            taken.append(option)
    return {"takes": taken}


def _fusion(fusion: Any) -> Fields:
    from mmbench.budget import count_parameters
    from mmbench.fusion_model import WIDTH

    least, most = fusion.arity
    fields = {
        "level": fusion.level,
        "modalities": f"{least} or more" if most is None else f"{least} to {most}" if most > least else f"{least}",
        "options": _options(fusion, {"modalities", "width"}),
    }
    if fusion.level == "feature":
        count = max(least, 2 if most is None or most > 1 else 1)
        built = fusion([f"m{index}" for index in range(count)], WIDTH)
        fields["parameters"] = {"count": count_parameters(built), "modalities": count, "width": WIDTH}
    return fields


def _encoder(encoder: Any) -> Fields:
    from mmbench.budget import count_parameters
    from mmbench.fusion_model import WIDTH

    learned: dict[str, Any] = {}
    with suppress(Exception):  # foreign code, which may need a value
        learned = encoder.learn_options([])
    options = _options(encoder, {"width"}) | dict.fromkeys(learned, _LEARNED)
    fields: Fields = {"modality": encoder.modality, "options": options}
    if _REQUIRED in options.values() or _takes_argument(encoder):  # the size is that of what the user names
        return fields
    fields["parameters"] = {"count": count_parameters(encoder(WIDTH, **learned)), "width": WIDTH}
    if learned:
        fields["parameters"]["without"] = list(learned)
    return fields


def _takes_argument(encoder: Any) -> bool:
    from mmbench.encoder import Encoder

    return encoder.argument_options.__func__ is not Encoder.argument_options.__func__  # type: ignore[attr-defined]


def _options(make: Any, given: set[str]) -> dict[str, Any]:
    """Options of a constructor with their defaults, without those that mmbench itself gives."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    parameters = inspect.signature(make).parameters.values()
    return {
        parameter.name: _REQUIRED if parameter.default is parameter.empty else str(parameter.default)
        for parameter in parameters
        if parameter.kind in named and parameter.name not in given
    }


def _adapter(adapter: Any) -> Fields:
    options = getattr(adapter, "options", None)
    if options is None:
        return {}
    return {"options": _options(options, set()), "meanings": _meanings(options)}


def _meanings(options: type) -> dict[str, str]:
    """What the docstring of a dataclass says of its attributes."""
    found: dict[str, str] = {}
    _, _, section = (inspect.getdoc(options) or "").partition("Attributes:\n")
    for line in section.splitlines():
        name, colon, text = line.strip().partition(": ")
        if colon and line.startswith("    ") and not line.startswith("     ") and name.replace(", ", "").isidentifier():
            for each in name.split(", "):
                found[each] = text
        elif found and line.startswith("     "):
            found[next(reversed(found))] += f" {line.strip()}"
        elif not line.strip():
            break
    return found


_DETAILS: dict[Kind, Callable[[Any], Fields]] = {
    "task": _task,
    "model": _model,
    "fusion": _fusion,
    "encoder": _encoder,
    "adapter": _adapter,
    "dataset": _dataset,
    "metric": _metric,
}
