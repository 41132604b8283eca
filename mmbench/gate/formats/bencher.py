"""Bencher Metric Format: head's values as measures of one benchmark, the workload."""

import json

from mmbench.gate.formats.interval import head_interval
from mmbench.gate.words import workload_text
from mmbench.record.gate import Finding, GateReport

_SCALE = {"latency": 1e9}
"""Bencher has a measure of that name from the start, in nanoseconds. That of `throughput` is operations a second."""


def to_bencher(report: GateReport) -> str:
    """Write latency in nanoseconds, all else in the unit of the report; `{}` where head has no values."""
    measures = {
        finding.metric: _measure(finding, finding.head) for finding in report.findings if finding.head is not None
    }
    found = {workload_text(report): measures} if measures else {}
    return json.dumps(found, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _measure(finding: Finding, value: float) -> dict[str, float]:
    scale = _SCALE.get(finding.metric, 1.0)
    bounds = head_interval(finding)
    found = {"value": value * scale}
    if bounds is not None:
        found |= {"lower_value": bounds[0] * scale, "upper_value": bounds[1] * scale}
    return found
