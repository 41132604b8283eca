"""`mmbench gate`: is head slower, larger or worse than base?"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmbench.cli.console import JsonOption, console, print_line
from mmbench.cli.signals import ended_by_signals
from mmbench.cli.workload_options import takes_workload
from mmbench.errors import MMBenchError, UsageError, unknown_name
from mmbench.gate.options import EXACT, TIMINGS, GateOptions, parse_budgets
from mmbench.gate.workload import Workload
from mmbench.registry import registry

if TYPE_CHECKING:
    from mmbench.record.gate import Floor, GateReport

DEFAULTS = GateOptions()

EXIT_CODES = {"pass": 0, "improvement": 0, "regression": 1, "failure": 1, "inconclusive": 3}

_MEASURE = "How to measure"
_REPORT = "Reports"


@takes_workload
def gate(
    *,
    workload: Workload,
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REF|FOLDER|PYTHON",
            help="What head is compared with: a git reference, a folder, or an environment's interpreter.",
        ),
    ] = None,
    head: Annotated[str, typer.Option("--head", metavar="REF|FOLDER|PYTHON", help="The change; likewise.")] = ".",
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME,...",
            help="throughput, latency, data, memory, flops, parameters, or a metric of the task.",
            show_default="throughput",
        ),
    ] = None,
    budget: Annotated[
        list[str] | None,
        typer.Option(
            "--budget",
            metavar="5%|METRIC=5%",
            help="The change that is borne; without a name of all but qualities.",
            show_default="3 % of timings, 2 % of memory or 256 KiB, a point of a quality, else none",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="FILE",
            help="A stored JSON report whose head is the base now; weak, since the machine has changed meanwhile.",
        ),
    ] = None,
    pairs: Annotated[
        int, typer.Option("--pairs", help="Pairs of processes at first.", rich_help_panel=_MEASURE)
    ] = DEFAULTS.pairs,
    most_pairs: Annotated[
        int | None,
        typer.Option(
            "--most-pairs",
            help="At most, while a verdict is not clear.",
            show_default=str(DEFAULTS.most_pairs),
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    time_limit: Annotated[
        float,
        typer.Option(
            "--time-limit",
            metavar="SECONDS",
            help="No further pair is begun that would end later.",
            rich_help_panel=_MEASURE,
        ),
    ] = DEFAULTS.time_limit_s,
    patience: Annotated[
        float,
        typer.Option(
            "--patience", metavar="SECONDS", help="A worker that is silent for longer hangs.", rich_help_panel=_MEASURE
        ),
    ] = DEFAULTS.patience_s,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate",
            help="Measure head against itself, and keep this runner's noise floor.",
            rich_help_panel=_MEASURE,
        ),
    ] = False,
    floor: Annotated[
        Path | None,
        typer.Option(
            "--floor",
            metavar="FILE",
            help="Where the noise floor is kept.",
            show_default="in the user's cache, by runner and workload",
            rich_help_panel=_MEASURE,
        ),
    ] = None,
    report: Annotated[
        list[str] | None,
        typer.Option(
            "--report",
            metavar="KIND=FILE",
            help="Write a report, too: markdown, junit, json, pytest-benchmark, github-bigger, github-smaller, "
            "bencher, openmetrics, history; several times.",
            rich_help_panel=_REPORT,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Compare a change with what was before it, both live on this machine, and fail where it costs more than is borne.

    Exit codes: 0 pass or improvement, 1 regression or failure of head, 2 wrong usage, 3 inconclusive, 4 base or the
    harness failed.
    """
    options = GateOptions(
        metrics=_metrics(metric, plugins=bool(workload.plugins)),
        budgets=parse_budgets(budget or []),
        pairs=pairs,
        most_pairs=max(DEFAULTS.most_pairs, pairs) if most_pairs is None else most_pairs,
        time_limit_s=time_limit,
        patience_s=patience,
    )
    _check_base(base, against, calibrate=calibrate)
    if calibrate:
        ignored = {"--budget": budget, "--pairs": pairs != DEFAULTS.pairs, "--report": report}
        _check_ignored([flag for flag, given in ignored.items() if given])
    reports = _reports(report or [])
    from mmbench.gate.floor import default_path, load_floor

    place = floor or default_path(workload)
    with ended_by_signals():
        if calibrate:
            _calibrate(head, workload, options, place, json=json)
            return
        known = load_floor(place, workload, options.most_pairs)
        if known is None and floor is not None:
            if not floor.is_file():
                raise UsageError(f"there is no noise floor in {floor}: --calibrate makes it")
            print_line("note", "yellow", f"{floor} holds the noise floor of another runner; it is not used")
        found = _gate(base, against, head, workload, options, known)
    if json:
        typer.echo(found.to_json(), nl=False)
    else:
        from mmbench.cli.gate_report import print_gate

        print_gate(found, console())
    _write(found, reports)  # last, so that a file that fails takes nothing with it
    raise typer.Exit(EXIT_CODES[found.verdict])


