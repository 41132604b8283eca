"""GitHub markdown: for a step's summary and for a comment on a pull request."""

from collections.abc import Mapping, Sequence

from mmbench.errors import join_names, printable
from mmbench.gate.checkout import short_name
from mmbench.gate.words import (
    answers_text,
    bounds_text,
    budget_text,
    change_text,
    interval_text,
    processes_text,
    relative,
    share,
    value_text,
    workload_text,
)
from mmbench.leaderboard.cells import MISSING
from mmbench.leaderboard.markup import escape_markdown, markdown
from mmbench.leaderboard.sheet import Cell, Column, Note, Sheet
from mmbench.leaderboard.units import duration
from mmbench.record.gate import Finding, Floor, GateReport, Place, SideInfo, Verdict

LIMIT = 65_536
"""Bytes of a report. A comment holds as many characters; the summary of a step holds 1,024 kB."""

_RESERVE = 256  # bytes to say what was left out
_LONGEST = 1000  # characters of one text
_GROUPS = {"model": "model stage", "data": "data step", "start": "start"}
_GOOD = (Verdict.PASS, Verdict.IMPROVEMENT)


def to_markdown(report: GateReport) -> str:
    """Write the verdict with its reason, the findings, where head is slower, and how it was measured.

    All other places are folded. What would make it longer than `LIMIT` is left out, and named.
    """
    slower = [place for place in report.places if place.slower]
    others = [place for place in report.places if not place.slower]
    return _fit(
        {
            "the verdict": _verdict(report),
            "the findings": _findings(report.findings),
            "the slower places": _slower(slower, others),
            "how it was measured": _about(report),
            "the other places": _folded(others),
        }
    )


def _fit(parts: Mapping[str, str]) -> str:
    """Join the parts that are not empty and fit, in order."""
    kept, left_out, room = [], [], LIMIT - _RESERVE
    for name, text in parts.items():
        length = len(text.encode()) + 1
        if length > room:
            left_out.append(name)
        elif text:
            kept.append(text)
            room -= length
    if left_out:
        kept.append(f"Left out for length: {join_names(left_out)}.\n")
    return "\n".join(kept)


def _plain(text: str) -> str:
    """One line of bounded length in which `@` calls nobody; not yet escaped."""
    text = printable(text)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return text.replace("@", "@\N{ZERO WIDTH SPACE}")


def _escaped(text: str) -> str:
    return escape_markdown(_plain(text))


def _sentence(text: str) -> str:
    return f"{_escaped(text[:1].upper() + text[1:])}."


def _verdict(report: GateReport) -> str:
    return f"**mmbench gate: {report.verdict.value}.** {_escaped(report.reason)}\n"


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return ""
    columns = (
        Column("metric", [Cell(_plain(each.metric)) for each in findings], numeric=False),
        Column("base", [Cell(_plain(value_text(each, each.base))) for each in findings]),
        Column("head", [Cell(_plain(value_text(each, each.head))) for each in findings]),
        Column("change", [Cell(change_text(each), interval_text(each)) for each in findings]),
        Column("budget", [Cell(budget_text(each)) for each in findings]),
        Column("verdict", [Cell(each.verdict.value, best=each.verdict not in _GOOD) for each in findings], False),
    )
    reasons = [Note(_plain(f"{each.metric}: {each.reason}.")) for each in findings if each.reason]
    return markdown([Sheet("Findings", columns, (Note(_about_changes(findings)), *reasons))])


def _about_changes(findings: Sequence[Finding]) -> str:
    levels = {each.change.level for each in findings if each.change is not None}
    text = "Change: by how much head costs more than base; above zero is worse."
    if not all(map(relative, findings)):
        text += " Of a quality it is the plain difference."
    shown = sorted(level for level in levels if level is not None)
    if shown:
        text += f" In brackets: {' or '.join(f'{100 * level:.3g}%' for level in shown)} intervals."
    return text + (" A change without one is exact." if shown and None in levels else "")


def _slower(slower: Sequence[Place], others: Sequence[Place]) -> str:
    if slower:
        mark = Column("", [Cell("▲ slower", best=True) for _ in slower], numeric=False)
        return markdown([Sheet("Where head is slower", (*_place_columns(slower), mark))])
    return "No part of the model, of the data pipeline or of the start is found to be slower.\n" if others else ""


def _folded(others: Sequence[Place]) -> str:
    if not others:
        return ""
    count = f"{len(others):,} place{'s' * (len(others) != 1)} not found to be slower"
    table = markdown([Sheet("Other places", _place_columns(others))])
    # Inside HTML, markdown is read as such only behind an empty line.
    return f"<details>\n<summary>{count}</summary>\n\n{table}\n</details>\n"


def _place_columns(places: Sequence[Place]) -> tuple[Column, ...]:
    return (
        Column("place", [Cell(_plain(place.name)) for place in places], numeric=False),
        Column("part of", [Cell(_GROUPS[place.group]) for place in places], numeric=False),
        Column("base", [Cell(duration(place.base_s)) for place in places]),
        Column("head", [Cell(duration(place.head_s)) for place in places]),
        Column("change", [_place_change(place) for place in places]),
    )


def _place_change(place: Place) -> Cell:
    if place.change is None:
        return Cell(MISSING)
    return Cell(share(place.change.value, "+"), bounds_text(place.change))


def _about(report: GateReport) -> str:
    processes = processes_text(report)
    lines = [
        *(["Weak: base was stored by another run, so drift of the machine counts as head's."] if report.weak else []),
        _sentence(answers_text(report) or "answers were not compared"),
        f"Base: {_side(report.base)}.",
        f"Head: {_side(report.head)}.",
        *_versions(report.base, report.head),
        f"Both ran {_escaped(workload_text(report))}.",
        f"Measured for {duration(report.seconds)}{f', {processes}' if processes else ''}.",
        _floor(report.floor),
    ]
    return "".join(f"- {line}\n" for line in lines)


def _side(side: SideInfo) -> str:
    commit = short_name(side.commit or "")
    told = [
        *([f"commit {_escaped(commit)}"] if commit not in side.label else []),  # most labels tell it
        *(["with changes that are not committed"] if side.dirty and "with changes" not in side.label else []),
    ]
    return f"{_escaped(side.label)} ({', '.join(told)})" if told else _escaped(side.label)


def _versions(base: SideInfo, head: SideInfo) -> list[str]:
    """Packages that differ, in one line, if there are any."""
    differ = [
        f"{name} {base.versions.get(name, 'missing')} and {head.versions.get(name, 'missing')}"
        for name in sorted({*base.versions, *head.versions})
        if base.versions.get(name) != head.versions.get(name)
    ]
    return [f"Versions differ (base and head): {_escaped(', '.join(differ))}."] if differ else []


def _floor(floor: Floor | None) -> str:
    if floor is None:
        return "The noise floor of this runner is not known: it was not calibrated."
    told = ", ".join(f"{name} {share(value)}" for name, value in floor.floors.items())
    return f"Noise floor of this runner ({floor.pairs:,} pairs, {floor.created:%Y-%m-%d}): {_escaped(told)}."
