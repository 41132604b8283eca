"""Tables for programs: JSON, CSV and a pandas frame, with the numbers as they were recorded."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mmbench.leaderboard.recipe import training_seed
from mmbench.leaderboard.row import Row
from mmbench.leaderboard.table import Table
from mmbench.record.schema import MetricValue, RunRecord


def to_dict(tables: Sequence[Table]) -> dict[str, Any]:
    """Make JSON values: `{"tables": [{task, dataset, ..., rows: [{rank, model, ...}]}]}`."""
    return {
        "tables": [{**table_values(table), "rows": [row_values(row, table) for row in table.rows]} for table in tables]
    }


def to_json(tables: Sequence[Table]) -> str:
    """Write `to_dict` as text."""
    return json.dumps(to_dict(tables), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """Make one row a run over all tables; each metric as `NAME`, `NAME_low` and `NAME_high`.

    Over seeds there are `variant`, the number of `seeds` and the standard deviation of each metric, `NAME_sd`, too.
    """
    return as_frame([{**table_values(table), **flat_values(row, table)} for table in tables for row in table.rows])


def as_frame(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a frame of flat rows."""
    frame = pd.DataFrame(rows)
    # Nullable types, so that integers stay integers, and a front that is not known is not taken for "no".
    kinds = dict.fromkeys(("limit", "parameters", "peak_bytes", "seeds"), "Int64") | {"pareto": "boolean"}
    return frame.astype({name: kind for name, kind in kinds.items() if name in frame.columns})


def to_csv(tables: Sequence[Table]) -> str:
    """Write `to_frame` as text; a missing value is an empty field."""
    return str(to_frame(tables).to_csv(index=False, lineterminator="\n"))


def table_values(table: Table) -> dict[str, Any]:
    """What all rows of a table have in common."""
    return {
        "task": table.task,
        "dataset": table.dataset,
        "revision": table.revision,
        "split": table.split,
        "n": table.n,
        "limit": table.limit,
        "protocol": ", ".join(f"{key} {value}" for key, value in table.protocol.items()),
        "alteration": table.alteration,
        "main_metric": table.main_metric,
        "sort": table.sort,
        "speed": table.speed,
    }


def _time(record: Row | RunRecord) -> str:
    return record.created.isoformat().replace("+00:00", "Z")  # as in record.json


def _identity(row: Row, table: Table) -> dict[str, Any]:
    variant = {"variant": row.variant} if table.over_seeds else {}
    return {"rank": row.rank, "model": row.model, **variant, "run_id": row.run_id, "created": _time(row)}


def _cost(row: Row) -> dict[str, Any]:
    return {
        "parameters": row.parameters,
        "samples_per_s": row.samples_per_s,
        "model_samples_per_s": row.model_samples_per_s,
        "pareto": row.pareto,
        "peak_bytes": row.peak_bytes,
        "failures": row.failures,
    }


def row_values(row: Row, table: Table) -> dict[str, Any]:
    """One row as JSON values."""
    return {
        **_identity(row, table),
        "metrics": _metrics(row.metrics, table),
        **(_over_seeds(row, table) if table.over_seeds else {}),
        **_cost(row),
    }


def _metrics(metrics: Mapping[str, MetricValue], table: Table) -> dict[str, Any]:
    return {name: metrics[name].model_dump() for name in table.metrics if name in metrics}


def _over_seeds(row: Row, table: Table) -> dict[str, Any]:
    return {
        "deviations": {name: row.deviations.get(name) for name in table.metrics if name in row.metrics},
        "seeds": [
            {
                "seed": training_seed(run),
                "run_id": run.run_id,
                "created": _time(run),
                "metrics": _metrics(run.metrics, table),
            }
            for run in row.runs
        ],
    }


def flat_values(row: Row, table: Table) -> dict[str, Any]:
    """One row without nesting, as a line of CSV."""
    found: dict[str, Any] = {"seeds": row.seeds} if table.over_seeds else {}
    for name in table.metrics:
        metric = row.metrics.get(name)
        found[name] = metric.value if metric else None
        found[f"{name}_low"] = metric.low if metric else None
        found[f"{name}_high"] = metric.high if metric else None
        if table.over_seeds:
            found[f"{name}_sd"] = row.deviations.get(name)
    return {**_identity(row, table), **found, **_cost(row)}
