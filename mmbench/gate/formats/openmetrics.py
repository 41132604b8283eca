"""OpenMetrics text, as Prometheus reads it: https://prometheus.io/docs/specs/om/open_metrics_spec/ (1.0).

Names end in their unit, a share's being `ratio`. What is not known has no sample.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mmbench.gate.words import relative
from mmbench.record.gate import Finding, GateReport, Verdict

_PREFIX = "mmbench_gate"
_UNITS = {
    "s": "seconds",
    "s/batch": "seconds_per_batch",
    "samples/s": "samples_per_second",
    "bytes": "bytes",
    "FLOP/sample": "flops_per_sample",
    "parameters": "parameters",
}


@dataclass(frozen=True, slots=True)
class _Family:
    """A metric family: samples are values with their labels."""

    name: str
    about: str
    kind: Literal["gauge", "info", "stateset"] = "gauge"
    unit: str = ""
    samples: list[tuple[Mapping[str, str], float]] = field(default_factory=list)

    @property
    def full_name(self) -> str:
        """With prefix and unit."""
        return "_".join(part for part in (_PREFIX, self.name, self.unit) if part)


def to_openmetrics(report: GateReport) -> str:
    """Write what was found as gauges, verdicts as state sets, and what was compared as info."""
    families = [
        _info(report),
        _overall(report),
        _verdicts(report.findings),
        *_values(report.findings),
        *_changes(report.findings),
        *_places(report),
        *_floors(report),
        *_answers(report),
        _one("duration", "How long the gate took.", report.seconds, unit="seconds"),
        _one("start_time", "When the gate began, since 1970.", report.created.timestamp(), unit="seconds"),
        _one("weak", "1 where base was stored by another run.", float(report.weak)),
    ]
    lines = [line for family in families if family.samples for line in _lines(family)]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _lines(family: _Family) -> Iterator[str]:
    name = family.full_name
    yield f"# TYPE {name} {family.kind}"
    if family.unit:
        yield f"# UNIT {name} {family.unit}"
    yield f"# HELP {name} {_escape(family.about)}"
    suffix = "_info" if family.kind == "info" else ""
    for labels, value in family.samples:
        told = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        yield f"{name}{suffix}{f'{{{told}}}' if told else ''} {float(value)!r}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _one(name: str, about: str, value: float, *, unit: str = "") -> _Family:
    return _Family(name, about, unit=unit, samples=[({}, value)])


def _info(report: GateReport) -> _Family:
    workload = {key: str(value) for key in ("model", "task", "dataset", "split") if (value := report.workload.get(key))}
    labels = {
        "run_id": report.run_id,
        **workload,
        "base": report.base.label,
        "base_commit": report.base.commit or "",
        "head": report.head.label,
        "head_commit": report.head.commit or "",
    }
    return _Family("run", "What was compared.", "info", samples=[(labels, 1.0)])


def _overall(report: GateReport) -> _Family:
    family = _Family("verdict", "What the gate says.", "stateset")
    family.samples.extend(_states(family, report.verdict, {}))
    return family


def _verdicts(findings: Iterable[Finding]) -> _Family:
    family = _Family("finding_verdict", "What is said of a metric.", "stateset")
    for finding in findings:
        family.samples.extend(_states(family, finding.verdict, {"metric": finding.metric}))
    return family


def _states(family: _Family, verdict: Verdict, labels: Mapping[str, str]) -> Iterator[tuple[Mapping[str, str], float]]:
    """Each verdict there is, 1 for the one that was given; the label is named as the family, as the format has it."""
    for state in Verdict:
        yield {**labels, family.full_name: state.value}, float(state is verdict)


def _values(findings: Iterable[Finding]) -> list[_Family]:
    """A family for each unit, base and head of each metric in it."""
    families: dict[str, _Family] = {}
    for finding in findings:
        unit = _UNITS.get(finding.unit, "")
        more = {"unit": finding.unit} if finding.unit and not unit else {}
        about = "A metric of base and of head."
        family = families.setdefault(unit, _Family("value", about, unit=unit))
        for side, value in (("base", finding.base), ("head", finding.head)):
            if value is not None:
                family.samples.append(({"metric": finding.metric, "side": side, **more}, value))
    return list(families.values())


def _changes(findings: Iterable[Finding]) -> list[_Family]:
    """Shares of costs apart from differences of qualities, since their units are not the same."""
    found = []
    for unit, told in (("ratio", "a share of base's cost"), ("", "a difference of a quality")):
        change, low, high, budget = (
            _Family(name, f"{about}, {told}; above zero is worse.", unit=unit)
            for name, about in (
                ("change", "How much worse head is"),
                ("change_low", "Lower end of the interval of a change"),
                ("change_high", "Upper end of the interval of a change"),
                ("budget", "The change that is borne"),
            )
        )
        for finding in findings:
            if relative(finding) is not bool(unit):
                continue
            labels = {"metric": finding.metric}
            budget.samples.append((labels, finding.budget))
            if finding.change is not None:
                change.samples.append((labels, finding.change.value))
                low.samples.append((labels, finding.change.low))
                high.samples.append((labels, finding.change.high))
        found += [change, low, high, budget]
    return found


def _places(report: GateReport) -> list[_Family]:
    times = _Family("place", "Time of a part of the work or of the start.", unit="seconds")
    slower = _Family("place_slower", "1 where a part takes more time in head for certain, and by enough to matter.")
    for place in report.places:
        labels = {"place": place.name, "group": place.group}
        times.samples.append(({**labels, "side": "base"}, place.base_s))
        times.samples.append(({**labels, "side": "head"}, place.head_s))
        slower.samples.append((labels, float(place.slower)))
    return [times, slower]


def _floors(report: GateReport) -> list[_Family]:
    floors = report.floor.floors if report.floor is not None else {}
    samples: list[tuple[Mapping[str, str], float]] = [({"metric": name}, value) for name, value in floors.items()]
    return [_Family("floor", "What the same code seems to change on this runner.", unit="ratio", samples=samples)]


def _answers(report: GateReport) -> list[_Family]:
    if report.answers is None:
        return []
    return [
        _one("answers", "Samples whose answers were compared.", report.answers.samples),
        _one("answers_differing", "Samples that head answers otherwise than base.", report.answers.differ),
    ]
