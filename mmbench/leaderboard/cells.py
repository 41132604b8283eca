"""A leaderboard's table as text for people: titles, headers and cells, before any format's own escaping."""

import math
from collections.abc import Container, Sequence

from mmbench.errors import join_names, printable
from mmbench.leaderboard.pareto import has_front, of_row
from mmbench.leaderboard.rank import score
from mmbench.leaderboard.recipe import differences, recipe_of, short
from mmbench.leaderboard.row import Row
from mmbench.leaderboard.sheet import Cell, Column, Note, Sheet
from mmbench.leaderboard.table import Table
from mmbench.record.schema import MetricValue, RunRecord

MISSING = "–"
SPEED = "samples/s"
FRONT = "front"
ON_FRONT = "★"
NAMED = 4  # models that a note names, before it only counts the others


def sheet(table: Table) -> Sheet:
    """All that a leaderboard tells of a table."""
    return Sheet(title(table), tuple(columns(table)), tuple(_notes(table)))


def columns(table: Table) -> list[Column]:
    """Every column of a table."""
    rows = table.rows
    found = [
        Column("rank", [Cell(str(row.rank)) for row in rows]),
        Column("model", [Cell(printable(row.label)) for row in rows], numeric=False),
        *([Column("seeds", [Cell(count(row.seeds)) for row in rows])] if table.over_seeds else []),
        *_metric_columns(table),
        Column(SPEED, [Cell(number(of_row(row, table.speed))) for row in rows], optional=True),
        *front_column(table),
        Column("parameters", [Cell(count(row.parameters)) for row in rows], optional=True),
        Column("peak memory", [Cell(size(row.peak_bytes)) for row in rows], optional=True),
    ]
    if any(row.failures for row in rows):
        found.append(Column("failures", [Cell(f"{row.failures:,}") for row in rows]))
    found.append(Column("date", [Cell(f"{row.created:%Y-%m-%d}") for row in rows], numeric=False, optional=True))
    return found


def title(table: Table) -> str:
    """Say what the runs of a table have in common."""
    first = "" if table.limit is None else "the first "
    data = f"{table.dataset} (revision {table.revision}), {table.split} split"
    protocol = "".join(f", {key} {value}" for key, value in table.protocol.items())
    altered = f", altered: {table.alteration}" if table.alteration else ""
    return printable(f"{table.task} on {data}, {first}{table.n:,} samples{protocol}{altered}")


def notes(table: Table, left_out: Container[str] = ()) -> list[str]:
    """Say what a reader must know to read the table, a paragraph each.

    Args:
        table: to be read.
        left_out: headers of columns that are not shown, about which nothing is said.
    """
    return sheet(table).told(left_out)


def _notes(table: Table) -> list[Note]:
    levels = {metric.level for row in table.rows for name, metric in row.metrics.items() if name in table.metrics}
    percent = " or ".join(f"{100 * level:g} %" for level in sorted(levels)) or "no"
    found = [
        f"Ranked by {printable(table.sort)}: 1 + the models whose interval lies wholly better. "
        f"In brackets: {percent} intervals{' of means over training seeds' if table.over_seeds else ''}."
    ]
    found += _seed_notes(table) if table.over_seeds else []
    if table.hidden:
        found.append(hidden_note(table))
    return [*map(Note, found), *cost_notes(table)]


def number(value: float | None) -> str:
    """Format a value with the digits that matter: 0.9978, 12.35, 1,234.6."""
    if value is None:
        return MISSING
    digits = 4 if abs(value) < 10 else 2 if abs(value) < 100 else 1
    return f"{value:,.{digits}f}"


def signed(value: float | None) -> str:
    """Format a difference as `number` does, with its sign."""
    text = number(None if value is None else value + 0.0)  # no negative zero
    return f"+{text}" if value is not None and value > 0 else text


def count(value: int | None) -> str:
    """Format a whole number: 106,173."""
    return MISSING if value is None else f"{value:,}"


def size(total: int | None) -> str:
    """Format bytes in decimal units: 12.3 MB, below 1 MB in kB."""
    if total is None:
        return MISSING
    value = total / 1e6
    if value < 1:
        return f"{value * 1000:.1f} kB"
    return f"{value:.1f} MB" if value < 1000 else f"{value / 1000:,.2f} GB"


