"""Read back by the csv module, by mmbench, and by Apache Otava where its command is on the path.

Otava cannot stand beside mmbench in one environment, since it wants one version of numpy, an older one. So its rules,
from its documentation, are held in any case: a header, a time with its zone in the column `time`, and in every metric's
column numbers. `.ci/run` installs it into an environment of its own, so that its test is never skipped there.
"""

import csv
import math
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.formats.history import append_history, history_row, read_history
from mmbench.record.gate import GateReport

WORKLOAD = "film on vqa (easy-vqa, batch 64)"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.csv"


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_row_holds_heads_values(reports):
    row = history_row(reports["regression"])
    assert row == {
        "time": "2026-11-26T23:40:00+00:00",
        "commit": f"{'1' * 40}-dirty",
        "workload": WORKLOAD,
        "throughput": repr(reports["regression"].findings[0].head),
        "latency": repr(reports["regression"].findings[1].head),
        "data": "0.001",
        "memory": "121000000.0",
        "accuracy": "0.898",
    }


def test_metrics_may_come_and_go(path, reports):
    append_history(path, reports["pass"])
    append_history(path, reports["regression"])
    append_history(path, reports["quality"])
    header, *rows = rows_of(path)
    assert header[:4] == ["time", "commit", "workload", "throughput"]
    assert header[4:] == ["latency", "data", "memory", "accuracy", "wer", "exact_match"]
    assert all(len(row) == len(header) for row in rows)
    for row in rows:  # as Otava reads them
        assert datetime.fromisoformat(row[0]).tzinfo is not None
        assert all(isinstance(float(text), float) for text in row[3:])
    assert [math.isnan(float(text)) for text in rows[0][3:]] == [False] + 6 * [True]
    found = read_history(path)
    assert found.time == [datetime(2026, 11, 26, 23, 40, tzinfo=UTC)] * 3
    assert found.workload == [WORKLOAD] * 3
    assert found.metrics["accuracy"] == [None, 0.898, 0.91]
    assert found.metrics["throughput"][2] is None


def test_what_is_there_stays_to_the_letter(path, reports):
    first = 'time,commit,workload,latency\n2026-11-01T00:00:00+01:00,abc,"a, ""b""",4.00e-03\n'
    path.write_text(first, encoding="utf-8")
    append_history(path, reports["improvement"])
    text = path.read_text(encoding="utf-8")
    assert text.startswith(first.replace("latency\n", "latency,throughput\n").replace("e-03\n", "e-03,nan\n"))
    assert read_history(path).workload == ['a, "b"', WORKLOAD]


@pytest.mark.parametrize("name", ["failure", "crash"])
def test_a_report_without_values_adds_nothing(path, reports, name):
    append_history(path, reports[name])
    assert not path.exists()
    append_history(path, reports["pass"])
    append_history(path, reports[name])
    assert len(rows_of(path)) == 2


def test_nasty_texts_come_back(path, reports, nasty):
    append_history(path, reports["nasty"])
    found = read_history(path)
    assert found.commit == [f"{nasty}-dirty"]
    assert set(found.metrics) == {"throughput", nasty}


def test_writers_at_the_same_time_lose_no_row(path, reports):
    base = reports["pass"]
    copies = [base.model_copy(update={"created": base.created + timedelta(hours=i)}) for i in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda report: append_history(path, report), copies))
    assert sorted(read_history(path).time) == [report.created for report in copies]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no history"),
        ("a,b\n1,2\n", "no history"),
        ("time,commit,workload,m,m\n", "no history"),
        ("time,commit,workload,m\n2026-11-01T00:00:00+00:00,a,w\n", "row 2: 3 fields, and the header has 4"),
        ("time,commit,workload,m\nyesterday,a,w,1\n", "row 2: 'yesterday' is no time"),
        (
            "time,commit,workload,m\n2026-11-01T00:00:00,a,w,1\n",
            "row 2: '2026-11-01T00:00:00' has no time zone",
        ),
        ("time,commit,workload,m\n2026-11-01T00:00:00+00:00,a,w,fast\n", "row 2, column m: 'fast' is no number"),
        ('time,commit,workload,m\n2026-11-01T00:00:00+00:00,a,"w', "no history"),
        ("\udcff", "no history"),
    ],
)
def test_another_file_is_refused_and_stays(path, reports, text, told):
    content = text.encode(errors="surrogateescape")
    path.write_bytes(content)
    for act in (lambda: append_history(path, reports["pass"]), lambda: read_history(path)):
        with pytest.raises(UsageError, match=told):
            act()
    assert path.read_bytes() == content


def test_where_nothing_can_be_written(tmp_path, reports):
    with pytest.raises(HarnessError, match="there is no such folder"):
        append_history(tmp_path / "none" / "history.csv", reports["pass"])
    assert not (tmp_path / "none").exists()
    with pytest.raises(HarnessError, match="cannot write"):
        append_history(tmp_path, reports["pass"])
    with pytest.raises(UsageError, match="cannot read"):
        read_history(tmp_path / "none.csv")


def test_a_metric_may_not_be_called_as_a_fixed_column(path, reports):
    finding = reports["pass"].findings[0].model_copy(update={"metric": "time"})
    with pytest.raises(UsageError, match="cannot hold the metric 'time'"):
        append_history(path, reports["pass"].model_copy(update={"findings": [finding]}))
    assert not path.exists()


OTAVA = shutil.which("otava")
CONFIGURATION = """
tests:
  film:
    type: csv
    file: history.csv
    attributes: [commit]
    metrics:
      throughput: {direction: 1}
"""


@pytest.mark.skipif(
    OTAVA is None and not os.environ.get("MMBENCH_REQUIRE_OTAVA"),
    reason="Apache Otava is not on the path: it wants an environment of its own",
)
def test_otava_reads_it_and_finds_the_change(path, reports, tmp_path):
    assert OTAVA is not None, "MMBENCH_REQUIRE_OTAVA is set, and otava is not on the path"
    report = reports["regression"].model_dump()
    for day in range(24):
        report["created"] = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=day)
        report["findings"][0]["head"] = (1000 if day < 12 else 800) + day % 3
        append_history(path, GateReport.model_validate(report))
    (tmp_path / "otava.yaml").write_text(CONFIGURATION, encoding="utf-8")
    done = subprocess.run(
        [OTAVA, "analyze", "film"],
        cwd=tmp_path,
        env={**os.environ, "OTAVA_CONFIG": "otava.yaml"},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert sum("2026-01-" in line for line in lines) == 24
    (change,) = [number for number, line in enumerate(lines) if "%" in line]
    assert "-20" in lines[change] or "-19" in lines[change]
    assert "2026-01-12" in lines[change - 2]
    assert "2026-01-13" in lines[change + 2]
