"""The gate: pairs of processes until every verdict is clear, or the time for it is over."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.answers import compare_answers, digest
from mmbench.gate.findings import exact, places, timing
from mmbench.gate.floor import CALIBRATION_PAIRS, floor_of
from mmbench.gate.link import SideError, SideName
from mmbench.gate.lock import alone
from mmbench.gate.options import EXACT, TIMINGS, GateOptions
from mmbench.gate.pair import SAME, SIDES, Pair, Pairs
from mmbench.gate.quality import load_brought, quality
from mmbench.gate.scratch import scratch_folder
from mmbench.gate.side import Side, opened
from mmbench.gate.verdict import may_change, overall
from mmbench.gate.words import told
from mmbench.gate.workload import Workload
from mmbench.part import Json
from mmbench.record.environment import capture
from mmbench.record.gate import Answers, Finding, Floor, GateReport, SideInfo, Verdict
from mmbench.record.store import new_run_id


class GateProgress:
    """Told how far a gate is; does nothing."""

    def note(self, message: str) -> None:
        """Something the user should know."""

    def pair(self, number: int, most: int) -> None:
        """A pair of processes is started."""

    def found(self, findings: Sequence[Finding]) -> None:
        """What all pairs so far say."""


def gate(
    base: str,
    head: str,
    workload: Workload,
    options: GateOptions,
    *,
    floor: Floor | None = None,
    progress: GateProgress | None = None,
) -> GateReport:
    """Compare head with base: a git reference, a folder, or the interpreter of an environment each.

    Args:
        base, head: code to run.
        workload: what both run.
        options: what is gated and how.
        floor: of this runner, if it was calibrated.
        progress: told how far it is.

    Returns:
        The report. That head does not build, crashes, hangs, or answers otherwise than base is a verdict, and no error.

    Raises:
        UsageError: there is no such code, or base refuses the workload.
        HarnessError: base fails, or a process was killed from outside; nothing is left behind.
    """
    progress = progress or GateProgress()
    work = _Gate(workload, options, floor, progress)
    try:
        with alone(options.time_limit_s, progress.note), both_opened(base, head, work.sides) as scratch:
            work.run(scratch)
    except SideError as error:
        if error.side == "base":
            raise UsageError(error.reason) if error.usage else error from error
        work.failure = error.reason
    return work.report(base, head)


def calibrate(code: str, workload: Workload, options: GateOptions, *, progress: GateProgress | None = None) -> Floor:
    """Measure code against itself: what a gate on this runner would find where nothing has changed.

    In less time than it takes there are fewer pairs, which tell less, so that the floor is higher.

    Raises:
        UsageError: there is no such code, it refuses the workload, or no timing is gated.
        HarnessError: it fails.
    """
    if not options.timings:
        raise UsageError(f"there is noise to calibrate in timings only: --metric {', '.join(TIMINGS)}")
    progress = progress or GateProgress()
    try:
        sides: dict[SideName, Side] = {}
        with alone(options.time_limit_s, progress.note), both_opened(code, code, sides) as scratch:
            until = monotonic() + options.time_limit_s
            maker = Pairs(sides, workload, replace(options, metrics=options.timings, budgets={}), scratch, until)
            pairs: list[Pair] = []
            while len(pairs) < CALIBRATION_PAIRS and not (pairs and monotonic() + pairs[-1].again_s > until):
                progress.pair(len(pairs) + 1, CALIBRATION_PAIRS)
                pairs.append(maker.make())
    except SideError as error:
        raise (UsageError if error.usage else HarnessError)(error.reason) from error  # both sides are the same
    if len(pairs) < CALIBRATION_PAIRS:
        progress.note(
            f"{len(pairs)} of {CALIBRATION_PAIRS} pairs were made in the time for it (--time-limit), so that the floor "
            "is higher than it need be"
        )
    return floor_of(pairs, workload, options)


@contextmanager
def both_opened(base: str, head: str, sides: dict[SideName, Side]) -> Iterator[Path]:
    """Make both sides ready to run, and a folder for what they write; all of it is gone afterwards.

    Args:
        base, head: code to run.
        sides: gets each as soon as it is ready.

    Raises:
        UsageError, SideError, HarnessError: as `opened`.
    """
    with (
        scratch_folder() as folder,
        ExitStack() as stack,
    ):
        scratch = Path(folder)
        for name, text in zip(SIDES, (base, head), strict=True):
            (scratch / name).mkdir()
            sides[name] = stack.enter_context(opened(name, text, scratch / name))
        yield scratch


class _Gate:
    """What is known so far.

    Attributes:
        failure: why head failed; `None` if it did not.
        sides: those that are ready.
    """

    def __init__(self, workload: Workload, options: GateOptions, floor: Floor | None, progress: GateProgress) -> None:
        self.failure: str | None = None
        self._workload, self._options, self._floor, self._progress = workload, options, floor, progress
        self._created, self._began = datetime.now(UTC), monotonic()
        self.sides: dict[SideName, Side] = {}
        self._pairs: list[Pair] = []
        self._findings: list[Finding] = []
        self._answers: Answers | None = None

    def run(self, scratch: Path) -> None:
        """Make pairs until the verdicts are clear.

        Raises:
            SideError, HarnessError: as `Pairs.make`; or head answers otherwise than base.
        """
        for name, side in self.sides.items():
            if side.dirty:
                self._progress.note(f"{name} has changes that are not committed, and is measured with them")
        options = self._options
        load_brought(options.qualities, self.sides["base"], self._workload)
        begun = monotonic()
        maker = Pairs(self.sides, self._workload, options, scratch, begun + options.time_limit_s)
        floors: Mapping[str, float] = self._floor.floors if self._floor is not None else {}
        qualities: dict[str, Finding] = {}
        while not _enough(self._pairs, self._findings, options, floors, monotonic() - begun):
            self._progress.pair(len(self._pairs) + 1, options.most_pairs)
            self._pairs.append(maker.make())
            if self._answers is None:
                answers = self._pairs[0].answers
                self._answers = compare_answers(answers["base"], answers["head"])
                _check(self._answers, options)
                qualities = {metric: quality(metric, self._pairs[0], options) for metric in options.qualities}
            self._findings = _findings(self._pairs, options, floors, qualities)
            self._progress.found(self._findings)

    def report(self, base: str, head: str) -> GateReport:
        """All of it; `base` and `head` as they were called."""
        failed = self.failure is not None
        verdict = Verdict.FAILURE if failed else overall(self._findings)
        options = self._options
        return GateReport(
            run_id=new_run_id(self._created),
            created=self._created,
            verdict=verdict,
            reason=self.failure or reason_for(self._findings, verdict),
            base=self._info("base", base),
            head=self._info("head", head),
            workload=without_places(self._workload),
            ran={name: self._pairs[0].facts["base"][name] for name in SAME} if self._pairs else {},
            findings=[] if failed else self._findings,
            places=[] if failed else places(self._pairs, options.budget("throughput")),
            answers=self._answers,
            floor=self._floor,
            seconds=monotonic() - self._began,
            environment=capture(self._workload.threads),
            settings=options.to_json(),
        )

    def _info(self, name: SideName, text: str) -> SideInfo:
        side, first = self.sides.get(name), next(iter(self._pairs), None)
        versions = first.facts[name]["versions"] if first else {}
        answers = digest(first.answers[name]) if first else None
        if side is None:  # it could not be made ready
            return SideInfo(label=text, commit=None, dirty=False, versions=versions, answers=answers)
        return SideInfo(label=side.label, commit=side.commit, dirty=side.dirty, versions=versions, answers=answers)


def without_places(workload: Workload) -> dict[str, Json]:
    """As a report may tell it: files by their names, since where they lie is of one machine."""
    told = workload.to_json()
    files = {name: Path(told[name]).name for name in ("data", "weights") if told[name]}
    model = ":".join(_nameless(part) for part in workload.model.split(":"))
    options = (setting.partition("=") for setting in workload.settings)
    settings = {"settings": [f"{name}={_nameless(value)}" for name, _, value in options]} if workload.settings else {}
    return told | files | settings | {"model": model, "plugins": [Path(file).name for file in workload.plugins]}


def _nameless(text: str) -> str:
    """The last part of an absolute path; any other text as it is."""
    return Path(text).name if Path(text).expanduser().is_absolute() else text


def _enough(
    pairs: Sequence[Pair],
    findings: Sequence[Finding],
    options: GateOptions,
    floors: Mapping[str, float],
    seconds: float,
) -> bool:
    """Whether no further pair is wanted, or there is no time for one."""
    if pairs and not options.timings and "memory" not in options.metrics:
        return True
    if len(pairs) >= options.most_pairs:
        return True
    if pairs and seconds + pairs[-1].again_s > options.time_limit_s:
        return True
    if len(pairs) < options.pairs:
        return False
    return not any(may_change(finding, floors.get(finding.metric, 0.0), len(pairs)) for finding in findings)


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


def _findings(
    pairs: Sequence[Pair], options: GateOptions, floors: Mapping[str, float], qualities: Mapping[str, Finding]
) -> list[Finding]:
    found = []
    for metric in options.metrics:
        if metric in TIMINGS:
            found.append(timing(metric, pairs, options, floors.get(metric)))
        elif metric in EXACT:
            found.append(exact(metric, pairs, options))
        else:
            found.append(qualities[metric])
    return found


def reason_for(findings: Sequence[Finding], verdict: Verdict) -> str:
    """The findings that made the verdict, in words."""
    return "; ".join(told(finding) for finding in findings if finding.verdict is verdict) or "nothing was gated"
