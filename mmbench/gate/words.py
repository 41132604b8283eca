"""Numbers and names of a report in the words that several formats share; not yet escaped for any of them."""

from typing import Literal

from mmbench.errors import printable
from mmbench.leaderboard.cells import MISSING, number, size
from mmbench.leaderboard.units import duration, si
from mmbench.record.gate import Change, Finding, GateReport

_LEAST_SHOWN = 0.0005
"""A share below it would be told as 0.0%, and an exact metric may be gated at that."""


def relative(finding: Finding) -> bool:
    """Whether its change is a share; of a quality, which has no unit, it is a plain difference."""
    return bool(finding.unit)


def value_text(finding: Finding, value: float | None) -> str:
    """A value of base or head with its unit."""
    return MISSING if value is None else amount_text(finding.unit, value)


def amount_text(unit: str, value: float) -> str:
    """A number with its unit: `1,280.5 samples/s`, `4.00 ms`, `12.3 MB`."""
    match unit:
        case "s":
            return duration(value)
        case "s/batch":
            return f"{duration(value)}/batch"
        case "bytes":
            return size(round(value))
        case "parameters":
            return f"{value:,.0f}"
        case "FLOP/sample":
            return si(value, "FLOP/sample")
        case _:
            return f"{number(value)} {printable(unit)}".rstrip()


def change_text(finding: Finding) -> str:
    """A change without its interval: `+5.1%`, of a quality `+0.0123`."""
    return MISSING if finding.change is None else _amount(finding.change.value, relative(finding), "+")


def interval_text(finding: Finding) -> str:
    """The interval of a change: `[+4.2%, +6.0%]`; empty where it is exact or not known."""
    return bounds_text(finding.change, as_share=relative(finding))


def bounds_text(change: Change | None, *, as_share: bool = True) -> str:
    """The interval of a change, empty where it has none."""
    if change is None or change.level is None:
        return ""
    return f"[{_amount(change.low, as_share, '+')}, {_amount(change.high, as_share, '+')}]"


def budget_text(finding: Finding) -> str:
    """A budget: `3.0%`, of a quality `0.0050`."""
    return _amount(finding.budget, relative(finding), "")


def share(value: float, sign: Literal["+", ""] = "") -> str:
    """A share in percent: `3.0%`, and what is next to nothing with the digit that tells it from nothing."""
    form = ".1g" if value and abs(value) < _LEAST_SHOWN else ".1f"
    return f"{100 * value + 0.0:{sign}{form}}%"  # no negative zero


def told(finding: Finding) -> str:
    """A finding in one line: `throughput +5.1% [+4.2%, +6.0%]`."""
    text = " ".join(part for part in (finding.metric, change_text(finding), interval_text(finding)) if part != MISSING)
    return f"{text.rstrip()}: {finding.reason}" if finding.reason else text.rstrip()


def finding_lines(finding: Finding) -> list[str]:
    """All that is known of a metric, a line each."""
    change = f"{change_text(finding)} {interval_text(finding)}".rstrip()
    return [
        f"base: {value_text(finding, finding.base)}",
        f"head: {value_text(finding, finding.head)}",
        f"change: {change} (above zero is worse)",
        f"budget: {budget_text(finding)}",
        f"verdict: {finding.verdict.value}",
        *([f"reason: {printable(finding.reason)}"] if finding.reason else []),
    ]


def answers_text(report: GateReport) -> str:
    """How far both sides answered the same, in one line; empty where head did not come so far."""
    answers = report.answers
    if report.weak:
        if report.head.answers is None:
            return ""
        same = report.head.answers == report.base.answers
        return f"head's answers are {'' if same else 'not '}those that are stored"
    if answers is None:
        return ""
    scores = f"; scores or vectors differ by up to {answers.largest:.2g}" if answers.largest else ""
    if not answers.differ:
        return f"both answer alike on {answers.samples:,} samples{scores}"
    first = f"; first {answers.first}" if answers.first else ""
    return f"head answers otherwise than base on {answers.differ:,} of {answers.samples:,} samples{scores}{first}"


def processes_text(report: GateReport) -> str:
    """What was timed: `3 pairs of processes that took turns`; empty where nothing was."""
    if report.weak:
        count = max((len(finding.head_s or ()) for finding in report.findings), default=0)
        return f"{count:,} process{'es' * (count != 1)} of head, without base" if count else ""
    changes = [*(finding.change for finding in report.findings), *(place.change for place in report.places)]
    most = max((change.pairs for change in changes if change is not None), default=0)
    if not most:
        return ""
    return f"{most:,} pair{'s' * (most != 1)} of processes that took turns"


def workload_text(report: GateReport) -> str:
    """What both sides ran, a name by which programs know it again: `film on vqa (easy-vqa, batch 64, cpu, float32)`."""
    given = {**report.workload, "dataset": report.workload.get("dataset") or report.ran.get("dataset")}
    what = " on ".join(str(given[key]) for key in ("model", "task") if given.get(key))
    batch, settings = given.get("batch_size"), given.get("settings")
    rest = [
        *(str(given[key]) for key in ("dataset", "split") if given.get(key)),
        *([f"batch {batch}"] if batch else []),
        *(str(given[key]) for key in ("device", "dtype") if given.get(key)),
        *([f"first {given['limit']}"] if given.get("limit") else []),
        *([f"{given['threads']} threads"] if given.get("threads", 1) != 1 else []),
        *(str(given[key]) for key in ("weights",) if given.get(key)),
        *(map(str, settings) if isinstance(settings, list) else ()),
    ]
    return printable(f"{what} ({', '.join(rest)})" if rest else what) or "mmbench gate"


def _amount(value: float, as_share: bool, sign: Literal["+", ""]) -> str:
    return share(value, sign) if as_share else f"{value + 0.0:{sign}.4f}"
