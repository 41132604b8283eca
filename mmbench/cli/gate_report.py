"""The report of a gate as people read it: the verdict, the metrics, and where a slowdown lies."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mmbench.errors import join_names, printable
from mmbench.gate.words import (
    answers_text,
    bounds_text,
    budget_text,
    change_text,
    interval_text,
    processes_text,
    share,
    value_text,
)
from mmbench.leaderboard.cells import MISSING
from mmbench.leaderboard.units import duration
from mmbench.profile.stage import OTHER
from mmbench.record.gate import Finding, GateReport, Place, Verdict

_STYLES = {
    Verdict.PASS: "bold green",
    Verdict.IMPROVEMENT: "bold green",
    Verdict.REGRESSION: "bold red",
    Verdict.FAILURE: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
}
_GROUPS = {"model": "the model", "data": "the data pipeline", "start": "the start"}


def print_gate(report: GateReport, console: Console) -> None:
    """Print a report; the verdict first."""
    style = _STYLES[report.verdict]
    console.print(f"[{style}]{report.verdict.value}[/] {escape(printable(report.reason))}", soft_wrap=True)
    console.print(f"[dim]{escape(printable(_sides(report)))}[/]", soft_wrap=True)
    if report.findings:
        console.print(_findings(report.findings))
    for line in [*_where(report), *_about(report)]:
        console.print(escape(printable(line)), soft_wrap=True)
    groups = {place.group for place in report.places if place.slower}
    if groups:
        console.print(_places([place for place in report.places if place.group in groups]))


def _sides(report: GateReport) -> str:
    workload = report.workload
    what = f"{workload['model']} on {workload['task']}"
    return f"{what}: head {report.head.label} against base {report.base.label}"


def _findings(findings: Sequence[Finding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("metric")
    for header in ("base", "head", "change", "budget"):
        table.add_column(header, justify="right")
    table.add_column("verdict")
    for finding in findings:
        table.add_row(
            escape(printable(finding.metric)),
            value_text(finding, finding.base),
            value_text(finding, finding.head),
            f"{change_text(finding)} {interval_text(finding)}".rstrip(),
            budget_text(finding),
            f"[{_STYLES[finding.verdict]}]{finding.verdict.value}[/]",
        )
    return table


def _where(report: GateReport) -> list[str]:
    """In one sentence, which parts are slower."""
    slower = [place for place in report.places if place.slower]
    if not slower:
        return []
    groups = list(dict.fromkeys(place.group for place in slower))
    told = [
        f"{_GROUPS[group]} ({join_names([place.name for place in slower if place.group == group])})" for group in groups
    ]
    others = [name for group, name in _GROUPS.items() if group not in groups]
    rest = f"; not found to be slower: {join_names(others)}" if others else ""
    stages = [place.name for place in report.places if place.group == "model"]
    hint = ["mark parts of the model by `with mmbench.stage(NAME):` to see which"] if stages == [OTHER] else []
    return [f"slower: {join_names(told)}{rest}", *(hint if "model" in groups else [])]


def _places(places: Sequence[Place]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("where")
    for header in ("base", "head", "change"):
        table.add_column(header, justify="right")
    table.add_column("")
    for place in places:
        change = place.change
        text = MISSING if change is None else f"{share(change.value, '+')} {bounds_text(change)}"
        name = escape(printable(place.name if place.group == "model" else f"{place.group}: {place.name}"))
        style, mark = ("bold red", "▲ slower") if place.slower else ("dim", "")
        table.add_row(name, duration(place.base_s), duration(place.head_s), text, mark, style=style)
    return table


def _about(report: GateReport) -> list[str]:
    """What a reader must know of how it was measured."""
    found = []
    timed = [finding.change for finding in report.findings if finding.base_s and finding.change]
    if report.findings:
        how = f"{100 * (timed[0].level or 0):.3g} % intervals over {processes_text(report)}; " if timed else ""
        found.append(f"change: above zero head costs more, or is worse; {how}{report.seconds:.0f} s in all")
    if report.weak:
        found.append("weak: base was stored by another run, so what the machine did meanwhile counts as head's")
    elif report.floor is None and timed:
        found.append("this runner's noise floor is not known: mmbench gate --calibrate measures it")
    # The first line has told those that made the verdict.
    others = [finding for finding in report.findings if finding.reason and finding.verdict is not report.verdict]
    found += [f"{finding.metric} ({finding.verdict.value}): {finding.reason}" for finding in others]
    answers = report.answers
    # A failure has told its reason, and that all are the same to the last digit is no news.
    if report.findings and (report.weak or (answers is not None and (answers.differ or answers.largest))):
        found.append(answers_text(report))
    unclear = any(finding.verdict is Verdict.INCONCLUSIVE and finding.base_s for finding in report.findings)
    if report.verdict is Verdict.INCONCLUSIVE and unclear and not report.weak:
        found.append(
            "next: more pairs (--most-pairs, --time-limit), a quieter machine, or a --budget that this one can hold"
        )
    return found
