"""Read by pytest-benchmark's own command."""

import csv
import json
import subprocess
import sys

import pytest
from pytest_benchmark.stats import Stats

from mmbench.gate.formats.pytest_benchmark import to_pytest_benchmark


def compare(folder, report):
    """What `pytest-benchmark compare` prints, and the rows of its CSV."""
    (folder / "gate.json").write_text(to_pytest_benchmark(report), encoding="utf-8")
    command = [sys.executable, "-m", "pytest_benchmark", "compare", "gate.json", "--csv", "out.csv"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Failed to load" not in done.stdout + done.stderr
    table = folder / "out.csv"
    lines = table.read_text(encoding="utf-8").splitlines() if table.exists() else []
    return done.stdout, list(csv.DictReader(lines))


def test_it_shows_base_and_head_of_each_timing_in_one_table(tmp_path, reports):
    text, rows = compare(tmp_path, reports["regression"])
    for metric in ("throughput", "latency", "data"):
        assert f"benchmark '{metric}': 2 tests" in text
    assert len(rows) == 6  # not of memory and accuracy
    medians = {row["name"].partition("::")[2] or row["name"]: float(row["median"]) for row in rows}
    assert medians["throughput[head]"] / medians["throughput[base]"] == pytest.approx(1.051)
    assert medians["latency[base]"] == pytest.approx(0.004, rel=0.02)
    assert {row["rounds"] for row in rows} == {"12"}


def test_it_reads_a_report_without_timings(tmp_path, reports):
    text, rows = compare(tmp_path, reports["exact"])
    assert "tests" not in text
    assert not rows


def test_statistics_are_those_of_pytest_benchmark(reports):
    finding = reports["regression"].findings[0]
    expected = Stats()
    for pair in finding.head_s:
        for each in pair:
            expected.update(each)
    found = json.loads(to_pytest_benchmark(reports["regression"]))["benchmarks"][1]["stats"]
    for name in ("min", "max", "mean", "stddev", "rounds", "median", "total", "ops", "ld15iqr", "hd15iqr"):
        assert found[name] == pytest.approx(getattr(expected, name)), name
    assert found["stddev_outliers"] == expected.stddev_outliers
    assert found["iqr_outliers"] == expected.iqr_outliers
    assert set(found) == {*expected.as_dict(), "data", "iterations"}
    assert found["data"] == expected.data


def test_each_side_has_its_commit(reports):
    document = json.loads(to_pytest_benchmark(reports["pass"]))
    assert [each["extra_info"]["commit"][0] for each in document["benchmarks"]] == ["0", "1"]
    assert (document["commit_info"]["id"], document["commit_info"]["dirty"]) == ("1" * 40, True)
    assert document["datetime"] == "2026-11-26T23:40:00+00:00"


def test_any_report_is_json(report):
    names = [each["fullname"] for each in json.loads(to_pytest_benchmark(report))["benchmarks"]]
    assert len(names) == len(set(names)) == 2 * sum(finding.base_s is not None for finding in report.findings)
