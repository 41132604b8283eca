"""From the journal to the table of samples, one row each, in data set order."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmbench.engine.journal import Entry
from mmbench.metrics.metric import Metric

_CHUNK = 256  # journal entries turned into Arrow at a time; Python objects cost ten times as much memory


def samples_table(entries: Iterable[Entry], metrics: Mapping[str, Metric]) -> pa.Table:
    """Columns: index, id, group, meta.KEY, target, prediction, NAME.COLUMN of each metric, and error.

    A sample that failed has its reason in `error` and nulls for what it lacks; it is there, and unscored.
    """
    chunks: list[pa.Table] = []
    rows: list[dict[str, Any]] = []
    for number, entry in enumerate(entries, start=1):
        rows += _rows(entry, metrics)
        if number % _CHUNK == 0:
            chunks.append(pa.Table.from_pylist(rows))
            rows = []
    chunks.append(pa.Table.from_pylist(rows))
    table = pa.concat_tables([chunk for chunk in chunks if chunk.num_rows] or chunks, promote_options="permissive")
    return table.sort_by("index") if table.num_rows else table


def metric_rows(table: pa.Table, metric: Metric) -> dict[str, NDArray[Any]]:
    """The rows of one metric as columns."""
    return {column: table[f"{metric.name}.{column}"].to_numpy() for column in metric.columns}


def scored(table: pa.Table) -> pa.Table:
    """Only the samples that were scored."""
    return table.filter(table["error"].is_null()) if "error" in table.column_names else table


def groups(table: pa.Table) -> NDArray[Any] | None:
    """The cluster of each sample, itself where it has none; `None` where no sample has one."""
    names = table["group"].to_numpy(zero_copy_only=False)
    if not any(name is not None for name in names):
        return None
    return np.array([own if own is not None else f"#{index}" for index, own in enumerate(names)], dtype=object)


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
