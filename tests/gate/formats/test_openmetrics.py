"""Read back by the OpenMetrics parser of Prometheus' own client."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from mmbench.gate.formats.openmetrics import to_openmetrics


def families(report):
    found = list(text_string_to_metric_families(to_openmetrics(report)))
    assert all(family.documentation and family.samples for family in found)
    return {family.name: family for family in found}


def value(family, **labels):
    (sample,) = [sample for sample in family.samples if sample.labels == labels]
    return sample.value


def test_any_report_is_read(report):
    found = families(report)
    assert to_openmetrics(report).endswith("\n# EOF\n")
    states = {s.labels["mmbench_gate_verdict"]: s.value for s in found["mmbench_gate_verdict"].samples}
    assert [state for state, given in states.items() if given] == [report.verdict.value]
    assert len(states) == 5
    if report.findings:
        family = found["mmbench_gate_finding_verdict"]
        for finding in report.findings:
            labels = {"metric": finding.metric, "mmbench_gate_finding_verdict": finding.verdict.value}
            assert value(family, **labels) == 1


def test_values_stand_under_their_unit(reports):
    found = families(reports["regression"])
    names = {family.name: family.unit for family in found.values() if family.name.startswith("mmbench_gate_value")}
    assert names == {
        "mmbench_gate_value_samples_per_second": "samples_per_second",
        "mmbench_gate_value_seconds": "seconds",
        "mmbench_gate_value_seconds_per_batch": "seconds_per_batch",
        "mmbench_gate_value_bytes": "bytes",
        "mmbench_gate_value": "",
    }
    latency = found["mmbench_gate_value_seconds"]
    assert latency.type == "gauge"
    assert value(latency, metric="latency", side="base") == 0.004
    assert value(latency, metric="latency", side="head") == pytest.approx(0.0036)
    assert value(found["mmbench_gate_value"], metric="accuracy", side="head") == 0.898


def test_changes_are_shares_and_those_of_qualities_are_not(reports):
    found = families(reports["regression"])
    ratios = [f"mmbench_gate_{name}_ratio" for name in ("change", "change_low", "change_high", "budget")]
    assert [value(found[name], metric="throughput") for name in ratios] == [0.051, 0.042, 0.06, 0.03]
    plain = [name.removesuffix("_ratio") for name in ratios]
    assert [value(found[name], metric="accuracy") for name in plain] == [0.002, -0.001, 0.005, 0.005]
    assert found["mmbench_gate_change_ratio"].unit == "ratio"


def test_it_tells_the_rest(reports):
    found = families(reports["regression"])
    assert value(found["mmbench_gate_place_seconds"], place="fuse", group="model", side="head") == 0.002
    assert value(found["mmbench_gate_place_slower"], place="fuse", group="model") == 1
    assert value(found["mmbench_gate_place_slower"], place="collate", group="data") == 0
    assert value(found["mmbench_gate_floor_ratio"], metric="latency") == 0.02
    assert value(found["mmbench_gate_answers"]) == 64
    assert value(found["mmbench_gate_answers_differing"]) == 0
    assert value(found["mmbench_gate_duration_seconds"]) == 41.5
    assert value(found["mmbench_gate_start_time_seconds"]) == reports["regression"].created.timestamp()
    assert value(found["mmbench_gate_weak"]) == 0
    assert value(families(reports["weak"])["mmbench_gate_weak"]) == 1
    (info,) = found["mmbench_gate_run"].samples
    assert found["mmbench_gate_run"].type == "info"
    assert (info.labels["model"], info.labels["head_commit"]) == ("film", "1" * 40)


def test_labels_come_back_as_they_were(reports, nasty):
    found = families(reports["nasty"])
    assert found["mmbench_gate_run"].samples[0].labels["head"] == nasty
    labels = {"metric": nasty, "side": "base", "unit": nasty}
    assert value(found["mmbench_gate_value"], **labels) == 3200
