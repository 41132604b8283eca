"""Tables for programs: JSON, CSV and a pandas frame, with the numbers as they were recorded."""

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from mmbench.leaderboard.table import Row, Table


def to_dict(tables: Sequence[Table]) -> dict[str, Any]:
    """Make JSON values: `{"tables": [{task, dataset, ..., rows: [{rank, model, ...}]}]}`."""
    return {"tables": [{**_group(table), "rows": [_row(row, table) for row in table.rows]} for table in tables]}


def to_json(tables: Sequence[Table]) -> str:
    """Write `to_dict` as text."""
    return json.dumps(to_dict(tables), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_frame(tables: Sequence[Table]) -> pd.DataFrame:
    """Make one row a run over all tables; each metric as `NAME`, `NAME_low` and `NAME_high`."""
    rows = [{**_group(table), **_flat(row, table)} for table in tables for row in table.rows]
    whole = {"limit": "Int64", "parameters": "Int64", "peak_bytes": "Int64"}  # nullable, so that integers stay integers
    return pd.DataFrame(rows).astype(whole)


def to_csv(tables: Sequence[Table]) -> str:
    """Write `to_frame` as text; a missing value is an empty field."""
    return str(to_frame(tables).to_csv(index=False, lineterminator="\n"))


def _group(table: Table) -> dict[str, Any]:
    return {
        "task": table.task,
        "dataset": table.dataset,
        "revision": table.revision,
        "split": table.split,
        "n": table.n,
        "limit": table.limit,
        "protocol": ", ".join(f"{key} {value}" for key, value in table.protocol.items()),
        "main_metric": table.main_metric,
        "sort": table.sort,
    }


def _identity(row: Row) -> dict[str, Any]:
    created = row.created.isoformat().replace("+00:00", "Z")  # as in record.json
    return {"rank": row.rank, "model": row.model, "run_id": row.run_id, "created": created}


def _cost(row: Row) -> dict[str, Any]:
    return {
        "parameters": row.parameters,
        "samples_per_s": row.samples_per_s,
        "peak_bytes": row.peak_bytes,
        "failures": row.failures,
    }


def _row(row: Row, table: Table) -> dict[str, Any]:
    metrics = {name: row.metrics[name].model_dump() for name in table.metrics if name in row.metrics}
    return {**_identity(row), "metrics": metrics, **_cost(row)}


def _flat(row: Row, table: Table) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in table.metrics:
        metric = row.metrics.get(name)
        found[name] = metric.value if metric else None
        found[f"{name}_low"] = metric.low if metric else None
        found[f"{name}_high"] = metric.high if metric else None
    return {**_identity(row), **found, **_cost(row)}
