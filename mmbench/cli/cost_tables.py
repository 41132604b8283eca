"""Tables of a cost report: stages, memory by stage, and the sweep over batch sizes."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from mmbench.cli.units import bar, memory, percent
from mmbench.errors import printable
from mmbench.leaderboard.cells import MISSING
from mmbench.leaderboard.units import digits, si
from mmbench.profile.results import Estimate, MemoryPass, Passes, Sweep

WHOLE = "whole"
"""Name of the roofline point of the model, and of the last row here."""

_BARS = (24, 16, 10, 6, 0)
_LEAST_NAME = 8
"""Columns of the terminal that a name keeps, however narrow it is."""

_UNLIMITED = 10_000


@dataclass(frozen=True, slots=True)
class _StageRow:
    """What is known of a stage; seconds, floating-point operations, FLOPs a byte, share of the roofline."""

    name: str
    seconds: float | None
    host_s: float | None
    flops: float | None
    intensity: float | None
    roofline: float | None


def stage_table(passes: Passes, console: Console, short: bool = False) -> Table | None:
    """Time by stage with bars, and beside it the work and the roofline where they are known.

    Args:
        passes: what was measured.
        console: whose width sets how long bars are.
        short: time alone.

    Returns:
        The table; `None` where no stage is known.
    """
    rows = _stage_rows(passes)
    if short:
        rows = [row for row in rows if row.seconds is not None]
    if not rows:
        return None
    total = passes.stages.sum_s if passes.stages else 0.0
    own = [row for row in rows if row.name != WHOLE]
    timed = any(row.seconds is not None for row in rows)
    queued = timed and not short and any(_differ(row.seconds, row.host_s) for row in own)
    shown: list[tuple[str, bool, Callable[[_StageRow], str]]] = [
        ("ms", timed, lambda row: _milliseconds(row.seconds)),
        ("host ms", queued, lambda row: _milliseconds(row.host_s)),
        ("FLOP", not short and any(row.flops for row in rows), lambda row: _or_missing(row.flops, si)),
        (
            "FLOP/byte",
            not short and any(row.intensity for row in rows),
            lambda row: _or_missing(row.intensity, digits),
        ),
        (
            "of roofline",
            not short and any(row.roofline is not None for row in rows),
            lambda row: _or_missing(row.roofline, percent),
        ),
    ]

    def build(width: int) -> Table:
        table = _table("stage", *(["share", ""] if timed else []), *(header for header, on, _ in shown if on))
        for row in rows:
            share = _share(row.seconds, total)
            bars = [_or_missing(share, percent), _bar(share, width, console, row.name)] if timed else []
            cells = [form(row) for _, on, form in shown if on]
            table.add_row(name_of(row.name), *bars, *cells, style="bold" if row.name == WHOLE else "")
        return table

    return _fit(build, console)


def memory_table(found: MemoryPass, console: Console) -> Table | None:
    """Peak by stage, and how far it rises above what was in use when the stage began; `None` without stages."""
    if not found.stages:
        return None
    most = max(stage.delta_bytes for stage in found.stages)

    def build(width: int) -> Table:
        table = _table("stage", "rise", "", "peak")
        for stage in found.stages:
            table.add_row(
                name_of(stage.name),
                memory(stage.delta_bytes),
                _bar(_share(stage.delta_bytes, most), width, console),
                memory(stage.peak_bytes),
            )
        return table

    return _fit(build, console)


def sweep_table(found: Sweep, console: Console) -> Table:
    """Throughput by batch size, with the knee marked and what failed in its place."""
    speeds = [point.samples_per_s.value for point in found.points if point.samples_per_s]
    fastest = max(speeds, default=0.0)
    with_intervals = any(point.samples_per_s and point.samples_per_s.low is not None for point in found.points)
    with_memory = any(point.peak_bytes is not None for point in found.points)

    def build(width: int) -> Table:
        between = ["95 % interval"] if with_intervals else []
        headers = ("batch size", "samples/s", *between, "", "ms a batch", *(["peak memory"] if with_memory else []))
        table = _table(*headers, numeric_first=True)
        table.add_column("", overflow="fold")
        for point in found.points:
            speed = point.samples_per_s.value if point.samples_per_s else None
            knee = point.batch_size == found.knee
            told = "[bold green]← knee[/]" if knee else ""
            if point.failure is not None:
                told = f"[yellow]{name_of(point.failure)}[/]"
            table.add_row(
                f"{point.batch_size:,}",
                _or_missing(speed, digits),
                *([_interval(point.samples_per_s)] if with_intervals else []),
                _bar(_share(speed, fastest), width, console),
                _milliseconds(point.latency_s),
                *([memory(point.peak_bytes)] if with_memory else []),
                told,
                style="bold" if knee else "",
            )
        return table

    return _fit(build, console)


def name_of(text: str) -> str:
    """A name or a reason from elsewhere, which is neither markup nor steers a terminal."""
    return escape(printable(text))


def _stage_rows(passes: Passes) -> list[_StageRow]:
    """All stages that some pass knows, in order of first entry, and the whole model last."""
    times = {stage.name: stage for stage in passes.stages.stages} if passes.stages else {}
    work = {stage.name: stage for stage in passes.flops.stages} if passes.flops else {}
    points = {point.name: point for point in passes.roofline.points} if passes.roofline else {}
    rows = []
    for name in dict.fromkeys([*times, *work, *points]):
        if name != WHOLE:
            done = work.get(name)
            rows.append(
                _StageRow(
                    name,
                    times[name].seconds.value if name in times else None,
                    times[name].host_s if name in times else None,
                    done.flops if done else None,
                    _ratio(done.flops, done.bytes) if done else points[name].intensity if name in points else None,
                    points[name].share if name in points else None,
                )
            )
    if not rows:
        return []
    whole = _StageRow(
        WHOLE,
        passes.stages.sum_s if passes.stages else None,
        sum(stage.host_s for stage in passes.stages.stages) if passes.stages else None,
        passes.flops.flops if passes.flops else None,
        _ratio(passes.flops.flops, passes.flops.bytes) if passes.flops else None,
        points[WHOLE].share if WHOLE in points else None,
    )
    return [*rows, whole]


def _table(first: str, *others: str, numeric_first: bool = False) -> Table:
    """Numbers to the right; a column without a header holds bars."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(first, justify="right" if numeric_first else "left", overflow="fold", min_width=_LEAST_NAME)
    for header in others:
        table.add_column(header, justify="right" if header else "left", no_wrap=True)
    return table


