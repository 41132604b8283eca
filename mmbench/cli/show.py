"""`mmbench show`: everything about one registered thing, or about one run, profile or diagnosis."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmbench.cli.console import (
    DataOption,
    JsonOption,
    PluginOption,
    console,
    join,
    load_plugins,
    print_json,
    print_line,
)
from mmbench.cli.list import TITLES, parse_kind
from mmbench.errors import MMBenchError, UsageError, unknown_name
from mmbench.registry import Kind, registry

if TYPE_CHECKING:
    from rich.table import Table

    from mmbench.record.diagnosis import DiagnosisRecord
    from mmbench.record.profile import ProfileRecord
    from mmbench.record.schema import RunRecord

DEFAULT_SAMPLES = 3
SHEET_SAMPLES = 12

LONGEST = 12
"""Values of a sequence that are still printed one by one."""


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A registered name, or the folder of a run, a profile or a diagnosis, or its JSON file.",
        ),
    ],
    kind: Annotated[
        str | None, typer.Option("--kind", help=f"Only this kind, where several have the name: {', '.join(TITLES)}.")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option("--samples", min=0, help="Of a data set: how many to show.", show_default="3, none of the hub's"),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--sheet", metavar="FILE", help="Of a data set: write the samples as a picture (PNG)."),
    ] = None,
    split: Annotated[
        str | None, typer.Option("--split", help="Of a data set: whose samples.", show_default="its default")
    ] = None,
    data: DataOption = None,
    plugin: PluginOption = None,
    json: JsonOption = False,
) -> None:
    """Show all there is to know about a registered thing (`mmbench list` has them), a run, a profile or a diagnosis."""
    wanted = tuple(TITLES) if kind is None else (parse_kind(kind),)
    load_plugins(plugin)
    kinds = [each for each in wanted if name in registry.names(each)]
    if not kinds and kind is None and Path(name).exists():
        _show_record(Path(name), json)
    elif not kinds:
        known = {known for each in wanted for known in registry.names(each)}
        raise unknown_name("name" if kind is None else wanted[0], name, known)
    else:
        asked = _Asked(samples, sheet, split, data)
        if asked != _Asked() and "dataset" not in kinds:
            raise UsageError(f"--samples, --sheet, --split and --data are for data sets; {name!r} is a {kinds[0]}")
        _show_things(kinds, name, asked, json)


@dataclass(frozen=True)
class _Asked:
    """What is asked of a data set's samples."""

    count: int | None = None
    sheet: Path | None = None
    split: str | None = None
    data: Path | None = None


def _show_things(kinds: list[Kind], name: str, asked: _Asked, json: bool) -> None:
    from mmbench.cli.describe import describe

    described = [describe(each, name) | (_samples(name, asked) if each == "dataset" else {}) for each in kinds]
    if json:
        print_json(described)
        return
    for fields in described:
        _print_thing(fields)


def _samples(name: str, asked: _Asked) -> dict[str, Any]:
    """A few samples of a data set, or why there are none; a sheet of them if one is asked for."""
    from mmbench.data.sheet import draw_sheet
    from mmbench.engine.look import as_json, is_at_hand, open_data, some_samples

    wanted = asked.count if asked.count is not None else SHEET_SAMPLES if asked.sheet else None
    if asked.sheet is not None and wanted == 0:
        raise UsageError("--sheet needs --samples of at least 1")
    try:
        task, card = open_data(name, asked.data)
        if wanted is None and not is_at_hand(card):
            return {"samples": f"on the hub; --samples {DEFAULT_SAMPLES} fetches it"}
        count = DEFAULT_SAMPLES if wanted is None else wanted
        found = some_samples(task, card, asked.split or card.default_split, count) if count else []
    except MMBenchError as error:
        if asked != _Asked():
            raise
        return {"samples": f"none here: {error}"}
    if asked.sheet is not None and found:
        try:
            draw_sheet(found, asked.sheet)
        except OSError as error:
            raise UsageError(f"cannot write {asked.sheet}: {error.strerror or error}") from error
        print_line("wrote", "green", str(asked.sheet))
    return {"samples": [as_json(sample) for sample in found]}


