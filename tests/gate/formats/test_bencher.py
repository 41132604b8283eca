"""Held to the schema that Bencher's documentation gives of its format."""

import json

import jsonschema
import pytest

from mmbench.gate.formats.bencher import to_bencher

_METRIC = {
    "type": "object",
    "properties": {name: {"type": "number"} for name in ("value", "lower_value", "upper_value")},
    "required": ["value"],
    "additionalProperties": False,
}
_MEASURES = {"type": "object", "propertyNames": {"maxLength": 64}, "additionalProperties": _METRIC}
SCHEMA = {"type": "object", "propertyNames": {"maxLength": 1024}, "additionalProperties": _MEASURES}


def test_any_report_keeps_to_the_schema(report):
    found = json.loads(to_bencher(report))
    jsonschema.validate(found, SCHEMA)
    known = [finding.metric for finding in report.findings if finding.head is not None]
    assert [name for measures in found.values() for name in measures] == known
    for measures in found.values():
        for value in measures.values():
            assert value.get("lower_value", value["value"]) <= value["value"]
            assert value.get("upper_value", value["value"]) >= value["value"]


def test_a_workload_is_a_benchmark_and_latency_is_in_nanoseconds(reports):
    ((name, measures),) = json.loads(to_bencher(reports["regression"])).items()
    assert name == "film on vqa (easy-vqa, batch 64)"
    assert measures["latency"] == pytest.approx(
        {"value": 3_600_000, "lower_value": 4_000_000 * 0.88, "upper_value": 4_000_000 * 0.92}
    )
    assert measures["memory"] == {"value": 121e6}


def test_qualities_move_by_differences(reports):
    (measures,) = json.loads(to_bencher(reports["quality"])).values()
    assert measures["accuracy"] == pytest.approx({"value": 0.91, "lower_value": 0.906, "upper_value": 0.915})
    assert measures["wer"] == pytest.approx({"value": 0.12, "lower_value": 0.11, "upper_value": 0.13})
    assert measures["exact_match"] == {"value": 0.5}


def test_a_report_without_values_is_empty(reports):
    assert json.loads(to_bencher(reports["failure"])) == {}
