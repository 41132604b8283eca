"""Options of encoders and fusions as the user writes them, brought to what their constructors take."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from inspect import Parameter, signature
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from mmbench.errors import UsageError, unknown_name

_GIVEN = ("width", "modalities")  # by the model around it


def parameter_of(part: str, made: Callable[..., object], option: str) -> Parameter:
    """The constructor's parameter that an option sets.

    Args:
        part: what an error calls it, such as `encoder 'vit'`.
        made: its class, or the function that makes it.
        option: the option's name.

    Raises:
        UsageError: it has none; says the nearest.
    """
    parameters = signature(made).parameters
    known = [other for other in parameters if other not in _GIVEN]
    if option in known:
        return parameters[option]
    for parameter in parameters.values():
        if parameter.kind is Parameter.VAR_KEYWORD:
            return parameter
    if not known:
        raise UsageError(f"{part} has no options, so none {option!r}")
    raise unknown_name(f"option of {part}", option, known)


def read_settings(part: str, made: Callable[..., object], settings: Iterable[str]) -> dict[str, Any]:
    """Each `OPTION=VALUE`, by option.

    Raises:
        UsageError: as of `read_setting`, or an option is set twice.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        option, value = read_setting(part, made, setting)
        if option in values:
            raise UsageError(f"{part}: {option} is set twice")
        values[option] = value
    return values


def read_setting(part: str, made: Callable[..., object], setting: str) -> tuple[str, Any]:
    """One `OPTION=VALUE`, the value read as YAML and brought to the type that the constructor states.

    Raises:
        UsageError: it has another form, there is no such option, or the value is of another type.
    """
    option, equals, text = (word.strip() for word in setting.partition("="))
    if not equals:
        raise UsageError(f"{part}: expected OPTION=VALUE, not {setting!r}")
    annotation = parameter_of(part, made, option).annotation
    stated = TypeAdapter(Any if annotation is Parameter.empty or isinstance(annotation, str) else annotation)
    try:
        given = yaml.safe_load(text)
        value = stated.validate_python(given)
        if not _counts_truth(given, value):
            return option, value
        reason = "expected a number, not yes or no"
    except ValidationError as error:
        reason = error.errors()[0]["msg"]
    except yaml.YAMLError:
        reason = "it is not YAML"
    with suppress(ValidationError):
        return option, stated.validate_python(text)  # a text that looks like something else, a commit say
    raise UsageError(f"{part} cannot take {option}={text}: {reason}")


def _counts_truth(given: Any, value: Any) -> bool:
    """Whether a yes or no, or one in a list, was made a number."""
    if isinstance(given, list) and isinstance(value, list | tuple):
        return any(map(_counts_truth, given, value))
    return isinstance(given, bool) and isinstance(value, int | float) and not isinstance(value, bool)
