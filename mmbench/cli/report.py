"""One run as people read it: metrics with intervals, breakdowns, cost, and what needs attention."""

from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmbench.cli.cost_report import print_cost
from mmbench.data.alteration import Alteration
from mmbench.errors import printable
from mmbench.leaderboard.cells import MISSING, count, number, signed, size
from mmbench.profile.usage import Usage
from mmbench.record.profile import ProfileRecord
from mmbench.record.schema import GIVEN, DatasetInfo, MetricValue, RunRecord
from mmbench.record.store import PROFILE_FILE, TRACE_FILE

if TYPE_CHECKING:
    from mmbench.engine.score import Comparison

_FAILURES_SHOWN = 5
_PARTS_SHOWN = 20


def print_run(record: RunRecord, folder: Path | None, console: Console, *, full: bool = False) -> None:
    """Print a run, and where its record is if it is stored; with `full`, all that the cost passes found."""
    data = record.dataset
    limited = "" if data.limit is None else " [yellow](limited: not comparable with a full run)[/]"
    console.print(
        f"\n[bold]{escape(record.model.name)}[/] · {escape(record.task)} · {escape(_data_name(data))}, "
        f"{data.n:,} samples{limited}{_altered(record)}"
    )
    console.print(_metrics_table(record))
    for key, values in record.breakdowns.items():
        console.print(_breakdown_table(record, key, values))
    for line in (*_protocol_line(record), *_cost_lines(record, full), *_attention(record)):
        console.print(line)
    if record.cost is not None:
        print_cost(record.cost, console, short=not full, label="model alone")
    if folder is not None:
        console.print(f"record       {escape(str(folder / 'record.json'))}", soft_wrap=True)


def print_profile(record: ProfileRecord, folder: Path | None, console: Console) -> None:
    """Print all that the cost passes found, and where the record is if it is stored."""
    name, data = escape(printable(record.model.name)), escape(printable(_data_name(record.dataset)))
    console.print(f"\n[bold]{name}[/] · {escape(record.task)} · {data}, cost alone\n")
    print_cost(record.cost, console)
    if folder is not None:
        if (folder / TRACE_FILE).is_file():
            trace = escape(str(folder / TRACE_FILE))
            console.print(f"trace        {trace} (for ui.perfetto.dev or chrome://tracing)", soft_wrap=True)
        console.print(f"record       {escape(str(folder / PROFILE_FILE))}", soft_wrap=True)


def print_differences(comparison: "Comparison", console: Console) -> None:
    """Print the paired differences of two files of predictions."""
    ours, theirs = comparison.ours.record, comparison.theirs.record
    console.print(f"\n[bold]{escape(ours.model.name)}[/] minus [bold]{escape(theirs.model.name)}[/], paired by sample")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for header in (ours.model.name, theirs.model.name, "difference", f"{_level(ours)} interval", "p", "n"):
        table.add_column(escape(header), justify="right")
    table.add_column("test", style="dim")
    for name, found in ours.against.differences.items() if ours.against else ():
        table.add_row(
            name,
            number(ours.metrics[name].value),
            number(theirs.metrics[name].value),
            signed(found.value),
            MISSING if found.low is None or found.high is None else f"{signed(found.low)} – {signed(found.high)}",
            MISSING if found.p_value is None else f"{found.p_value:.4f}",
            f"{found.n:,}",
            found.test,
            style="bold" if name == ours.main_metric else "",
        )
    console.print(table)
    console.print(
        "[dim]p: how often a difference this large arises if the two models' answers are swapped at random[/]"
    )


def _data_name(data: DatasetInfo) -> str:
    return "targets from the file" if data.name == data.split == GIVEN else f"{data.name} {data.split}"


def _altered(record: RunRecord) -> str:
    """What was done to the inputs."""
    done = Alteration.from_json(record.settings.get("alteration")).title()
    return f" [yellow](altered: {escape(printable(done))})[/]" if done else ""


def _metrics_table(record: RunRecord) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for header in ("value", f"{_level(record)} interval", "n"):
        table.add_column(header, justify="right")
    table.add_column("method", style="dim")
    for name, metric in record.metrics.items():
        style = "bold" if name == record.main_metric else ""
        table.add_row(name, number(metric.value), _interval(metric), f"{metric.n:,}", metric.method, style=style)
    return table


