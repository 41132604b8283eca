"""A table as text for people: titles, headers and cells, before any format's own escaping."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmbench.errors import printable
from mmbench.leaderboard.rank import score
from mmbench.leaderboard.table import Table
from mmbench.record.schema import MetricValue

MISSING = "–"


@dataclass(frozen=True, slots=True)
class Cell:
    """`text` with an optional interval after it; `best` where no row has a better value."""

    text: str
    interval: str = ""
    best: bool = False

    def __str__(self) -> str:
        return f"{self.text} {self.interval}" if self.interval else self.text


@dataclass(frozen=True, slots=True)
class Column:
    """`optional` columns may be left out where space is short, the last first."""

    header: str
    cells: Sequence[Cell]
    numeric: bool = True
    optional: bool = False


def columns(table: Table) -> list[Column]:
    """Every column of a table."""
    rows = table.rows
    found = [
        Column("rank", [Cell(str(row.rank)) for row in rows]),
        Column("model", [Cell(printable(row.model)) for row in rows], numeric=False),
        *(_metric_column(name, table) for name in table.metrics),
        Column("samples/s", [Cell(number(row.samples_per_s)) for row in rows], optional=True),
        Column("parameters", [Cell(count(row.parameters)) for row in rows], optional=True),
        Column("peak memory", [Cell(size(row.peak_bytes)) for row in rows], optional=True),
    ]
    if any(row.failures for row in rows):
        found.append(Column("failures", [Cell(f"{row.failures:,}") for row in rows]))
    found.append(Column("date", [Cell(f"{row.created:%Y-%m-%d}") for row in rows], numeric=False, optional=True))
    return found


def title(table: Table) -> str:
    """Say what the runs of a table have in common."""
    limited = "" if table.limit is None else f", limited to {table.limit:,}"
    data = f"{table.dataset} (revision {table.revision}), {table.split} split"
    protocol = "".join(f", {key} {value}" for key, value in table.protocol.items())
    return printable(f"{table.task} on {data}, {table.n:,} samples{limited}{protocol}")


def notes(table: Table) -> list[str]:
    """Say what a reader must know to read the table, a paragraph each."""
    levels = {metric.level for row in table.rows for name, metric in row.metrics.items() if name in table.metrics}
    percent = " or ".join(f"{100 * level:g} %" for level in sorted(levels)) or "no"
    found = [
        f"Ranked by {printable(table.sort)}: 1 + the models whose interval lies wholly better. "
        f"In brackets: {percent} intervals."
    ]
    if table.hidden:
        earlier = "1 earlier run is" if table.hidden == 1 else f"{table.hidden} earlier runs are"
        found.append(f"{earlier} not shown: of each model the latest is; `mmbench leaderboard --all` shows all.")
    if table.machines > 1:
        found.append(f"Costs come from {table.machines} kinds of machine: compare samples/s and memory with care.")
    return found


def number(value: float | None) -> str:
    """Format a value with the digits that matter: 0.9978, 12.35, 1,234.6."""
    if value is None:
        return MISSING
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{value:,.{digits}f}"


def count(value: int | None) -> str:
    """Format a whole number: 106,173."""
    return MISSING if value is None else f"{value:,}"


def size(total: int | None) -> str:
    """Format bytes in decimal units: 12.3 MB."""
    if total is None:
        return MISSING
    value = total / 1e6
    return f"{value:.1f} MB" if value < 1000 else f"{value / 1000:,.2f} GB"


def _metric_column(name: str, table: Table) -> Column:
    metrics = [row.metrics.get(name) for row in table.rows]
    scores = [score(metric) for metric in metrics]
    values = {value for value in scores if math.isfinite(value)}
    judges = any(metric.higher_is_better is not None for metric in metrics if metric)
    best = max(values) if judges and len(values) > 1 else None  # where all are equal, nothing stands out
    cells = [_metric_cell(metric, value == best) for metric, value in zip(metrics, scores, strict=True)]
    return Column(printable(name), cells, optional=name != table.sort)


def _metric_cell(metric: MetricValue | None, best: bool) -> Cell:
    if metric is None or metric.value is None:
        return Cell(MISSING)
    known = metric.low is not None and metric.high is not None
    interval = f"[{number(metric.low)}, {number(metric.high)}]" if known else ""
    return Cell(number(metric.value), interval, best)
