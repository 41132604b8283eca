"""Held to a schema of the format, and read back by junitparser and by the standard library's XML parser."""

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from junitparser import JUnitXml
from xmlschema import XMLSchema

from mmbench.gate.formats.junit import to_junit
from mmbench.record.gate import GateReport, Verdict

RED = {Verdict.REGRESSION, Verdict.FAILURE, Verdict.INCONCLUSIVE}  # where the gate's exit code is not 0


def suite(report):
    root = ET.fromstring(to_junit(report))  # noqa: S314  # our own text
    assert root.tag == "testsuites"
    (found,) = root
    return found


@pytest.fixture(scope="module")
def schema():
    return XMLSchema(Path(__file__).with_name("junit.xsd"))


def test_any_report_keeps_to_the_schema(report, schema):
    schema.validate(ET.fromstring(to_junit(report)))  # noqa: S314  # our own text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('tests="5"', 'tests="-1"'),
        ('tests="5"', 'test="5"'),
        ('timestamp="2026-11-26T23:40:00+00:00"', 'timestamp="today"'),
        ("<properties>", "<notes/><properties>"),
        ("<properties>", '<testcase classname="c" name="n"/><properties>'),
        ("</failure>", "</failure><skipped/>"),
        ('name="verdict" value="regression"', 'name="verdict"'),
    ],
)
def test_the_schema_refuses_what_readers_may_not_know(reports, schema, old, new):
    text = to_junit(reports["regression"])
    assert old in text
    assert not schema.is_valid(ET.fromstring(text.replace(old, new)))  # noqa: S314  # our own text


def test_junitparser_reads_any_report(report):
    text = to_junit(report)
    (read,) = JUnitXml.fromstring(text.encode())
    counts = (read.tests, read.failures, read.errors, read.skipped)
    read.update_statistics()
    assert counts == (read.tests, read.failures, read.errors, read.skipped)
    told = [case.find("failure") if case.find("error") is None else case.find("error") for case in suite(report)[1:]]
    results = [[(result.type, result.message, result.text) for result in case.result] for case in read]
    assert results == [[] if each is None else [(each.get("type"), each.get("message"), each.text)] for each in told]
    assert {each.name: each.value for each in read.properties()}["verdict"] == report.verdict.value


def test_a_suite_is_red_exactly_where_the_gate_does_not_exit_with_0(report):
    found = suite(report)
    failures, errors = len(found.findall("testcase/failure")), len(found.findall("testcase/error"))
    assert bool(failures + errors) is (report.verdict in RED)
    assert (found.get("failures"), found.get("errors")) == (str(failures), str(errors))
    assert found.get("tests") == str(len(found.findall("testcase")))
    assert not found.findall("testcase/skipped")


def test_it_is_red_too_where_no_finding_tells_why(reports):
    data = reports["pass"].model_dump() | {"verdict": "inconclusive", "reason": "no time was left"}
    found = suite(GateReport.model_validate(data))
    assert [case.get("name") for case in found.findall("testcase")] == ["throughput", "verdict"]
    assert found.find("testcase/error").get("message") == "no time was left"


def test_a_regression_has_its_numbers_in_message_and_body(reports):
    cases = suite(reports["regression"]).findall("testcase")
    assert [case.get("name") for case in cases] == ["throughput", "latency", "data", "memory", "accuracy"]
    failure = cases[0].find("failure")
    assert failure.get("type") == "regression"
    assert failure.get("message") == "throughput +5.1% [+4.2%, +6.0%]"
    assert failure.text.splitlines() == [
        "base: 3,200.0 samples/s",
        "head: 3,044.7 samples/s",
        "change: +5.1% [+4.2%, +6.0%] (above zero is worse)",
        "budget: 3.0%",
        "verdict: regression",
    ]
    assert "head: 3.60 ms" in cases[1].find("system-out").text


def test_a_gate_that_failed_tells_why(reports):
    (case,) = suite(reports["failure"]).findall("testcase")
    failure = case.find("failure")
    assert failure.get("message") == reports["failure"].reason
    assert "answers that differ: 2 of 64; first sample 3: 'yes' in base" in failure.text


@pytest.mark.parametrize("name", ["inconclusive", "floor"])
def test_inconclusive_is_an_error(reports, name):
    error = suite(reports[name]).find("testcase/error")
    assert error.get("type") == "inconclusive"
    assert "reason: " in error.text


def test_a_suite_tells_what_was_compared(reports):
    found = {each.get("name"): each.get("value") for each in suite(reports["weak"]).iter("property")}
    assert found == {
        "run_id": "20261126T234000Z-1a2b3c",
        "verdict": "pass",
        "workload": "film on vqa (easy-vqa, batch 64)",
        "base": "main",
        "base.commit": "0" * 40,
        "head": "HEAD",
        "head.commit": "1" * 40,
        "weak": "true",
    }
    assert suite(reports["weak"]).get("time") == "41.500"
    assert suite(reports["weak"]).get("timestamp") == "2026-11-26T23:40:00+00:00"


def test_control_characters_do_not_break_it(reports, nasty):
    found = suite(reports["nasty"])
    labels = [each.get("value") for each in found.iter("property") if each.get("name") == "head"]
    assert labels == [nasty.translate(dict.fromkeys((0, 0x1B, 0xFFFE), "\N{REPLACEMENT CHARACTER}"))]
