"""The formats of a gate's report by name, and their way to a file."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mmbench.errors import unknown_name
from mmbench.gate.formats.bencher import to_bencher
from mmbench.gate.formats.github_benchmark import to_github_bigger, to_github_smaller
from mmbench.gate.formats.history import append_history
from mmbench.gate.formats.junit import to_junit
from mmbench.gate.formats.markdown import to_markdown
from mmbench.gate.formats.openmetrics import to_openmetrics
from mmbench.gate.formats.pytest_benchmark import to_pytest_benchmark
from mmbench.leaderboard.output import write_file
from mmbench.record.gate import GateReport

FORMATS: Mapping[str, Callable[[GateReport], str]] = {
    "markdown": to_markdown,
    "junit": to_junit,
    "pytest-benchmark": to_pytest_benchmark,
    "github-bigger": to_github_bigger,
    "github-smaller": to_github_smaller,
    "bencher": to_bencher,
    "openmetrics": to_openmetrics,
    "json": GateReport.to_json,
}

HISTORY = "history"
"""The kind that adds to its file; all others replace it."""


def write_report(kind: str, path: Path, report: GateReport) -> None:
    """Write a report whole or not at all.

    Args:
        kind: one of `FORMATS`, or `HISTORY`.
        path: replaced if it exists; a history gets a row.
        report: to be written.

    Raises:
        UsageError: there is no such kind, or `path` exists and is no history.
        HarnessError: it cannot be written; an existing file is as it was.
    """
    if kind == HISTORY:
        append_history(path, report)
    elif kind in FORMATS:
        write_file(path, FORMATS[kind](report))
    else:
        raise unknown_name("report format", kind, [*FORMATS, HISTORY])
