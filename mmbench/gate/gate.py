"""The gate: pairs of processes until every verdict is clear, or the time for it is over."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from mmbench.errors import UsageError
from mmbench.gate.answers import compare_answers
from mmbench.gate.findings import exact, places, timing
from mmbench.gate.link import SideError, SideName
from mmbench.gate.options import EXACT, TIMINGS, GateOptions
from mmbench.gate.pair import Pair, Pairs
from mmbench.gate.quality import quality
from mmbench.gate.side import Side
from mmbench.gate.verdict import overall
from mmbench.gate.workload import Workload
from mmbench.record.environment import capture
from mmbench.record.gate import Answers, Finding, Floor, GateReport, SideInfo, Verdict
from mmbench.record.store import new_run_id


class GateProgress:
    """Told how far a gate is; does nothing."""

    def pair(self, number: int, most: int) -> None:
        """A pair of processes is started."""

    def found(self, findings: Sequence[Finding]) -> None:
        """What all pairs so far say."""


def gate(
    base: Side,
    head: Side,
    workload: Workload,
    options: GateOptions,
    *,
    scratch: Path,
    floor: Floor | None = None,
    progress: GateProgress | None = None,
) -> GateReport:
    """Compare head with base.

    Args:
        base, head: code that is ready to run.
        workload: what both run.
        options: what is gated and how.
        scratch: a folder for logs and evaluations, which the caller removes.
        floor: of this runner, if it was calibrated.
        progress: told how far it is.

    Returns:
        The report. That head crashes, hangs, or answers otherwise than base is a verdict, and no error.

    Raises:
        UsageError: base refuses the workload.
        HarnessError: base fails, or a process was killed from outside.
    """
    began, created = monotonic(), datetime.now(UTC)
    progress = progress or GateProgress()
    sides: dict[SideName, Side] = {"base": base, "head": head}
    pairs: list[Pair] = []
    findings: list[Finding] = []
    answers: Answers | None = None
    failure: str | None = None
    maker = Pairs(sides, workload, options, scratch)
    try:
        while not _enough(pairs, findings, options, monotonic() - began):
            progress.pair(len(pairs) + 1, options.most_pairs)
            pairs.append(maker.make())
            if answers is None:
                answers = compare_answers(pairs[0].answers["base"], pairs[0].answers["head"])
                _check(answers, options)
            findings = _findings(pairs, options, floor)
            progress.found(findings)
    except SideError as error:
        if error.side == "base":
            raise UsageError(error.reason) if error.usage else error from error
        failure = error.reason
    verdict = Verdict.FAILURE if failure is not None else overall(findings)
    return GateReport(
        run_id=new_run_id(created),
        created=created,
        verdict=verdict,
        reason=failure or _reason(findings, verdict),
        base=_info(base, pairs, "base"),
        head=_info(head, pairs, "head"),
        workload=workload.to_json() | {"plugins": list(workload.plugins)},
        findings=[] if failure is not None else findings,
        places=[] if failure is not None else places(pairs, options.budget("throughput")),
        answers=answers,
        floor=floor,
        seconds=monotonic() - began,
        environment=capture(workload.threads),
        settings=asdict(options) | {"metrics": list(options.metrics), "budgets": dict(options.budgets)},
    )


def _enough(pairs: Sequence[Pair], findings: Sequence[Finding], options: GateOptions, seconds: float) -> bool:
    """Whether no further pair is wanted, or there is no time for one."""
    if not options.timings and pairs:
        return True
    if len(pairs) >= options.most_pairs:
        return True
    if pairs and seconds + seconds / len(pairs) > options.time_limit_s:
        return True
    if len(pairs) < options.pairs:
        return False
    return not any(_straddles(finding) for finding in findings)


def _straddles(finding: Finding) -> bool:
    change = finding.change
    return finding.metric in TIMINGS and change is not None and change.low <= finding.budget < change.high


def _check(answers: Answers, options: GateOptions) -> None:
    """Answers that differ end it, unless a quality is gated, which judges them.

    Raises:
        SideError: of head.
    """
    if answers.differ and not options.qualities:
        raise SideError(
            "head",
            f"answers otherwise than base to {answers.differ:,} of {answers.samples:,} samples ({answers.first}); "
            "if that is meant, gate a quality instead, as --metric accuracy",
        )


def _findings(pairs: Sequence[Pair], options: GateOptions, floor: Floor | None) -> list[Finding]:
    floors: Mapping[str, float] = floor.floors if floor is not None else {}
    found = []
    for metric in options.metrics:
        if metric in TIMINGS:
            found.append(timing(metric, pairs, options, floors.get(metric)))
        elif metric in EXACT:
            found.append(exact(metric, pairs, options))
        else:
            found.append(quality(metric, pairs[0], options))
    return found


def _reason(findings: Sequence[Finding], verdict: Verdict) -> str:
    """The findings that made the verdict, in words."""
    return "; ".join(_told(finding) for finding in findings if finding.verdict is verdict) or "nothing was gated"


def _told(finding: Finding) -> str:
    change = finding.change
    if change is None:
        return f"{finding.metric}: {finding.reason}"
    digits = f"{change.value:+.4f}" if finding.metric not in (*TIMINGS, *EXACT) else f"{change.value:+.1%}"
    bounds = ""
    if change.level is not None:
        form = "+.4f" if finding.metric not in (*TIMINGS, *EXACT) else "+.1%"
        bounds = f" [{change.low:{form}}, {change.high:{form}}]"
    return f"{finding.metric} {digits}{bounds}{f': {finding.reason}' if finding.reason else ''}"


def _info(side: Side, pairs: Sequence[Pair], name: SideName) -> SideInfo:
    versions = pairs[0].facts[name]["versions"] if pairs else {}
    return SideInfo(label=side.label, commit=side.commit, dirty=side.dirty, versions=versions)