def _print_thing(fields: Mapping[str, Any]) -> None:
    from rich.text import Text

    out = console()
    out.print(Text(f"{fields['kind']} {fields['name']}", style="bold cyan"))
    apart = ("kind", "name", "documentation", *(["samples"] if isinstance(fields.get("samples"), list) else []))
    _print_fields({key: value for key, value in fields.items() if key not in apart})
    if "samples" in apart and fields["samples"]:
        out.print()
        out.print(_samples_table(fields["samples"][:DEFAULT_SAMPLES]))
    if documentation := fields.get("documentation"):
        out.print()
        out.print(Text(documentation))
    out.print()


def _samples_table(samples: Sequence[Mapping[str, Any]]) -> "Table":
    """A row a sample, a column for each input."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None)
    inputs = list(dict.fromkeys(modality for sample in samples for modality in sample["inputs"]))
    for header in ("id", *inputs, "target"):
        table.add_column(header, overflow="fold")
    for sample in samples:
        target = sample["target"]
        lines = target if isinstance(target, list) else [str(target)]
        values = [sample["id"], *(sample["inputs"].get(modality, "") for modality in inputs)]
        table.add_row(*map(Text, values), Text("\n".join(" ".join(line.split()) for line in lines)))
    return table


def _show_record(path: Path, json: bool) -> None:
    from mmbench.record.store import DIAGNOSIS_FILE, PROFILE_FILE, Store

    def holds(name: str) -> bool:
        return path.name == name or (path / name).is_file()

    store = Store(path)
    record: RunRecord | ProfileRecord | DiagnosisRecord
    if holds(PROFILE_FILE):
        record = store.load_profile(path)
    elif holds(DIAGNOSIS_FILE):
        record = store.load_diagnosis(path)
    else:
        record = store.load(path)
    if json:
        print_json(record.model_dump(mode="json"))
    else:
        _print_record(record, path if path.is_dir() else path.parent)


def _print_record(record: "RunRecord | ProfileRecord | DiagnosisRecord", folder: Path) -> None:
    """As `eval --cost full` or `profile` print it, then the rest; raw timings of cost passes are in the JSON alone."""
    from mmbench.cli.diagnosis_report import REPORTED, print_diagnosis
    from mmbench.cli.report import print_profile, print_run
    from mmbench.profile.results import Passes
    from mmbench.record.profile import ProfileRecord
    from mmbench.record.schema import RunRecord

    out = console()
    if isinstance(record, RunRecord):
        print_run(record, folder, out, full=True)
    elif isinstance(record, ProfileRecord):
        print_profile(record, folder, out)
    else:
        print_diagnosis(record, folder, out)
    out.print()
    reported = dict.fromkeys(("metrics", "breakdowns", "failures", *REPORTED), True) | {
        "cost": set(Passes.model_fields)
    }
    _print_fields(record.model_dump(mode="json", exclude=reported))


def _print_fields(fields: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False)
    table.add_column(no_wrap=True, style="dim")
    table.add_column()
    for label, value in _flat(fields):
        table.add_row(Text(label), Text(value))
    console().print(table)


def _flat(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Nested values as (dotted name, text), without what is empty."""
    for key, value in fields.items():
        label = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{label}.")
        elif isinstance(value, list | tuple) and value and isinstance(value[0], Mapping):
            for index, item in enumerate(value[:LONGEST]):
                yield from _flat(item, f"{label}.{index}.")
            if len(value) > LONGEST:
                yield label, f"({len(value) - LONGEST:,} more)"
        elif isinstance(value, list | tuple):
            text = join(value) if len(value) <= LONGEST else f"({len(value):,} values; --json has them)"
            yield label, text
        elif isinstance(value, int) and not isinstance(value, bool):
            yield label, f"{value:,}"
        elif value not in (None, ""):
            yield label, str(value)
