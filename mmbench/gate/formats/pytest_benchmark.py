"""The JSON of pytest-benchmark: base and head of each timed metric as two benchmarks of one group."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from mmbench.gate.words import workload_text
from mmbench.record.gate import Finding, GateReport, SideInfo

_VERSION = "5.1.0"  # of pytest-benchmark, whose format this is
_WHISKER = 1.5  # interquartile ranges beyond a quartile, as Tukey's box plots have it


def to_pytest_benchmark(report: GateReport) -> str:
    """Write the seconds of an iteration, all pairs and blocks together; metrics that are not timed have none."""
    return json.dumps(_document(report), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _document(report: GateReport) -> dict[str, Any]:
    environment = report.environment
    return {
        "machine_info": {
            "node": "",  # nothing that is written names a machine
            "processor": environment.cpu,
            "system": environment.os,
            "python_version": environment.versions.get("python", ""),
            "cpu": {"brand_raw": environment.cpu, "count": environment.logical_cores},
        },
        "commit_info": {
            "id": report.head.commit or "unversioned",
            "time": None,
            "author_time": None,
            "dirty": report.head.dirty,
            "project": "mmbench gate",
            "branch": "(unknown)",
        },
        "benchmarks": [
            _benchmark(finding, name, side, workload_text(report), seconds)
            for finding in report.findings
            for name, side, seconds in (
                ("base", report.base, _flat(finding.base_s)),
                ("head", report.head, _flat(finding.head_s)),
            )
            if seconds
        ],
        "datetime": report.created.isoformat(),
        "version": _VERSION,
    }


def _benchmark(finding: Finding, name: str, side: SideInfo, workload: str, seconds: Sequence[float]) -> dict[str, Any]:
    return {
        "group": finding.metric,
        "name": f"{finding.metric}[{name}]",
        "fullname": f"{workload}::{finding.metric}[{name}]",
        "params": {"side": name},
        "param": name,
        "extra_info": {"label": side.label, "commit": side.commit, "dirty": side.dirty},
        "options": {},
        "stats": _stats(seconds),
    }


def _flat(seconds: Sequence[Sequence[float]] | None) -> list[float]:
    return [each for pair in seconds or () for each in pair]


def _stats(seconds: Sequence[float]) -> dict[str, Any]:
    values = np.array(seconds)
    mean, total = float(values.mean()), float(values.sum())
    deviation = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    q1, median, q3 = (float(each) for each in np.quantile(values, [0.25, 0.5, 0.75]))
    reach = _WHISKER * (q3 - q1)
    within = values[(values >= q1 - reach) & (values <= q3 + reach)]
    far = int(np.sum(np.abs(values - mean) > deviation))
    return {
        "min": float(values.min()),
        "max": float(values.max()),
        "mean": mean,
        "stddev": deviation,
        "rounds": len(values),
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": len(values) - len(within),
        "stddev_outliers": far,
        "outliers": f"{far};{len(values) - len(within)}",
        "ld15iqr": float(within.min()),
        "hd15iqr": float(within.max()),
        "ops": len(values) / total if total else 0.0,
        "total": total,
        "iterations": 1,
        "data": list(seconds),
    }
