"""Tables of comparable runs: same task, data set, revision, split and number of samples, altered alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mmbench.data.alteration import Alteration
from mmbench.errors import unknown_name
from mmbench.leaderboard.pareto import Speed, batch_sizes, mark_front, speed_shown
from mmbench.leaderboard.rank import ranks, score
from mmbench.leaderboard.recipe import Identity, Recipe, identity_of, names_apart, training_seed
from mmbench.leaderboard.row import Row, row_of
from mmbench.leaderboard.seeds import rows_over_seeds
from mmbench.record.schema import RunRecord

Show = Literal["latest", "all", "seeds"]
"""What becomes a row: the latest run of each model, every run, or each model over its training seeds."""


@dataclass(frozen=True, slots=True)
class Table:
    """Runs that can be compared.

    Attributes:
        task, dataset, revision, split, n, limit, protocol: what all runs have in common.
        alteration: what was done to the inputs of all, in words; empty where nothing was.
        main_metric: the metric that ranks models on this task.
        sort: the metric that ranks this table.
        metrics: names of the metrics to show, in order.
        machines: on how many kinds of machine (CPU, accelerators, threads, device of the run) the costs were measured.
        hidden: earlier runs of models that are not shown.
        hides_seeds: among them are models trained with another seed.
        over_seeds: rows are means over training seeds.
        speed: the attribute of rows that says how fast they are, the same for all; the front is found with it.
        batch_sizes: with which that speed was measured, ascending.
        rows: best first.
    """

    task: str
    dataset: str
    revision: str
    split: str
    n: int
    limit: int | None
    protocol: Mapping[str, str]
    alteration: str
    main_metric: str
    sort: str
    metrics: tuple[str, ...]
    machines: int
    hidden: int
    hides_seeds: bool
    over_seeds: bool
    speed: Speed
    batch_sizes: tuple[int, ...]
    rows: tuple[Row, ...]


def build_tables(
    records: Sequence[RunRecord], *, metrics: Sequence[str] = (), sort: str | None = None, show: Show = "latest"
) -> list[Table]:
    """Make one table of each comparable group, in the order of first appearance.

    Args:
        records: oldest first.
        metrics: show only these, in this order; all where empty.
        sort: rank by this metric; a table without it, and `None`, rank by the main metric.
        show: what becomes a row.

    Raises:
        UsageError: no record has such a metric.
    """
    known = {name for record in records for name in record.metrics}
    for name in (*metrics, *([sort] if sort else [])):
        if name not in known:
            raise unknown_name("metric in these records:", name, known)
    groups: dict[object, dict[str, RunRecord]] = {}
    for record in records:
        data = record.dataset
        protocol = tuple(sorted(_protocol(record).items()))
        key = (record.task, data.name, data.revision, data.split, data.n, data.limit, protocol, _alteration(record))
        groups.setdefault(key, {})[record.run_id] = record  # a copy of a run counts once
    return [_table(list(group.values()), metrics, sort, show) for group in groups.values()]


def _protocol(record: RunRecord) -> dict[str, str]:
    """How the metrics scored: numbers that were made in different ways do not compare."""
    found = record.settings.get("protocol")
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _alteration(record: RunRecord) -> str:
    """What was done to the inputs, with the seed where that matters."""
    return Alteration.from_json(record.settings.get("alteration")).title()


def _table(records: Sequence[RunRecord], shown: Sequence[str], sort: str | None, show: Show) -> Table:
    return table_of(_rows(records, show), records, shown, sort, over_seeds=show == "seeds")


def table_of(
    rows: Sequence[Row], records: Sequence[RunRecord], shown: Sequence[str], sort: str | None, *, over_seeds: bool
) -> Table:
    """The table of rows that were made from comparable records, ranked.

    Args:
        rows: what it shows.
        records: all that there are, those that no row shows included.
        shown: metrics to show; all where empty.
        sort: the metric that ranks; the main one where rows do not have it.
        over_seeds: rows are means over training seeds.
    """
    runs = [run for row in rows for run in row.runs]
    latest = max(runs, key=lambda run: run.created)
    found = dict.fromkeys([latest.main_metric, *(name for run in runs for name in run.metrics)])
    by = sort if sort in found else latest.main_metric
    machines = len({_machine(run) for row in rows for run in row.measured})
    speed = speed_shown(rows)
    sizes = batch_sizes(rows, speed)
    comparable = machines < 2 and len(sizes) < 2
    return Table(
        task=latest.task,
        dataset=latest.dataset.name,
        revision=latest.dataset.revision,
        split=latest.dataset.split,
        n=latest.dataset.n,
        limit=latest.dataset.limit,
        protocol=_protocol(latest),
        alteration=_alteration(latest),
        main_metric=latest.main_metric,
        sort=by,
        metrics=tuple(name for name in shown or found if name in found),
        machines=machines,
        hidden=len(records) - len(runs),
        hides_seeds=len(_seeds(records)) > len(_seeds(runs)),
        over_seeds=over_seeds,
        speed=speed,
        batch_sizes=sizes,
        rows=_ranked(mark_front(rows, by, speed) if comparable else rows, by),
    )


def _rows(records: Sequence[RunRecord], show: Show) -> list[Row]:
    if show == "seeds":
        return rows_over_seeds(records)
    chosen = records if show == "all" else {identity_of(record): record for record in records}.values()
    return _told_apart([row_of(record) for record in chosen])


def _told_apart(rows: Sequence[Row]) -> list[Row]:
    """Rows of different models with one name, as two folders of the same name have it, with what differs."""
    models: dict[str, dict[Identity, Recipe]] = {}
    for row in rows:
        identity = identity_of(row.runs[0])
        models.setdefault(row.model, {})[identity] = dict(identity.recipe)
    variants = {
        identity: variant
        for found in models.values()
        for identity, variant in zip(found, names_apart(list(found.values())), strict=True)
    }
    return [replace(row, variant=variants[identity_of(row.runs[0])]) for row in rows]


def _ranked(rows: Sequence[Row], by: str) -> tuple[Row, ...]:
    places = ranks([row.label for row in rows], [row.metrics.get(by) for row in rows])
    ranked = [replace(row, rank=rank) for row, rank in zip(rows, places, strict=True)]
    return tuple(sorted(ranked, key=lambda row: (-score(row.metrics.get(by)), row.rank, row.label, row.run_id)))


def _seeds(records: Sequence[RunRecord]) -> set[tuple[str, int]]:
    """Each model and seed with which it was trained."""
    found = ((record.model.name, training_seed(record)) for record in records)
    return {(model, seed) for model, seed in found if seed is not None}


def _machine(record: RunRecord) -> tuple[object, ...]:
    here = record.environment
    device = str(record.settings.get("device"))
    return here.cpu, here.logical_cores, tuple(here.accelerators), here.threads, device
