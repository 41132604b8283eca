"""Tables of comparable runs: same task, data set, revision, split and number of samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mmbench.errors import unknown_name
from mmbench.leaderboard.rank import ranks, score
from mmbench.record.schema import MetricValue, RunRecord


@dataclass(frozen=True, slots=True)
class Row:
    """One run. `samples_per_s` in samples/s; `failures` is the number of samples that could not be scored.

    Size and cost are `None` where the predictions were made elsewhere.
    """

    rank: int
    model: str
    run_id: str
    created: datetime
    metrics: Mapping[str, MetricValue]
    parameters: int | None
    samples_per_s: float | None
    peak_bytes: int | None
    failures: int


@dataclass(frozen=True, slots=True)
class Table:
    """Runs that can be compared.

    Attributes:
        task, dataset, revision, split, n, limit, protocol: what all runs have in common.
        main_metric: the metric that ranks models on this task.
        sort: the metric that ranks this table.
        metrics: names of the metrics to show, in order.
        machines: on how many kinds of machine (CPU, accelerators, threads) the costs were measured.
        hidden: earlier runs of models that are not shown.
        rows: best first.
    """

    task: str
    dataset: str
    revision: str
    split: str
    n: int
    limit: int | None
    protocol: Mapping[str, str]
    main_metric: str
    sort: str
    metrics: tuple[str, ...]
    machines: int
    hidden: int
    rows: tuple[Row, ...]


def build_tables(
    records: Sequence[RunRecord], *, metrics: Sequence[str] = (), sort: str | None = None, every_run: bool = False
) -> list[Table]:
    """Make one table of each comparable group, in the order of first appearance.

    Args:
        records: oldest first.
        metrics: show only these, in this order; all where empty.
        sort: rank by this metric; a table without it, and `None`, rank by the main metric.
        every_run: keep all runs of a model and not only its latest.

    Raises:
        UsageError: no record has such a metric.
    """
    known = {name for record in records for name in record.metrics}
    for name in (*metrics, *([sort] if sort else [])):
        if name not in known:
            raise unknown_name("metric in these records:", name, known)
    groups: dict[object, dict[str, RunRecord]] = {}
    runs: dict[object, set[str]] = {}
    for record in records:
        data = record.dataset
        protocol = tuple(sorted(_protocol(record).items()))
        key = (record.task, data.name, data.revision, data.split, data.n, data.limit, protocol)
        # The latest wins; a copy of a run counts once.
        groups.setdefault(key, {})[record.run_id if every_run else record.model.name] = record
        runs.setdefault(key, set()).add(record.run_id)
    return [_table(list(group.values()), metrics, sort, len(runs[key])) for key, group in groups.items()]


def _protocol(record: RunRecord) -> dict[str, str]:
    """How the metrics scored: numbers that were made in different ways do not compare."""
    found = record.settings.get("protocol")
    return {key: str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _table(records: Sequence[RunRecord], shown: Sequence[str], sort: str | None, runs: int) -> Table:
    latest = max(records, key=lambda record: record.created)
    found = dict.fromkeys([latest.main_metric, *(name for record in records for name in record.metrics)])
    by = sort if sort in found else latest.main_metric
    return Table(
        task=latest.task,
        dataset=latest.dataset.name,
        revision=latest.dataset.revision,
        split=latest.dataset.split,
        n=latest.dataset.n,
        limit=latest.dataset.limit,
        protocol=_protocol(latest),
        main_metric=latest.main_metric,
        sort=by,
        metrics=tuple(name for name in shown or found if name in found),
        machines=len({_machine(record) for record in records}),
        hidden=runs - len(records),
        rows=_rows(records, by),
    )


def _rows(records: Sequence[RunRecord], by: str) -> tuple[Row, ...]:
    places = ranks([record.model.name for record in records], [record.metrics.get(by) for record in records])
    rows = [_row(record, rank) for record, rank in zip(records, places, strict=True)]
    return tuple(sorted(rows, key=lambda row: (-score(row.metrics.get(by)), row.rank, row.model, row.run_id)))


def _row(record: RunRecord, rank: int) -> Row:
    return Row(
        rank=rank,
        model=record.model.name,
        run_id=record.run_id,
        created=record.created,
        metrics=record.metrics,
        parameters=record.model.parameters,
        samples_per_s=record.cost.throughput.samples_per_s if record.cost else None,
        peak_bytes=record.cost.memory.peak_bytes if record.cost else None,
        failures=len(record.failures),
    )


def _machine(record: RunRecord) -> tuple[object, ...]:
    here = record.environment
    return here.cpu, here.logical_cores, tuple(here.accelerators), here.threads