def _fit(build: Callable[[int], Table], console: Console) -> Table:
    """The table with the longest bars that the width allows."""
    limits = console.options.update(max_width=_UNLIMITED)
    tables: Iterable[Table] = map(build, _BARS)
    for table in tables:
        if Measurement.get(console, limits, table).maximum <= console.width:
            break
    return table


def _bar(share: float | None, width: int, console: Console, name: str = "") -> str:
    if share is None or name == WHOLE:
        return ""
    return f"[cyan]{bar(share, width, console.options.ascii_only)}[/]"


def _interval(speed: Estimate | None) -> str:
    if speed is None or speed.low is None or speed.high is None:
        return MISSING
    return f"{digits(speed.low)} – {digits(speed.high)}"


def _share(value: float | None, total: float) -> float | None:
    if value is None:
        return None
    return value / total if total else 0.0


def _ratio(flops: float, count: int) -> float | None:
    return flops / count if count else None


def _differ(seconds: float | None, host_s: float | None) -> bool:
    return seconds is not None and host_s is not None and not math.isclose(seconds, host_s, rel_tol=0.02)


def _milliseconds(seconds: float | None) -> str:
    return MISSING if seconds is None else _small(seconds * 1000)


def _small(value: float) -> str:
    """Milliseconds, with a digit more where they are few: one unit a column can be compared by eye."""
    return f"{value:.3f}" if value < 0.9995 else digits(value)


def _or_missing(value: float | None, form: Callable[[float], str]) -> str:
    return MISSING if value is None else form(value)
