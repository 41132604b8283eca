"""The options of verbs that ask a model from elsewhere, all of which reach its adapter as `OPTION=VALUE`."""

from typing import Annotated, Any

import typer

from mmbench.cli.together import together

_PANEL = "Model from elsewhere"


def _flag(kind: Any, name: str, text: str, metavar: str | None = None) -> tuple[Any, Any]:
    option = typer.Option(name, metavar=metavar, help=text, rich_help_panel=_PANEL)
    return Annotated[kind, option], False if kind is bool else None


def _settings(option: list[str] | None, **named: str | bool | None) -> tuple[str, ...]:
    """What is set, as `OPTION=VALUE`."""
    flags = [f"{name}={'true' if value is True else value}" for name, value in named.items() if value]
    return (*flags, *(option or ()))


takes_settings = together(
    "settings",
    {
        "option": _flag(
            list[str] | None,
            "--option",
            "Any option of its adapter; several times. `mmbench show SCHEME` has them.",
            "OPTION=VALUE",
        ),
        "base_url": _flag(str | None, "--base-url", "Of the server.", "URL"),
        "compile": _flag(bool, "--compile", "Compile the model."),
        "attn": _flag(str | None, "--attn", "Attention: eager, sdpa, flash_attention_2.", "NAME"),
        "device_map": _flag(str | None, "--device-map", "Spread the model over devices: auto.", "MAP"),
        "quantize": _flag(str | None, "--quantize", "int8 or int4, by bitsandbytes or torchao.", "KIND"),
        "trust_remote_code": _flag(bool, "--trust-remote-code", "Run code that comes with the model."),
    },
    _settings,
)
"""Gives a verb the options of models from elsewhere; each is named as the adapter's option, `option` is any of them."""
