"""Stored runs as a comparison reads them: found by path, checked to be of one kind, samples in one order."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mmbench.data.alteration import Alteration
from mmbench.errors import UsageError, printable
from mmbench.metrics.metric import Columns, Metric
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store

IDENTITY = ("id", "group", "error")
"""Columns of samples that every comparison needs."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A record and where its samples are.

    Attributes:
        record: of the run.
        place: its file or folder, or what it was made of.
        samples: gives the table of samples, with at least the columns of which it says that they are wanted.
    """

    record: RunRecord
    place: str
    samples: Callable[[Callable[[str], bool]], pa.Table]

    @property
    def called(self) -> str:
        """For errors: the model and where it is."""
        return printable(f"{self.record.model.name} ({self.place})")


@dataclass(frozen=True, slots=True)
class MetricRows:
    """One metric of several runs of the same samples, all in the order of the first run.

    Attributes:
        rows: by id of the run, finished rows of all n samples; what stands where a sample was not scored means nothing.
        scored: by id of the run, the samples that were scored, [n].
        selected: by id of the run, those of the scored that the metric is about, [n].
        groups: cluster of each sample, [n]; `None` where each stands alone.
    """

    rows: dict[str, Columns]
    scored: dict[str, NDArray[np.bool_]]
    selected: dict[str, NDArray[np.bool_]]
    groups: NDArray[Any] | None


def find_runs(paths: Sequence[Path]) -> list[StoredRun]:
    """The runs at or below each path, in that order; of one path the oldest first.

    Raises:
        UsageError: a path or what lies there is no record, there is no record, or a run is there twice.
    """
    places: dict[str, Path] = {}
    found = []
    for path in paths:
        store = Store(path)
        here = store.find([path])
        if not here:
            raise UsageError(f"no run records in {path}; expected a run's folder, a record.json, or a folder of runs")
        for file, record in here:
            if record.run_id in places:
                raise UsageError(f"run {record.run_id} is given twice: {places[record.run_id]} and {file}")
            places[record.run_id] = file
            found.append(StoredRun(record, str(file.parent), partial(store.load_samples, file)))
    return found


def check_comparable(runs: Sequence[StoredRun], metric: Metric) -> None:
    """Refuse runs that do not ask the same of the same samples, or score it in different ways.

    Raises:
        UsageError: says what differs, both values, and which runs.
    """
    first = runs[0]
    for run in runs[1:]:
        for what, ours, theirs in _conditions(first.record, run.record, metric):
            if ours != theirs:
                raise UsageError(
                    f"these runs cannot be compared, their {what} differs: {ours or 'none'} in {first.called}, "
                    f"{theirs or 'none'} in {run.called}"
                )


def _conditions(first: RunRecord, second: RunRecord, metric: Metric) -> Iterable[tuple[str, str, str]]:
    """What two runs must share, and what each has, as text."""
    for what in ("task", "data set", "revision", "split", "limit", "number of samples", "alteration"):
        yield what, _common(first)[what], _common(second)[what]
    one, other = (_mapping(record.settings.get("protocol")) for record in (first, second))
    for key in dict.fromkeys([*one, *other]):
        if key in metric.options or (key in one and key in other):  # other options are of metrics that one lacks
            yield f"protocol ({key})", one.get(key, ""), other.get(key, "")
    one, other = (
        _mapping(_mapping_of_any(record.settings.get("metrics")).get(metric.name)) for record in (first, second)
    )
    for key in dict.fromkeys([*one, *other]) if one and other else ():
        yield f"setting {key} of {metric.name}", one.get(key, ""), other.get(key, "")


def _common(record: RunRecord) -> dict[str, str]:
    data = record.dataset
    return {
        "task": record.task,
        "data set": data.name,
        "revision": data.revision,
        "split": data.split,
        "limit": "" if data.limit is None else f"{data.limit:,}",
        "number of samples": f"{data.n:,}",
        "alteration": Alteration.from_json(record.settings.get("alteration")).title(),
    }


def _mapping_of_any(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mapping(value: object) -> dict[str, str]:
    return {key: str(each) for key, each in _mapping_of_any(value).items()}


def read_rows(runs: Sequence[StoredRun], metric: Metric) -> MetricRows:
    """The rows of one metric in all runs.

    Raises:
        UsageError: a run has no samples, other samples than the first, or not this metric's rows.
    """
    prefix = f"{metric.prefix}."
    aligned = Aligned()
    found = MetricRows({}, {}, {}, None)
    clusters: NDArray[Any] | None = None
    for run in runs:
        table = aligned.read(run, lambda name: name.startswith(prefix))
        columns = {
            name.removeprefix(prefix): table[name].to_numpy() for name in table.column_names if name.startswith(prefix)
        }
        if not columns:
            raise UsageError(f"{run.called} has no samples scored by {metric.name}")
        scored = table["error"].is_null().to_numpy()
        chosen = scored.copy()
        about = metric.selected({name: values[scored] for name, values in columns.items()})
        if about is not None:
            chosen[scored] = about
        name = run.record.run_id
        found.rows[name], found.scored[name], found.selected[name] = columns, scored, chosen
        clusters = _filled(clusters, table)
    return MetricRows(found.rows, found.scored, found.selected, clusters)


class Aligned:
    """Reads runs' samples in the order that the first run has."""

    def __init__(self) -> None:
        self._first: StoredRun | None = None
        self._ids: pa.ChunkedArray | None = None

    def read(self, run: StoredRun, wanted: Callable[[str], bool]) -> pa.Table:
        """Its samples: the columns of `IDENTITY`, and those wanted.

        Raises:
            UsageError: the run has other samples than the first that was read, or one of them twice.
        """
        table = run.samples(lambda name: name in IDENTITY or wanted(name))
        missing = [name for name in IDENTITY if name not in table.column_names]
        if missing:
            raise UsageError(f"{run.called}: its samples have no column {missing[0]!r}")
        if self._first is None or self._ids is None:
            if pc.count_distinct(table["id"]).as_py() < table.num_rows:
                raise UsageError(f"{run.called}: an id stands for several samples, so they cannot be paired")
            self._first, self._ids = run, table["id"]
            return table
        if table["id"].equals(self._ids):
            return table
        places = pc.index_in(self._ids, table["id"].combine_chunks())
        if places.null_count or table.num_rows != len(self._ids):
            alone = (
                pc.filter(self._ids, places.is_null()).to_pylist()
                if places.null_count
                else [pc.filter(table["id"], pc.invert(pc.is_in(table["id"], self._ids.combine_chunks())))[0].as_py()]
            )
            has, lacks = (self._first, run) if places.null_count else (run, self._first)
            raise UsageError(
                f"{self._first.called} and {run.called} have different samples: "
                f"{alone[0]!r} is in {has.called} and not in {lacks.called}"
            )
        return table.take(places)


def _filled(clusters: NDArray[Any] | None, table: pa.Table) -> NDArray[Any] | None:
    """Clusters by sample, as far as any run tells: a sample that failed has none in its run."""
    if clusters is not None and (clusters != None).all():  # noqa: E711  # of each element
        return clusters
    here = np.asarray(table["group"].to_pylist(), dtype=object)
    if clusters is not None:
        here = np.where(here == None, clusters, here)  # noqa: E711
    return here
