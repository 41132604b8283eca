"""Options that several verbs have, and that a verb gets together as one value."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

Verb = Callable[..., None]

REQUIRED = inspect.Parameter.empty
"""In place of a default."""


def together(name: str, options: Mapping[str, tuple[Any, Any]], make: Callable[..., object]) -> Callable[[Verb], Verb]:
    """A decorator: in place of its parameter `name`, a verb has these options on the command line.

    Args:
        name: of the parameter; it gets what `make` gives.
        options: annotation, as typer reads it, and default (or `REQUIRED`) by name.
        make: is called with the options by name.
    """

    def decorate(verb: Verb) -> Verb:
        @wraps(verb)
        def taking(*args: Any, **kwargs: Any) -> None:
            given = {option: kwargs.pop(option, default) for option, (_, default) in options.items()}
            verb(*args, **{name: make(**given)}, **kwargs)

        own = inspect.signature(verb)
        parameters: list[inspect.Parameter] = []
        for parameter in own.parameters.values():
            if parameter.name != name:
                parameters.append(parameter)
                continue
            parameters += [
                inspect.Parameter(option, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
                for option, (annotation, default) in options.items()
            ]
        # What typer reads; it would look through to the verb itself, did that stay in reach.
        taking.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        taking.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
        del taking.__wrapped__
        return taking

    return decorate
