"""The options of verbs that ask a model from elsewhere, all of which reach its adapter as `OPTION=VALUE`."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

_PANEL = "Model from elsewhere"

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "option": (
        list[str] | None,
        typer.Option(
            "--option",
            metavar="OPTION=VALUE",
            help="Any option of the adapter; several times. `mmbench show SCHEME` has them.",
            rich_help_panel=_PANEL,
        ),
    ),
    "base_url": (str | None, typer.Option("--base-url", metavar="URL", help="Of the server.", rich_help_panel=_PANEL)),
    "compile": (bool, typer.Option("--compile", help="Compile the model.", rich_help_panel=_PANEL)),
    "attn": (
        str | None,
        typer.Option("--attn", metavar="NAME", help="Attention: eager, sdpa, flash_attention_2.", rich_help_panel=_PANEL),
    ),
    "device_map": (
        str | None,
        typer.Option("--device-map", metavar="MAP", help="Spread the model over devices: auto.", rich_help_panel=_PANEL),
    ),
    "quantize": (
        str | None,
        typer.Option("--quantize", metavar="KIND", help="int8 or int4, of bitsandbytes or torchao.", rich_help_panel=_PANEL),
    ),
    "trust_remote_code": (
        bool,
        typer.Option("--trust-remote-code", help="Run code that comes with the model.", rich_help_panel=_PANEL),
    ),
}
"""Type and flag by the name of the adapter's option; `option` is any."""


def takes_settings(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb these options; it gets what is set of them together, as `settings`."""

    @wraps(verb)
    def taking(*args: Any, **kwargs: Any) -> None:
        given = {name: kwargs.pop(name, None) for name in _OPTIONS}
        free = given.pop("option") or []
        named = [f"{name}={str(value).lower() if value is True else value}" for name, value in given.items() if value]
        verb(*args, settings=(*named, *free), **kwargs)

    own = inspect.signature(verb)
    kept = [parameter for name, parameter in own.parameters.items() if name != "settings"]
    added = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=False if kind is bool else None, annotation=Annotated[kind, flag]
        )
        for name, (kind, flag) in _OPTIONS.items()
    ]
    signature = own.replace(parameters=[*kept, *added])
    taking.__signature__ = signature  # type: ignore[attr-defined]  # what typer reads
    taking.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    del taking.__wrapped__  # type: ignore[attr-defined]  # else its type hints would be read
    return taking
