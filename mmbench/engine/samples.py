"""From the journal to the table of samples, one row each, in data set order."""

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmbench.engine.journal import Entry
from mmbench.engine.loader import Failure
from mmbench.errors import HarnessError
from mmbench.metrics.metric import ERROR, Metric, families
from mmbench.profile.usage import Usage

SCORES = "scores"
"""The column of log-probabilities of all labels, up to a constant, float32 [C]; null for a sample that failed."""

LABELS = b"labels"
"""Where the schema's metadata names the C labels, as a JSON list."""

_CHUNK = 8192  # rows turned into Arrow at a time; as Python objects they cost ten times as much memory


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a journal holds.

    Attributes:
        table: one row a sample, in data set order, with the columns index, id, group, meta.KEY, target, duration (if
            any has one), prediction, scores (if they were kept), PREFIX.COLUMN for each family of metrics, and error.
            A sample that failed has its reason in `error` and nulls for what it lacks: it is there, and unscored.
        failures: the samples that failed, in data set order.
        batch_s: seconds of each batch, in the order in which they ran.
        usage: of a model that answers on another machine, of all processes that wrote the journal.
    """

    table: pa.Table
    failures: list[Failure]
    batch_s: list[float]
    usage: Usage | None = None


def read_outcome(entries: Iterable[Entry], metrics: Mapping[str, Metric]) -> Outcome:
    """Read a journal once, turning it into Arrow bit by bit, and finish the rows of every family.

    Raises:
        HarnessError: scores were kept, and not all are of the same labels.
    """
    chunks: list[pa.Table] = []
    rows: list[dict[str, Any]] = []
    failures: list[Failure] = []
    batch_s: list[float] = []
    makers = families(metrics)
    labels: list[str] | None = None
    usages: list[Usage] = []
    for entry in entries:
        labels = _same_labels(labels, entry.get("labels"))
        rows += _rows(entry, makers)
        failures += [Failure(*failure) for failure in entry["failures"]]
        batch_s.append(entry["seconds"])
        usages += [Usage(**entry["usage"])] if "usage" in entry else []
        if len(rows) >= _CHUNK:
            chunks.append(_table(rows))
            rows = []
    chunks.append(_table(rows))
    whole = pa.concat_tables([chunk for chunk in chunks if chunk.num_rows], promote_options="permissive")
    table, unscored = finish(whole.sort_by("index"), metrics)
    if labels is not None:
        table = table.replace_schema_metadata({LABELS: json.dumps(labels)})
    failures = sorted([*failures, *unscored], key=lambda failure: failure.index)
    return Outcome(table, failures, batch_s, reduce(Usage.plus, usages) if usages else None)


def finish(table: pa.Table, metrics: Mapping[str, Metric]) -> tuple[pa.Table, list[Failure]]:
    """The table with the finished rows of every family, and the samples that turn out not to be scorable."""
    failures: dict[int, Failure] = {}
    for prefix, metric in families(metrics).items():
        if type(metric).finish is Metric.finish or not scored(table).num_rows:
            continue
        done = np.flatnonzero(table["error"].is_null().to_numpy())
        finished = dict(metric.finish(metric_rows(scored(table), metric)))
        for position, reason in zip(done, finished.pop(ERROR, ()), strict=False):
            if reason is not None:
                index, name = table["index"][position].as_py(), table["id"][position].as_py()
                failures.setdefault(index, Failure(index, name, "score", str(reason)))
        table = table.drop_columns([name for name in table.column_names if name.startswith(f"{prefix}.")])
        for column, values in finished.items():
            placed = np.empty(table.num_rows, dtype=object)
            placed[done] = values
            table = table.append_column(f"{prefix}.{column}", pa.array(placed, from_pandas=False))
    if failures:
        reasons = [
            f"score: {failures[index].reason}" if index in failures else reason
            for index, reason in zip(table["index"].to_pylist(), table["error"].to_pylist(), strict=True)
        ]
        table = table.set_column(table.column_names.index("error"), "error", pa.array(reasons, pa.string()))
    return table, list(failures.values())


def metric_rows(table: pa.Table, metric: Metric) -> dict[str, NDArray[Any]]:
    """The rows of one metric as columns."""
    prefix = f"{metric.prefix}."
    names = [name for name in table.column_names if name.startswith(prefix)]
    return {name.removeprefix(prefix): table[name].to_numpy() for name in names}


def scored(table: pa.Table) -> pa.Table:
    """Only the samples that were scored."""
    return table.filter(table["error"].is_null())


def groups(table: pa.Table) -> NDArray[Any] | None:
    """The cluster of each sample, `None` for one that stands alone; `None` where all do."""
    names = np.asarray(table["group"].to_pylist(), dtype=object)
    return names if any(name is not None for name in names) else None


def _same_labels(labels: list[str] | None, here: list[str] | None) -> list[str] | None:
    """The labels of kept scores, which a batch without any does not tell."""
    if labels is not None and here is not None and labels != here:
        raise HarnessError("the model gave scores of other labels in different batches, which cannot be kept")
    return here if labels is None else labels


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    """Every key of any row becomes a column; `pa.Table.from_pylist` would take those of the first row only."""
    columns = dict.fromkeys(key for row in rows for key in row)
    return pa.table({column: [row.get(column) for row in rows] for column in columns})


def _rows(entry: Entry, makers: Mapping[str, Metric]) -> list[dict[str, Any]]:
    found = []
    for position, index in enumerate(entry["index"]):
        duration = entry["duration"][position]
        row = {
            "index": index,
            "id": entry["id"][position],
            "group": entry["group"][position],
            **{f"meta.{key}": value for key, value in entry["meta"][position].items()},
            "target": entry["target"][position],
            **({} if duration is None else {"duration": duration}),
            "prediction": entry["prediction"][position],
            "error": None,
        }
        if "scores" in entry:
            row[SCORES] = np.frombuffer(base64.b64decode(entry["scores"][position]), dtype="<f4")
        for prefix, metric in makers.items():
            values = entry["rows"][prefix][position]
            row |= {f"{prefix}.{column}": value for column, value in zip(metric.columns, values, strict=True)}
        found.append(row)
    for index, sample_id, stage, reason in entry["failures"]:
        found.append({"index": index, "id": sample_id, "error": f"{stage}: {reason}"})
    return found
