"""The fields that github-action-benchmark's documentation names: name, unit, value, and optional range and extra."""

import json

import pytest

from mmbench.gate.formats.github_benchmark import to_github_bigger, to_github_smaller


def read(text):
    entries = json.loads(text)
    for entry in entries:
        assert {"name", "unit", "value"} <= set(entry) <= {"name", "unit", "value", "range", "extra"}
        assert isinstance(entry["value"], float)
        assert all(isinstance(value, str) for key, value in entry.items() if key != "value")
    return {entry["name"].rpartition(": ")[2]: entry for entry in entries}


def test_each_direction_has_its_metrics(reports):
    bigger, smaller = read(to_github_bigger(reports["regression"])), read(to_github_smaller(reports["regression"]))
    assert set(bigger) == {"throughput", "accuracy"}
    assert set(smaller) == {"latency", "data", "memory"}
    assert smaller["memory"] == {
        "name": "film on vqa (easy-vqa, batch 64): memory",
        "unit": "bytes",
        "value": 121e6,
        "extra": "base: 120.0 MB\nhead: 121.0 MB\nchange: +0.8% (above zero is worse)\nbudget: 2.0%\nverdict: pass",
    }


def test_the_range_is_about_heads_value(reports):
    entry = read(to_github_bigger(reports["regression"]))["throughput"]
    low, high = json.loads(entry["range"])
    assert entry["value"] == pytest.approx(3200 / 1.051)
    assert (low, high) == pytest.approx((3200 / 1.06, 3200 / 1.042), rel=1e-5)


def test_what_head_has_no_value_of_is_not_there(report):
    known = {finding.metric for finding in report.findings if finding.head is not None}
    found = [*json.loads(to_github_bigger(report)), *json.loads(to_github_smaller(report))]
    assert len(found) == len(known)
