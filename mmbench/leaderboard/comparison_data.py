"""A comparison for programs: JSON and CSV, with unrounded numbers."""

import json
from typing import Any

from mmbench.leaderboard.comparison import LEVEL, Comparison, Entry, Gap, parts_of
from mmbench.leaderboard.data import as_frame, flat_values, row_values, table_values


def comparison_json(found: Comparison) -> str:
    """Write a comparison as JSON: what its rows have in common, and each row with differences, costs and breakdowns."""
    values = {
        **table_values(found.table),
        "metric": found.metric,
        "baseline": found.baseline,
        "best_single": found.best_single,
        "level": LEVEL,
        "ensembles": dict(found.made),
        "rows": [_row(entry, found) for entry in found.entries],
    }
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def comparison_csv(found: Comparison) -> str:
    """Write one line a row; a missing value is an empty field."""
    frame = as_frame([{**table_values(found.table), **_flat(entry, found)} for entry in found.entries])
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _row(entry: Entry, found: Comparison) -> dict[str, Any]:
    row = entry.row
    parts = parts_of(row, found.metric)
    return {
        "label": row.label,
        "reads": _reads(entry),
        "baseline": row.label == found.baseline,
        **row_values(row, found.table),
        "flops_per_sample": entry.flops_per_sample,
        "latency_p50_s": entry.latency_s,
        "difference": _gap(entry.gap),
        "gain": _gap(entry.gain),
        "breakdowns": {key: {v: each.model_dump() for v, each in values.items()} for key, values in parts.items()},
    }


def _reads(entry: Entry) -> list[str] | None:
    return None if entry.reads is None else list(entry.reads)


def _gap(gap: Gap | None) -> dict[str, Any] | None:
    if gap is None:
        return None
    found = gap.difference
    return {
        "value": found.interval.value if found else None,
        "low": found.interval.low if found else None,
        "high": found.interval.high if found else None,
        "level": found.interval.level if found else LEVEL,
        "n": found.interval.n if found else 0,
        "method": found.interval.method if found else "none",
        "p_value": found.p_value if found else None,
        "p_holm": gap.p_holm,
        "test": found.test if found else "none",
        "resamples": found.resamples if found else 0,
        "swaps": found.swaps if found else 0,
        "runs": [list(pair) for pair in gap.pairs],
        "unscored": gap.unscored,
        "note": gap.note,
    }


def _flat(entry: Entry, found: Comparison) -> dict[str, Any]:
    row = entry.row
    reads = None if entry.reads is None else " + ".join(entry.reads)
    return {
        **flat_values(row, found.table),
        "reads": reads,
        "baseline": found.baseline,
        **_flat_gap("difference", entry.gap),
        "p_value": entry.gap.difference.p_value if entry.gap and entry.gap.difference else None,
        "p_holm": entry.gap.p_holm if entry.gap else None,
        "best_single": found.best_single,
        **_flat_gap("gain", entry.gain),
        "flops_per_sample": entry.flops_per_sample,
        "latency_p50_s": entry.latency_s,
    }


def _flat_gap(name: str, gap: Gap | None) -> dict[str, float | None]:
    found = gap.difference.interval if gap is not None and gap.difference is not None else None
    return {
        name: found.value if found else None,
        f"{name}_low": found.low if found else None,
        f"{name}_high": found.high if found else None,
    }
