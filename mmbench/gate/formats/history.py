"""A history of head's values as CSV: `time,commit,workload` and a column for each metric, a row for each report.

Apache Otava reads it (its CSV importer; `time` is its default time column), and `read_history` here. Otava stops at an
empty field, so a metric that a report lacks is `nan`; in a column that has one, it finds no changes.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from mmbench.errors import HarnessError, UsageError, printable
from mmbench.gate.words import workload_text
from mmbench.leaderboard.output import write_file
from mmbench.record.gate import GateReport

FIXED = ("time", "commit", "workload")
"""The columns that are no metrics, first in every history."""

_ABSENT = "nan"
_PATIENCE_S = 60.0  # that a writer waits for another
_FIRST_ROW = 2  # the header is the first
_TIME = "2026-11-26T23:40:00+00:00"


@dataclass(frozen=True, slots=True)
class History:
    """Columns of a history, as long as there are rows, in the order in which they were added.

    Attributes:
        time: when the gates began, with time zone.
        commit: of head, with `-dirty` where files differed from it; empty where it is not known.
        workload: what was run, in words.
        metrics: head's values by metric, in the units of the report; `None` where a report lacks it.
    """

    time: list[datetime]
    commit: list[str]
    workload: list[str]
    metrics: dict[str, list[float | None]]


def history_row(report: GateReport) -> dict[str, str]:
    """Header and row of a report: texts by column; metrics of which head has no value are not in it.

    Raises:
        UsageError: a metric has the name of a fixed column.
    """
    row = {
        "time": report.created.isoformat(),
        "commit": f"{report.head.commit or ''}{'-dirty' if report.head.dirty else ''}",
        "workload": workload_text(report),
    }
    for finding in report.findings:
        if finding.metric in FIXED:
            raise UsageError(f"a history cannot hold the metric {finding.metric!r}: its column is another")
        if finding.head is not None:
            row[finding.metric] = repr(finding.head)
    return row


def append_history(path: Path, report: GateReport) -> None:
    """Add a row to a history, which is begun if it is not there; one writer at a time, whole or not at all.

    Columns and rows that are there stay as they are; new metrics get columns at the end. A report of which head has no
    value at all, as of a gate that failed, adds nothing.

    Raises:
        UsageError: the file is no history, or a metric has the name of a fixed column.
        HarnessError: it cannot be written, or another process holds it for long; it is as it was.
    """
    row = history_row(report)
    if len(row) == len(FIXED):
        return
    path = path.resolve()  # a link stays a link, and leads to the same lock
    if not path.parent.is_dir():  # the lock would make it
        raise HarnessError(f"cannot write {path}: there is no such folder")
    try:
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=_PATIENCE_S):
            header, rows = _read(path) if path.exists() else ([*FIXED], [])
            header = list(dict.fromkeys([*header, *row]))
            rows = [[*each, *[_ABSENT] * (len(header) - len(each))] for each in rows]
            write_file(path, _text([header, *rows, [row.get(column, _ABSENT) for column in header]]))
    except Timeout as error:
        raise HarnessError(f"cannot write {path}: another process has held it for {_PATIENCE_S:.0f} s") from error
    except OSError as error:
        raise HarnessError(f"cannot write {path}: {error.strerror or error}") from error


def read_history(path: Path) -> History:
    """Read a history.

    Raises:
        UsageError: it is not there, or no history; names the row.
    """
    try:
        header, rows = _read(path)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    columns: Mapping[str, Sequence[str]] = {name: [row[i] for row in rows] for i, name in enumerate(header)}
    return History(
        time=[datetime.fromisoformat(text) for text in columns["time"]],
        commit=list(columns["commit"]),
        workload=list(columns["workload"]),
        metrics={name: [_value(text) for text in columns[name]] for name in header[len(FIXED) :]},
    )


def _read(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows as texts, once it is sure that they are a history."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = [*csv.reader(file, strict=True)] or [[]]
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no history: {error}") from error
    if tuple(header[: len(FIXED)]) != FIXED or len(set(header)) < len(header):
        raise UsageError(f"{path} is no history: its header is not {','.join(FIXED)} and metrics, each once")
    for number, row in enumerate(rows, _FIRST_ROW):
        _check(path, number, header, row)
    return header, rows


def _check(path: Path, number: int, header: Sequence[str], row: Sequence[str]) -> None:
    where = f"{path}, row {number}"
    if len(row) != len(header):
        raise UsageError(f"{where}: {len(row)} fields, and the header has {len(header)}")
    try:
        time = datetime.fromisoformat(row[0])
    except ValueError:
        raise UsageError(f"{where}: {printable(row[0])!r} is no time") from None
    if time.tzinfo is None:  # it could not be put in order with the others
        raise UsageError(f"{where}: {printable(row[0])!r} has no time zone; expected a time like {_TIME}")
    for name, text in zip(header[len(FIXED) :], row[len(FIXED) :], strict=True):
        try:
            float(text)
        except ValueError:
            raise UsageError(f"{where}, column {printable(name)}: {printable(text)!r} is no number") from None


def _value(text: str) -> float | None:
    value = float(text)
    return None if math.isnan(value) else value


def _text(rows: Iterable[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
