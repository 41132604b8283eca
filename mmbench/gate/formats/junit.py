"""JUnit XML: a test case for each finding.

Most CI systems count a skipped test as no trouble. The gate exits with 3 where it is inconclusive, so such a finding is
an `<error>`, JUnit's word for a test that could not tell, beside `<failure>` for one that told against head: the page
of tests is red exactly where the gate's exit code is not 0.
"""

import re
from xml.etree import ElementTree as ET

from mmbench.gate.words import change_text, finding_lines, interval_text, workload_text
from mmbench.record.gate import Finding, GateReport, Verdict

_SUITE = "mmbench gate"
_RED = {Verdict.REGRESSION: "failure", Verdict.FAILURE: "failure", Verdict.INCONCLUSIVE: "error"}
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold in any way, not even escaped."""


def to_junit(report: GateReport) -> str:
    """Write a test suite, with seconds of the whole gate."""
    cases = [_case(finding) for finding in report.findings]
    if all(finding.verdict is not report.verdict for finding in report.findings):
        cases.append(_verdict_case(report))  # a failed gate has no findings that could be red
    counts = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "time": f"{report.seconds:.3f}",
    }
    root = ET.Element("testsuites", {"name": _SUITE, **counts})
    more = {"skipped": "0", "timestamp": report.created.isoformat()}
    suite = ET.SubElement(root, "testsuite", {"name": _SUITE, **counts, **more})
    suite.append(_properties(report))
    suite.extend(cases)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _properties(report: GateReport) -> ET.Element:
    found = {
        "run_id": report.run_id,
        "verdict": report.verdict.value,
        "workload": workload_text(report),
        "base": report.base.label,
        "base.commit": report.base.commit,
        "head": report.head.label,
        "head.commit": report.head.commit,
        "weak": str(report.weak).lower(),
    }
    element = ET.Element("properties")
    for name, value in found.items():
        if value is not None:
            ET.SubElement(element, "property", {"name": name, "value": _legal(value)})
    return element


def _case(finding: Finding) -> ET.Element:
    lines = finding_lines(finding)
    change = f"{finding.metric} {change_text(finding)} {interval_text(finding)}".rstrip()
    message = f"{change}: {finding.reason}" if finding.reason else change
    return _element(finding.metric, finding.verdict, message, "\n".join(lines))


def _verdict_case(report: GateReport) -> ET.Element:
    answers = report.answers
    lines = [f"verdict: {report.verdict.value}", f"reason: {report.reason}"]
    if answers is not None and answers.differ:
        lines.append(f"answers that differ: {answers.differ:,} of {answers.samples:,}; first {answers.first}")
    return _element("verdict", report.verdict, report.reason, "\n".join(lines))


def _element(name: str, verdict: Verdict, message: str, body: str) -> ET.Element:
    """A test case; the numbers stand in the body too, since not every reader shows `message`, or what passed tells."""
    case = ET.Element("testcase", {"classname": "mmbench.gate", "name": _legal(name)})
    tag = _RED.get(verdict)
    if tag is None:
        ET.SubElement(case, "system-out").text = _legal(body)
    else:
        ET.SubElement(case, tag, {"type": verdict.value, "message": _legal(message)}).text = _legal(body)
    return case


def _legal(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