def _breakdown_table(record: RunRecord, key: str, values: dict[str, dict[str, MetricValue]]) -> Table:
    """The main metric by the values of one key: within one of them, per-class metrics say little."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(key.replace("_", " "))
    for header in (record.main_metric, f"{_level(record)} interval", "n"):
        table.add_column(header, justify="right")
    table.add_column("method", style="dim")
    largest = sorted(values, key=lambda value: -values[value][record.main_metric].n)[:_PARTS_SHOWN]
    for value, metrics in values.items():
        if value in largest:
            metric = metrics[record.main_metric]
            table.add_row(
                escape(printable(value)), number(metric.value), _interval(metric), f"{metric.n:,}", metric.method
            )
    if len(values) > len(largest):
        table.add_row(f"[dim]and {len(values) - len(largest)} smaller ones, in the record[/]")
    return table


def _cost_lines(record: RunRecord, full: bool) -> list[str]:
    cost = record.cost
    if cost is None:
        return []
    pace = cost.throughput.real_time_factor
    included = "decoding and alteration" if record.settings.get("alteration") else "decoding"
    if cost.usage is not None:
        included += " and answers from the cache"
    passes = record.settings.get("cost") not in (None, "off") and cost.usage is None
    return [
        *_usage_lines(cost.usage),
        f"throughput   {cost.throughput.samples_per_s:,.0f} samples/s (quality pass, {included} included)",
        *([] if pace is None else [f"real time    {pace:,.1f} s of audio a second"]),
        f"wall time    {cost.wall_s:.1f} s, of which loading {cost.load_s:.1f} s"
        + (f"; the cost passes {cost.passes_s:.1f} s more" if passes else ""),
        f"peak memory  {size(cost.memory.peak_bytes)} ({escape(cost.memory.method)})",
        *([] if full and cost.static_memory else [f"parameters   {count(record.model.parameters)}"]),
        f"weights      {escape(record.model.weights.source) if record.model.weights else MISSING}",
    ]


def _usage_lines(usage: Usage | None) -> list[str]:
    """What a model on another machine took."""
    if usage is None:
        return []
    told = f"requests     {usage.requests:,} ({usage.retried:,} sent again); {usage.cached:,} answers from the cache"
    if usage.input_tokens is not None and usage.output_tokens is not None:
        told += f"; {usage.input_tokens:,} tokens in, {usage.output_tokens:,} out"
    price = [] if usage.cost is None else [f"price        {usage.cost:,.4f} in the currency of price_in and price_out"]
    return [told, *price]


def _protocol_line(record: RunRecord) -> list[str]:
    """How the metrics scored, where that can be chosen."""
    protocol = record.settings.get("protocol")
    if not isinstance(protocol, dict) or not protocol:
        return []
    return [f"protocol     {escape(', '.join(f'{key} {value}' for key, value in protocol.items()))}"]


def _attention(record: RunRecord) -> list[str]:
    """What a reader of the numbers must not miss."""
    found = []
    if record.failures:
        found.append(f"[yellow]unscored     {len(record.failures):,} of {record.dataset.n:,} samples failed[/]")
        found += [
            escape(printable(f"             {failure.id}: {failure.stage}: {failure.reason}"))
            for failure in record.failures[:_FAILURES_SHOWN]
        ]
    for name, told in record.details.items():
        if reason := told.get("not_computed"):
            found.append(f"[yellow]no value     {escape(printable(f'{name}: {reason}'))}[/]")
    checks = record.settings.get("checks")
    invariance = checks.get("batch_invariance") if isinstance(checks, dict) else None
    if isinstance(invariance, dict) and invariance["differ"]:
        found.append(
            f"[yellow]batching     changes {invariance['differ']} of {invariance['samples']} predictions "
            f"(batch size {invariance['batch_size']} against 1)[/]"
        )
    return found


def _level(record: RunRecord) -> str:
    return f"{100 * record.metrics[record.main_metric].level:g} %"


def _interval(metric: MetricValue) -> str:
    if metric.low is None or metric.high is None:
        return MISSING
    return f"{number(metric.low)} – {number(metric.high)}"
