"""From stored runs to a comparison: rows over seeds, paired differences, gains over single modalities."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mmbench.errors import UsageError, unknown_name
from mmbench.leaderboard.comparison import Comparison, Entry, Gap, reads
from mmbench.leaderboard.gaps import gaps
from mmbench.leaderboard.rank import score
from mmbench.leaderboard.recipe import Recipe, recipe_of, training_seed
from mmbench.leaderboard.row import Row, row_of
from mmbench.leaderboard.seeds import rows_over_seeds
from mmbench.leaderboard.stored_run import StoredRun, check_comparable, read_rows
from mmbench.leaderboard.table import table_of
from mmbench.metrics.load import load_metric
from mmbench.metrics.metric import Metric
from mmbench.record.schema import RunRecord
from mmbench.stats.holm import holm

if TYPE_CHECKING:
    from mmbench.engine.combination import Combination


def compare_runs(
    runs: Sequence[StoredRun],
    *,
    metric: str | None = None,
    baseline: str | None = None,
    every_run: bool = False,
    combinations: "Sequence[Combination]" = (),
    members: Sequence[str] = (),
) -> Comparison:
    """Compare models by one metric.

    Args:
        runs: of the same task and samples; of each model, recipe and seed the latest counts.
        metric: by which; the main one of the first run if `None`.
        baseline: label or model of the row that the others are compared with; that of the first run if `None`.
        every_run: each run is a row of its own.
        combinations: ensembles to be added as rows.
        members: labels or models of the rows that they are made of; all if empty.

    Raises:
        UsageError: the runs cannot be compared (says what differs), are of one row only, or a name is unknown.
    """
    chosen = _metric(runs, metric)
    check_comparable(runs, chosen)
    rows = _rows(runs, every_run)
    made: tuple[tuple[str, str], ...] = ()
    if combinations:
        from mmbench.leaderboard.ensemble_rows import ensemble_rows  # noqa: PLC0415  # it imports torch

        together = [find_row(rows, name, "member") for name in members] or rows
        more, made = ensemble_rows(combinations, together, runs, chosen)
        runs = [*runs, *(run for _, own in more for run in own)]
        rows = [*rows, *(row for row, _ in more)]
    if len(rows) < 2:
        raise UsageError(
            f"there is nothing to compare {rows[0].label} with: {_only(rows[0])}; --all makes a row of each run"
            if len(runs) > 1
            else f"there is nothing to compare {rows[0].label} with: it is the only run"
        )
    base = find_row(rows, baseline, "baseline") if baseline is not None else _row_with(rows, runs[0])
    return _comparison(rows, base, runs, chosen, made)


def find_row(rows: Sequence[Row], name: str, kind: str) -> Row:
    """The row of that label, or of that model if it has one row only.

    Raises:
        UsageError: there is none (says the nearest), or several.
    """
    found = [row for row in rows if row.label == name] or [row for row in rows if row.model == name]
    if not found:
        raise unknown_name(f"{kind}, which none of the compared rows is:", name, {row.label for row in rows})
    if len(found) > 1:
        raise UsageError(f"{kind} {name!r} is one of several rows; give one of {', '.join(r.label for r in found)}")
    return found[0]


def _metric(runs: Sequence[StoredRun], name: str | None) -> Metric:
    """The metric with the options that the first run's record tells; it must be in every record."""
    wanted = name or runs[0].record.main_metric
    having = {each for run in runs for each in run.record.metrics}
    kind = None if wanted not in having and ":" not in wanted else load_metric(wanted)  # a script has a path, a:b.py
    if kind is None or kind.name not in having:
        raise unknown_name("metric in these records:", kind.name if kind else wanted, having)
    for run in runs:
        if kind.name not in run.record.metrics:
            raise UsageError(f"{run.called} has no {kind.name}; it has {', '.join(run.record.metrics)}")
    settings = runs[0].record.settings
    told = {**_mapping(settings.get("protocol")), **_mapping(_mapping(settings.get("metrics")).get(kind.name))}
    return kind(**{key: str(value) for key, value in told.items() if key in kind.options})


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _rows(runs: Sequence[StoredRun], every_run: bool) -> list[Row]:
    """Rows in the order in which their runs were given, with the intervals that records have where a row is one run."""
    records = [run.record for run in runs]
    if every_run:
        return _told_apart([row_of(record) for record in records])
    place = {record.run_id: number for number, record in enumerate(records)}
    oldest_first = sorted(records, key=lambda record: (record.created, record.run_id))
    rows = sorted(rows_over_seeds(oldest_first), key=lambda row: min(place[run.run_id] for run in row.runs))
    return [row if len(row.runs) > 1 else replace(row, metrics=row.runs[0].metrics, deviations={}) for row in rows]


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """Several runs of a model by their seed, or else by their id."""
    models = Counter(row.model for row in rows)
    seeds = Counter((row.model, training_seed(row.runs[0])) for row in rows)
    found = []
    for row in rows:
        seed = training_seed(row.runs[0])
        alone = seed is not None and seeds[row.model, seed] == 1
        name = "" if models[row.model] == 1 else f"seed={seed}" if alone else row.run_id
        found.append(replace(row, variant=name))
    return found


def _only(row: Row) -> str:
    count = len(row.runs)
    return "all runs are of this model and seed" if count == 1 else f"all runs are its {count} training seeds"


def _row_with(rows: Sequence[Row], run: StoredRun) -> Row:
    """The row that shows a run, or a later one of the same model, recipe and seed."""
    for row in rows:
        if any(each.run_id == run.record.run_id for each in row.runs):
            return row
    wanted = _identity(run.record)
    return next(row for row in rows if wanted in map(_identity, row.runs))


def _identity(record: RunRecord) -> tuple[str, int | None, Recipe]:
    """Of two runs for which it is equal a row over seeds shows the later one."""
    return record.model.name, training_seed(record), recipe_of(record)


def _comparison(
    rows: Sequence[Row], base: Row, runs: Sequence[StoredRun], metric: Metric, made: tuple[tuple[str, str], ...]
) -> Comparison:
    shown = {run.run_id for row in rows for run in row.runs}
    read = read_rows([run for run in runs if run.record.run_id in shown], metric)
    several = any(len(row.runs) > 1 for row in rows)
    table = table_of(rows, [run.record for run in runs], [metric.name], metric.name, over_seeds=several)
    to_base = _corrected(gaps([row for row in rows if row is not base], base, read, metric))
    single = _best_single(rows, metric.name)
    fused = [row for row in rows if len(reads(row) or ()) > 1]
    gains: Mapping[str, Gap] = {}
    if single is base:
        gains = {row.label: replace(to_base[row.label], p_holm=None) for row in fused}
    elif single is not None:
        gains = gaps(fused, single, read, metric, test=False)
    entries = tuple(Entry(row, to_base.get(row.label), gains.get(row.label)) for row in table.rows)
    return Comparison(table, entries, base.label, single.label if single is not None else None, made)


def _corrected(found: Mapping[str, Gap]) -> dict[str, Gap]:
    """The gaps with their p-values corrected for how many there are."""
    p_values = holm([gap.difference.p_value if gap.difference is not None else None for gap in found.values()])
    return {label: replace(gap, p_holm=p) for (label, gap), p in zip(found.items(), p_values, strict=True)}


def _best_single(rows: Sequence[Row], metric: str) -> Row | None:
    """The row with the best value of those that read exactly one modality."""
    alone = [row for row in rows if len(reads(row) or ()) == 1]
    return max(alone, key=lambda row: score(row.metrics.get(metric)), default=None)
