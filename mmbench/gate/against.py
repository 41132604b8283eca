"""Head against what another run stored: possible where base cannot be run any more, and weak.

Whatever the machine did between the two runs counts as head's, and a shared machine does much; so the report is marked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mmbench.errors import UsageError
from mmbench.gate.answers import digest
from mmbench.gate.core import while_timed
from mmbench.gate.floor import fingerprint
from mmbench.gate.gate import GateProgress, reason_for, without_places
from mmbench.gate.link import Link, SideError
from mmbench.gate.lock import alone
from mmbench.gate.options import TIMINGS, GateOptions
from mmbench.gate.pair import check_ran, iteration_seconds, prepare
from mmbench.gate.pingpong import Chunk, in_time
from mmbench.gate.scratch import scratch_folder
from mmbench.gate.side import Side, opened
from mmbench.gate.verdict import change_of, decide, overall, too_few
from mmbench.gate.workload import Workload
from mmbench.record.environment import capture
from mmbench.record.gate import Finding, Floor, GateReport, SideInfo, Verdict
from mmbench.record.store import new_run_id
from mmbench.stats.ratio import unpaired_ratio_of

_PLACES = ("data", "weights", "plugins")
"""Of a workload, what says only where files are."""

Timings = dict[str, NDArray[np.float64]]
"""Seconds of an iteration [blocks] of one process, by metric."""


def load_stored(path: Path, workload: Workload, options: GateOptions) -> GateReport:
    """The report of an earlier gate, whose head is to be the base now.

    Raises:
        UsageError: it is none, of another workload, or without timings of what is gated.
    """
    try:
        found = GateReport.model_validate_json(path.read_text(encoding="utf-8"), strict=True)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValidationError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no report of `mmbench gate --report json=FILE`") from error
    ours = without_places(workload)
    for name in sorted({*ours, *found.workload} - {*_PLACES}):
        if found.workload.get(name) != ours.get(name):
            there, here = (told.get(name) or "none" for told in (found.workload, ours))
            raise UsageError(f"{path} is of another workload: its {name} is {there}, and here it is {here}")
    stored = {finding.metric for finding in found.findings if finding.head_s}
    for metric in options.metrics:
        if metric not in stored:
            known = ", ".join(sorted(stored)) or f"none, its verdict is {found.verdict.value}"
            raise UsageError(f"{path} holds no timings of {metric}, only these can be gated against it: {known}")
    return found


def gate_against(
    stored: GateReport,
    head: str,
    workload: Workload,
    options: GateOptions,
    *,
    floor: Floor | None = None,
    progress: GateProgress | None = None,
) -> GateReport:
    """Compare head with the head of a stored report, by as many processes as a gate would have pairs.

    Raises:
        UsageError: there is no such code.
        HarnessError: a process was killed from outside.
    """
    began, created = monotonic(), datetime.now(UTC)
    progress = progress or GateProgress()
    same_machine = fingerprint(stored.environment) == fingerprint(capture(stored.environment.threads))
    processes: list[Timings] = []
    failure: str | None = None
    info = SideInfo(label=head, commit=None, dirty=False, versions={}, answers=None)
    try:
        with (
            alone(options.time_limit_s, progress.note),
            scratch_folder() as scratch,
            opened("head", head, Path(scratch)) as side,
        ):
            begun = monotonic()
            until = begun + options.time_limit_s
            for number in range(options.pairs):
                if processes and monotonic() + (monotonic() - begun) / number > until:
                    break
                progress.pair(number + 1, options.pairs)
                found = _measure(side, workload, options, number, Path(scratch), until)
                processes.append(found.timings)
                info = SideInfo(
                    label=side.label,
                    commit=side.commit,
                    dirty=side.dirty,
                    versions=found.facts["versions"],
                    answers=found.answers,
                )
                check_ran(found.facts, stored.ran, "what is stored")
                if same_machine and found.answers != stored.head.answers:
                    raise SideError(
                        "head",
                        "answers otherwise than what is stored; if that is meant, compare both live with --base",
                    )
    except SideError as error:
        if error.usage:
            raise UsageError(error.reason) from error
        failure = error.reason
    findings = [] if failure is not None else _findings(stored, processes, options, floor, same_machine=same_machine)
    verdict = Verdict.FAILURE if failure is not None else overall(findings)
    return GateReport(
        run_id=new_run_id(created),
        created=created,
        verdict=verdict,
        reason=failure or reason_for(findings, verdict),
        base=stored.head.model_copy(update={"label": f"{stored.head.label}, stored on {stored.created:%Y-%m-%d}"}),
        head=info,
        workload=without_places(workload),
        ran=stored.ran,
        findings=findings,
        places=[],
        answers=None,
        floor=floor,
        weak=True,
        seconds=monotonic() - began,
        environment=capture(workload.threads),
        settings=options.to_json(),
    )


@dataclass(frozen=True, slots=True)
class _Measured:
    """What one process gave; `answers` is the digest of its texts."""

    facts: dict[str, Any]
    answers: str
    timings: Timings


def _measure(
    side: Side, workload: Workload, options: GateOptions, number: int, scratch: Path, until: float
) -> _Measured:
    """One process: its facts and answers, and its timings in chunks as a gate's."""
    own = side.workload(workload, Path.cwd())
    link = side.start(scratch / f"head-{number}.log", number, own.threads)
    try:
        facts = prepare(link, own, options.patience_s)
        answers = digest(link.ask({"do": "answers"}, options.patience_s))
        with while_timed([link.process], facts["device"], own.threads):
            timings = {metric: _blocks(link, metric, options, until) for metric in options.metrics}
        return _Measured(facts, answers, timings)
    except BaseException:
        link.kill()
        raise
    finally:
        link.close()