def _check_base(base: str | None, against: Path | None, *, calibrate: bool) -> None:
    given = [flag for flag, value in (("--base", base), ("--against", against)) if value is not None]
    if calibrate and given:
        raise UsageError(f"--calibrate measures head against itself; leave out {given[0]}")
    if len(given) > 1:
        raise UsageError("--base and --against exclude each other: the one is run, the other was stored; give one")
    if not calibrate and not given:
        raise UsageError("--base is missing: what shall head be compared with? A git reference, a folder or a python")


def _check_ignored(flags: Sequence[str]) -> None:
    if flags:
        raise UsageError(f"--calibrate makes pairs of its own and judges nothing; leave out {flags[0]}")


def _gate(
    base: str | None, against: Path | None, head: str, workload: Workload, options: GateOptions, floor: "Floor | None"
) -> "GateReport":
    from mmbench.cli.gate_lines import GateLines

    if against is not None:
        from mmbench.gate.against import gate_against, load_stored

        stored = load_stored(against, workload, options)
        with GateLines(console(stderr=True)) as lines:
            return gate_against(stored, head, workload, options, floor=floor, progress=lines)
    from mmbench.gate.gate import gate as measure

    with GateLines(console(stderr=True)) as lines:
        return measure(base or "", head, workload, options, floor=floor, progress=lines)


def _calibrate(head: str, workload: Workload, options: GateOptions, place: Path, *, json: bool) -> None:
    from mmbench.cli.gate_lines import GateLines
    from mmbench.gate.floor import save_floor
    from mmbench.gate.gate import calibrate

    with GateLines(console(stderr=True)) as lines:
        found = calibrate(head, workload, options, progress=lines)
    save_floor(found, place)
    if json:
        typer.echo(found.model_dump_json(indent=2))
        return
    for name, value in found.floors.items():
        print_line(
            "noise floor",
            "bold",
            f"{name} {value:.2%}, from {found.pairs} pair{'s' * (found.pairs != 1)} of the same code",
        )
    print_line("wrote", "green", str(place))


def _metrics(texts: Sequence[str] | None, *, plugins: bool) -> tuple[str, ...]:
    """What `--metric` says.

    Raises:
        UsageError: an empty name, or one that is no metric, unless plugins may bring it.
    """
    names = [name.strip() for text in texts or () for name in text.split(",")]
    if not all(names):
        raise UsageError("--metric expects names with a comma between them")
    known = [*TIMINGS, *EXACT, *registry.names("metric")]
    for name in names:
        if name not in known and ":" not in name and not plugins:
            raise unknown_name("metric", name, known)
    return tuple(names) or DEFAULTS.metrics


def _reports(texts: Sequence[str]) -> list[tuple[str, Path]]:
    """What `--report` says.

    Raises:
        UsageError: not KIND=FILE, no such kind, a folder that is not there, or a file that is no history.
    """
    from mmbench.gate.formats.history import read_history
    from mmbench.gate.formats.writers import FORMATS, HISTORY

    found = []
    for text in texts:
        kind, equals, file = text.partition("=")
        if not (equals and file):
            raise UsageError(f"--report takes KIND=FILE, as junit=gate.xml, not {text!r}")
        if kind not in (*FORMATS, HISTORY):
            raise unknown_name("kind of --report", kind, (*FORMATS, HISTORY))
        if not Path(file).absolute().parent.is_dir():
            raise UsageError(f"cannot write {file}: there is no folder {Path(file).parent}")
        if kind == HISTORY and Path(file).exists():
            read_history(Path(file))
        found.append((kind, Path(file)))
    return found


def _write(found: "GateReport", reports: Sequence[tuple[str, Path]]) -> None:
    """Append to the summary of a job of GitHub Actions, where it runs in one, and write what was asked for.

    Raises:
        UsageError, HarnessError: the first of those that could not be written; the others are.
    """
    from mmbench.gate.formats.writers import write_report

    _summarize(found)
    failed: list[MMBenchError] = []
    for kind, path in reports:
        try:
            write_report(kind, path, found)
        except MMBenchError as error:
            failed.append(error)
            continue
        print_line("wrote", "green", str(path))
    if failed:
        raise failed[0]


def _summarize(found: "GateReport") -> None:
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if not summary:
        return
    from mmbench.gate.formats.markdown import to_markdown

    try:
        with Path(summary).open("a", encoding="utf-8") as file:
            before = "\n" if file.seekable() and file.tell() else ""  # what stands there may not end its last line
            file.write(before + to_markdown(found))
    except OSError as error:  # a container may not have it
        print_line("note", "yellow", f"the summary of the job cannot be written: {error.strerror}")
