"""The JSON of github-action-benchmark's custom tools: head's values, one file for each direction."""

import json
from typing import Any

from mmbench.gate.formats.interval import head_interval
from mmbench.gate.words import finding_lines, workload_text
from mmbench.record.gate import Finding, GateReport


def to_github_bigger(report: GateReport) -> str:
    """Write the metrics of which more is better, for `customBiggerIsBetter`."""
    return _text(report, higher_is_better=True)


def to_github_smaller(report: GateReport) -> str:
    """Write the metrics of which less is better, for `customSmallerIsBetter`."""
    return _text(report, higher_is_better=False)


def _text(report: GateReport, *, higher_is_better: bool) -> str:
    entries = [
        _entry(report, finding, finding.head)
        for finding in report.findings
        if finding.higher_is_better is higher_is_better and finding.head is not None
    ]
    return json.dumps(entries, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _entry(report: GateReport, finding: Finding, value: float) -> dict[str, Any]:
    """The name stays the same from run to run, since the action draws a chart of each."""
    bounds = head_interval(finding)
    return {
        "name": f"{workload_text(report)}: {finding.metric}",
        "unit": finding.unit,
        "value": value,
        **({} if bounds is None else {"range": f"[{bounds[0]:.6g}, {bounds[1]:.6g}]"}),
        "extra": "\n".join(finding_lines(finding)),
    }
