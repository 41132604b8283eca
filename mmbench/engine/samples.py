"""From the journal to the table of samples, one row each, in data set order."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmbench.engine.journal import Entry
from mmbench.engine.loader import Failure
from mmbench.metrics.metric import Metric

_CHUNK = 8192  # rows turned into Arrow at a time; as Python objects they cost ten times as much memory


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a journal holds.

    Attributes:
        table: one row a sample, in data set order, with the columns index, id, group, meta.KEY, target, prediction,
            NAME.COLUMN for each metric, and error. A sample that failed has its reason in `error` and nulls for what
            it lacks: it is there, and unscored.
        failures: the samples that failed, in data set order.
        batch_s: seconds of each batch, in the order in which they ran.
    """

    table: pa.Table
    failures: list[Failure]
    batch_s: list[float]


def read_outcome(entries: Iterable[Entry], metrics: Mapping[str, Metric]) -> Outcome:
    """Read a journal once, turning it into Arrow bit by bit."""
    chunks: list[pa.Table] = []
    rows: list[dict[str, Any]] = []
    failures: list[Failure] = []
    batch_s: list[float] = []
    for entry in entries:
        rows += _rows(entry, metrics)
        failures += [Failure(*failure) for failure in entry["failures"]]
        batch_s.append(entry["seconds"])
        if len(rows) >= _CHUNK:
            chunks.append(_table(rows))
            rows = []
    chunks.append(_table(rows))
    whole = pa.concat_tables([chunk for chunk in chunks if chunk.num_rows], promote_options="permissive")
    return Outcome(whole.sort_by("index"), sorted(failures, key=lambda failure: failure.index), batch_s)


def metric_rows(table: pa.Table, metric: Metric) -> dict[str, NDArray[Any]]:
    """The rows of one metric as columns."""
    return {column: table[f"{metric.name}.{column}"].to_numpy() for column in metric.columns}


def scored(table: pa.Table) -> pa.Table:
    """Only the samples that were scored."""
    return table.filter(table["error"].is_null())


def groups(table: pa.Table) -> NDArray[Any] | None:
    """The cluster of each sample, itself where it has none; `None` where no sample has one."""
    names = table["group"].to_numpy(zero_copy_only=False)
    if not any(name is not None for name in names):
        return None
    return np.array([own if own is not None else f"#{index}" for index, own in enumerate(names)], dtype=object)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """Every key of any row becomes a column; `pa.Table.from_pylist` would take those of the first row only."""
    columns = dict.fromkeys(key for row in rows for key in row)
    return pa.table({column: [row.get(column) for row in rows] for column in columns})


def _rows(entry: Entry, metrics: Mapping[str, Metric]) -> list[dict[str, Any]]:
    found = []
    for position, index in enumerate(entry["index"]):
        row = {
            "index": index,
            "id": entry["id"][position],
            "group": entry["group"][position],
            **{f"meta.{key}": value for key, value in entry["meta"][position].items()},
            "target": entry["target"][position],
            "prediction": entry["prediction"][position],
            "error": None,
        }
        for name, metric in metrics.items():
            values = entry["rows"][name][position]
            row |= {f"{name}.{column}": value for column, value in zip(metric.columns, values, strict=True)}
        found.append(row)
    for index, sample_id, stage, reason in entry["failures"]:
        found.append({"index": index, "id": sample_id, "error": f"{stage}: {reason}"})
    return found
