"""Series over time as people read them: a line each, with a curve of letters, and the changes of level below."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmbench.errors import printable
from mmbench.gate.trend import Series
from mmbench.gate.words import amount_text, share
from mmbench.leaderboard.cells import MISSING
from mmbench.stats.change_points import FEWEST

_BARS = "▁▂▃▄▅▆▇█"
_CURVE = 24  # letters of a curve
_SHORTEST = 2 * FEWEST


def print_trend(found: Sequence[Series], console: Console) -> None:
    """Print a table for each workload."""
    for workload in dict.fromkeys(series.workload for series in found):
        own = [series for series in found if series.workload == workload]
        console.print(f"[bold]{escape(printable(workload))}[/]", soft_wrap=True)
        console.print(_table(own))
        for line in _changes(own):
            console.print(escape(printable(line)), soft_wrap=True)
        if any(len(series.points) < _SHORTEST for series in own):
            console.print(f"[dim]{MISSING}: a change of level shows from {_SHORTEST} points on[/]")
        console.print()


def _table(found: Sequence[Series]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for header in ("n", "first", "last", "changes"):
        table.add_column(header, justify="right")
    table.add_column("over time")
    for series in found:
        values = [point.value for point in series.points]
        table.add_row(
            escape(printable(series.metric)),
            f"{len(values):,}",
            amount_text(series.unit, values[0]),
            amount_text(series.unit, values[-1]),
            f"{len(series.changes)}" if len(values) >= _SHORTEST else MISSING,
            _curve(values),
        )
    return table


def _curve(values: Sequence[float]) -> str:
    """The latest values, from the lowest to the highest bar."""
    shown = values[-_CURVE:]
    low, high = min(shown), max(shown)
    steps = [0 if high == low else round((value - low) / (high - low) * (len(_BARS) - 1)) for value in shown]
    return "".join(_BARS[step] for step in steps)


def _changes(found: Sequence[Series]) -> list[str]:
    lines = []
    for series in found:
        for change in series.changes:
            point = series.points[change.index]
            before, after = (amount_text(series.unit, value) for value in (change.before, change.after))
            by = f" ({share(change.after / change.before - 1, '+')})" if change.before else ""
            lines.append(
                f"{series.metric}: {before} to {after}{by} at {point.label}, {point.time:%Y-%m-%d} "
                f"(p = {change.p_value:.3f})"
            )
    return lines