def _seed_notes(table: Table) -> list[str]:
    found = [
        "Intervals (Student's t) and sd, the standard deviation over seeds, cover what the seed changes, "
        f"not the choice of test samples. {whose_costs(table.rows)}"
    ]
    shown = [row.metrics.get(name) for row in table.rows for name in table.metrics]
    if any(metric is not None and metric.low is None for metric in shown):
        found.append("No interval: a single run says nothing about the spread, nor do seeds that all gave one value.")
    if any(
        name not in row.metrics and name in run.metrics
        for row in table.rows
        for run in row.runs
        for name in table.metrics
    ):
        found.append(f"{MISSING} for a metric that some seeds have: without a value of each there is no mean.")
    return [*found, *recipe_notes(table)]


def whose_costs(rows: Sequence[Row]) -> str:
    """Say what the costs of rows of several runs are."""
    some = any(len(row.measured) < sum(run.cost is not None for run in row.runs) for row in rows)
    of = " of the runs with the most thorough cost passes" if some else ""
    return f"Costs are medians{of}."


def recipe_notes(table: Table) -> list[str]:
    """Say which models were made in several ways, in what these differ, and whose runs came of different code."""
    found = []
    by_model: dict[str, list[Row]] = {}
    for row in table.rows:
        by_model.setdefault(row.model, []).append(row)
    for model, rows in by_model.items():
        differ = ", ".join(map(short, differences([recipe_of(row.runs[-1]) for row in rows])))
        if differ:
            found.append(printable(f"{model} was made in {len(rows)} ways, which are not averaged: {differ} differ."))
    mixed = [row.label for row in table.rows if len(set(map(_code_of, row.runs))) > 1]
    if mixed:
        whose = "" if len(mixed) == len(table.rows) else f" of {join_names(mixed, NAMED)}"
        found.append(
            printable(
                f"Runs{whose} were evaluated at different commits or versions of mmbench or torch: what that changes "
                "counts as the seed's."
            )
        )
    return found


def _code_of(run: RunRecord) -> tuple[object, ...]:
    environment = run.environment
    return environment.git, *(environment.versions.get(name) for name in ("mmbench", "torch"))


def front_column(table: Table) -> list[Column]:
    """The mark of the Pareto front, where there is one."""
    if not has_front(table.rows):
        return []
    return [Column(FRONT, [Cell(ON_FRONT if row.pareto else "") for row in table.rows], numeric=False, optional=True)]


def cost_notes(table: Table) -> list[Note]:
    """Say how speeds were measured, and what the front is or why there is none."""
    found = []
    if any(of_row(row, table.speed) is not None for row in table.rows):
        found.append(Note(f"{SPEED}: {_what_speed(table)}.", about=SPEED))
    if has_front(table.rows):
        text = (
            f"{ON_FRONT}: on the Pareto front. No other row is at least as good in {printable(table.sort)} and in "
            f"{SPEED}, and better in one; by values, without their intervals."
        )
        found.append(Note(text, about=FRONT))
    if table.machines > 1:
        text = (
            f"Costs come from {table.machines} kinds of machine: compare {SPEED} and memory with care; "
            "no Pareto front is marked."
        )
        found.append(Note(text))
    if len(table.batch_sizes) > 1:
        text = (
            f"Speeds were measured at different batch sizes ({', '.join(f'{size:,}' for size in table.batch_sizes)}): "
            f"compare {SPEED} and memory with care; no Pareto front is marked."
        )
        found.append(Note(text))
    return found


def _what_speed(table: Table) -> str:
    if table.speed == "samples_per_s":
        return "of the pass that scored, decoding included"
    return f"of the model alone, batch size {' or '.join(map(str, table.batch_sizes))}"


def hidden_note(table: Table) -> str:
    """Say that there are runs which no row shows."""
    runs = "1 earlier run is" if table.hidden == 1 else f"{table.hidden} earlier runs are"
    each = "model and seed" if table.over_seeds else "model"
    also = ", and --seeds averages those of different training seeds" if table.hides_seeds else ""
    return f"{runs} not shown: of each {each} the latest is; `mmbench leaderboard --all` shows all{also}."


def _metric_columns(table: Table) -> list[Column]:
    """The metrics; over seeds the deviation of the one that ranks stands after it, or last if that is not shown."""
    found = [metric_column(name, table) for name in table.metrics]
    if table.over_seeds:
        cells = [Cell(number(row.deviations.get(table.sort))) for row in table.rows]
        place = table.metrics.index(table.sort) + 1 if table.sort in table.metrics else len(found)
        found.insert(place, Column(printable(f"{table.sort} sd"), cells))
    return found


def metric_column(name: str, table: Table) -> Column:
    """A metric of all rows with its intervals."""
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