def _blocks(link: Link, metric: str, options: GateOptions, until: float) -> NDArray[np.float64]:
    """Seconds of an iteration, [blocks]: the mean of two chunks, as a side of a gate has in a block."""
    chunk = Chunk.lasting(options.chunk_s, iteration_seconds(link, metric, options.patience_s))
    request = chunk.request(metric)
    blocks = [
        [sum(link.ask(request, options.patience_s).values()) for _ in range(2)]
        for _ in in_time(chunk.blocks(options.blocks, options.play_s), until)
    ]
    means: NDArray[np.float64] = np.mean(blocks, axis=1)
    return means


def _findings(
    stored: GateReport,
    processes: Sequence[Timings],
    options: GateOptions,
    floor: Floor | None,
    *,
    same_machine: bool,
) -> list[Finding]:
    return [
        _finding(old, [process[old.metric] for process in processes], options, floor, same_machine=same_machine)
        for old in stored.findings
        if old.metric in options.metrics
    ]


def _finding(
    old: Finding,
    blocks: Sequence[NDArray[np.float64]],
    options: GateOptions,
    floor: Floor | None,
    *,
    same_machine: bool,
) -> Finding:
    assert old.metric in TIMINGS and old.head_s and old.head  # noqa: S101, PT018  # load_stored has looked
    before = [np.log(process) for process in old.head_s]
    ratio = unpaired_ratio_of(before, [np.log(process) for process in blocks], level=options.timing_level)
    change, budget = change_of(ratio), options.budget(old.metric)
    verdict, reason = decide(change, budget, None if floor is None else floor.floors.get(old.metric))
    if len(blocks) < options.pairs:
        verdict, reason = too_few(len(blocks), options.pairs, "processes")
    if not same_machine:
        verdict, reason = Verdict.INCONCLUSIVE, "it was stored on another kind of machine, or by other versions"
    return Finding(
        metric=old.metric,
        unit=old.unit,
        higher_is_better=old.higher_is_better,
        base=old.head,
        head=old.head / (1 + change.value) if old.higher_is_better else old.head * (1 + change.value),
        change=change.model_copy(update={"method": "medians over the blocks of processes, one side after the other"}),
        budget=budget,
        verdict=verdict,
        reason=reason,
        base_s=old.head_s,
        head_s=[process.tolist() for process in blocks],
    )
