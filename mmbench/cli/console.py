"""What the verbs share: where they print, and the options that mean the same in all of them."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from mmbench.errors import UsageError, printable
from mmbench.registry import load_plugin_file

PluginOption = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE", help="Python file that registers more; may be given several times."),
]
DataOption = Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Where the files of the data set are.")]
MetricOption = Annotated[
    list[str] | None,
    typer.Option("--metric", metavar="NAME", help="One more metric, or evaluate:NAME_OR_PATH; several times."),
]
ProtocolOption = Annotated[
    list[str] | None,
    typer.Option("--protocol", metavar="KEY=VALUE", help="How a metric scores; `mmbench show METRIC` has the options."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


class OnError(StrEnum):
    """What a sample that cannot be scored does to the run."""

    FAIL = "fail"
    SKIP = "skip"


WIDE = 1000
"""Columns where no terminal sets the width, so that a line can be searched for without being folded."""


def console(stderr: bool = False) -> Console:
    """A console on the present stdout or stderr."""
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(file=stream, width=width, highlight=False)


def print_json(data: Any) -> None:
    """Print plain JSON on stdout."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def print_line(label: str, style: str, message: str) -> None:
    """Print `label: message` as one line on stderr, whatever white space the message has."""
    text = escape(printable(" ".join(message.split())))
    console(stderr=True).print(f"[{style}]{label}:[/] {text}", soft_wrap=True)


def load_plugins(files: Sequence[Path] | None) -> None:
    """Run what `--plugin` names.

    Raises:
        UsageError: a file is missing or fails.
    """
    for file in files or ():
        load_plugin_file(file)


def parse_protocol(pairs: Sequence[str] | None) -> dict[str, str]:
    """What `--protocol` says.

    Raises:
        UsageError: not KEY=VALUE, or a key twice.
    """
    found: dict[str, str] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals):
            raise UsageError(f"--protocol takes KEY=VALUE, not {pair!r}")
        if key in found:
            raise UsageError(f"--protocol {key} is given twice")
        found[key] = value
    return found


def join(values: Iterable[Any]) -> str:
    """Values as one phrase; a dash for none."""
    return ", ".join(map(str, values)) or "–"
