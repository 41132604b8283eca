"""`mmbench list`: what is installed, without importing it."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mmbench.cli.console import JsonOption, PluginOption, console, join, load_plugins, print_json
from mmbench.errors import MMBenchError, unknown_name
from mmbench.registry import Kind, registry

TITLES: dict[Kind, str] = {
    "task": "tasks",
    "model": "models",
    "fusion": "fusions",
    "encoder": "encoders",
    "adapter": "adapters",
    "dataset": "datasets",
    "metric": "metrics",
}

WHERE = {"package": "with mmbench", "generated": "generated", "files": "your files", "hub": "hub or your files"}
"""Where data are, by the kind of their source."""

DATA_COLUMNS = {"tasks": "tasks", "data": "data"}


def list_(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help=f"One of {', '.join(TITLES.values())}; default: all.")
    ] = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """List the tasks, models, fusions, encoders, adapters, data sets and metrics that are installed."""
    kinds = list(TITLES) if kind is None else [parse_kind(kind)]
    load_plugins(plugin)
    found = {each: [_describe(each, name) for name in registry.names(each)] for each in kinds}
    if json:
        print_json(_as_json(found))
    else:
        _print(found)


def parse_kind(text: str) -> Kind:
    """The kind that a user means, in singular or plural.

    Raises:
        UsageError: there is none such; gives the nearest.
    """
    for kind, title in TITLES.items():
        if text.lower() in (kind, title):
            return kind
    raise unknown_name("kind", text, TITLES.values())


def _describe(kind: Kind, name: str) -> dict[str, str]:
    try:
        entry = registry.entry(kind, name)
        told = _card_summary(name) if kind == "dataset" else {"summary": entry.summary}
    except MMBenchError as error:  # one broken plugin must not hide the others
        return {"name": name, "summary": f"({error})", "origin": ""}
    return {"name": name, **told, "origin": entry.origin}


def _card_summary(name: str) -> dict[str, str]:
    """A data set is an object, not source with a docstring; its card is light enough to load."""
    from mmbench.data.card import DatasetCard

    card = registry.load("dataset", name)
    if not isinstance(card, DatasetCard):
        return {"summary": f"(is a {type(card).__name__}, not a DatasetCard)"}
    splits = f" ({join(_split(*item) for item in card.splits.items())})" if card.splits else ""
    return {"summary": f"{card.title}{splits}", "tasks": join(card.tasks), "data": WHERE[card.source.kind]}


def _split(name: str, count: int | None) -> str:
    return name if count is None else f"{name} {count:,}"


def _as_json(found: dict[Kind, list[dict[str, str]]]) -> dict[str, Any]:
    data: dict[str, Any] = {TITLES[kind]: entries for kind, entries in found.items()}
    if "model" in found:
        data["model_names"] = registry.model_names()
    return data


def _by_task(entry: dict[str, str]) -> tuple[str, int, str]:
    """Of each task first what is at hand."""
    places = list(WHERE.values())
    place = entry.get("data", "")
    return entry.get("tasks", ""), places.index(place) if place in places else len(places), entry["name"]


def _print(found: dict[Kind, list[dict[str, str]]]) -> None:
    from rich.table import Table
    from rich.text import Text

    out = console()
    for kind, entries in found.items():
        table = Table(title=f"{TITLES[kind]} ({len(entries)})", title_justify="left", title_style="bold", box=None)
        columns = {
            "name": "name",
            **(DATA_COLUMNS if kind == "dataset" else {}),
            "summary": "summary",
            "origin": "from",
        }
        for key, header in columns.items():
            style = {"name": "cyan", "origin": "dim"}.get(key, "")
            table.add_column(header, no_wrap=key in ("name", *DATA_COLUMNS), style=style)
        for entry in sorted(entries, key=_by_task) if kind == "dataset" else entries:
            table.add_row(*(Text(entry.get(key, "")) for key in columns))
        out.print(table)
        if kind == "model" and registry.names("fusion"):
            out.print(Text(f" Every fusion is a model too: --model also takes {join(registry.names('fusion'))}."))
        out.print()
    out.print(Text(_next_steps(found)))


def _first_with_weights() -> tuple[str, str] | None:
    """A model and a task that can be evaluated at once, since a package ships weights for them."""
    models, tasks = registry.model_names(), registry.names("task")
    for package in registry.load_all("weights").values():
        for file in sorted(Path(package.__path__[0]).glob("*/*/*.safetensors")):
            if file.stem in models and file.parts[-3] in tasks:
                return file.stem, file.parts[-3]
    return None


def _next_steps(found: dict[Kind, list[dict[str, str]]]) -> str:
    names = [entry["name"] for entries in found.values() for entry in entries]
    steps = [f"mmbench show {names[0]}"] if names else []
    if ready := _first_with_weights():
        steps.append("mmbench eval --model {} --task {}".format(*ready))
    return "Next: " + " or ".join(steps) if steps else "Nothing is installed; `mmbench doctor` may say why."
