"""The commit that made a model slower, found by gating: half of those that are left with each step."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import numpy as np

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.answers import compare_answers
from mmbench.gate.checkout import Repository, repository
from mmbench.gate.findings import timing
from mmbench.gate.gate import GateProgress
from mmbench.gate.link import SideError, SideName
from mmbench.gate.lock import alone
from mmbench.gate.options import TIMINGS, GateOptions
from mmbench.gate.pair import Pair, Pairs
from mmbench.gate.pingpong import log_ratios
from mmbench.gate.scratch import scratch_folder
from mmbench.gate.side import Side, opened
from mmbench.gate.verdict import change_of, straddles, too_few
from mmbench.gate.workload import Workload
from mmbench.record.gate import Change, Verdict
from mmbench.stats.ratio import ratio_of, share_above

CONFIDENCE = 0.95
"""That a commit lies on one side of the threshold, from which on a step is taken for certain."""


@dataclass(frozen=True, slots=True)
class Step:
    """One commit, compared with the good one.

    Attributes:
        commit: full name.
        change: by how much it is slower; `None` where it could not be measured.
        bad: slower than half of the way from good to bad; `None` where that was not measured.
        confidence: how sure that is.
        reason: why it could not be measured, or not well enough.
    """

    commit: str
    change: Change | None
    bad: bool | None
    confidence: float | None
    reason: str | None = None

    @property
    def certain(self) -> bool:
        """Whether the search may go on from it."""
        return self.confidence is not None and self.confidence >= CONFIDENCE


@dataclass(frozen=True, slots=True)
class Found:
    """What a bisection ends with.

    Attributes:
        candidates: the commits of which one is the first bad one; one, unless some could not be measured.
        steps: in the order in which they were made; the first is bad itself.
        confidence: that all steps were right, as far as they are independent.
        threshold: the slowdown from which on a commit counts as bad; `None` where bad itself is not certain.
        certain: every step is, by `CONFIDENCE`; else the search ended where one was not.
    """

    candidates: tuple[str, ...]
    steps: tuple[Step, ...]
    confidence: float
    threshold: float | None
    certain: bool


class BisectProgress(GateProgress):
    """Told how far a bisection is; does nothing."""

    def left(self, commits: int) -> None:
        """So many commits may be the first bad one."""

    def step(self, step: Step) -> None:
        """A commit was measured."""


def bisect(
    good: str, bad: str, workload: Workload, options: GateOptions, *, progress: BisectProgress | None = None
) -> Found:
    """Find the first commit after `good` and up to `bad` that is slower than half of the way between the two.

    Of merges the first parents are followed. A commit that does not build or run, or answers
    otherwise, is passed over for a neighbour.

    Args:
        good, bad: git references, the first an ancestor of the second.
        workload: what is run.
        options: one timing is gated.
        progress: told of each step.

    Raises:
        UsageError: this is no git repository, the references are not such, or `bad` is not slower than `good`.
        HarnessError: `good` or `bad` fails or does not build, or a worker was killed from outside.
    """
    here = repository(Path.cwd())
    if here is None:
        raise UsageError("a bisection needs a git repository, and this is none")
    if options.metrics != options.timings or len(options.timings) != 1:
        raise UsageError(f"a bisection follows one timing: --metric {', '.join(TIMINGS)}")
    progress = progress or BisectProgress()
    commits = _between(here, good, bad)
    try:
        with (
            alone(options.time_limit_s, progress.note),
            scratch_folder() as folder,
            TemporaryDirectory(dir=folder) as scratch,
            opened("base", here.known(good), Path(scratch)) as base,
        ):
            return _Search(base, workload, options, Path(folder), progress).run(commits)
    except SideError as error:  # of a commit between the two it is told as a step
        reason = f"--{'good' if error.side == 'base' else 'bad'}: {error.reason}"
        raise (UsageError if error.usage else HarnessError)(reason) from error


def _between(here: Repository, good: str, bad: str) -> list[str]:
    """The commits after `good` up to `bad`, oldest first."""
    first, last = here.known(good), here.known(bad)
    commits = here.first_parents(first, last)
    if not commits:
        raise UsageError(f"--good {good} is not before --bad {bad}: there is no commit between them")
    return commits


class _Search:
    def __init__(
        self, base: Side, workload: Workload, options: GateOptions, scratch: Path, progress: BisectProgress
    ) -> None:
        self._base, self._workload, self._options = base, workload, options
        (self._metric,) = options.timings
        self._scratch, self._progress = scratch, progress
        self._steps: list[Step] = []
        self._threshold = 0.0

    def run(self, commits: Sequence[str]) -> Found:
        """First the bad end, which tells how large the change is, then halves."""
        whole = self._measure(commits[-1], self._is_whole_clear)
        found, change = timing(self._metric, whole, self._options, None), self._change(whole)
        if found.verdict is Verdict.INCONCLUSIVE:
            self._add(Step(commits[-1], change, None, None, found.reason))
            return Found(tuple(commits), tuple(self._steps), 0.0, None, certain=False)
        if found.verdict is not Verdict.REGRESSION:
            raise UsageError(
                f"--bad is not slower than --good by more than the budget: {self._metric} {change.value:+.1%} "
                f"[{change.low:+.1%}, {change.high:+.1%}]"
            )
        self._threshold = _half_of(change)
        left = list(commits)  # the first bad one is among them, the last of them is bad
        unknown: set[str] = set()
        step: Step | None = self._take(commits[-1], whole)
        while step is not None and step.certain:
            place = left.index(step.commit)
            left = left[: place + 1] if step.bad else left[place + 1 :]
            if len(left) == 1:
                break
            self._progress.left(len(left))
            step = self._half(left, unknown)
        measured = [each for each in self._steps if each.change is not None]
        confidence = float(np.prod([each.confidence or 0.0 for each in measured]))
        certain = all(each.certain for each in measured)
        return Found(tuple(left), tuple(self._steps), confidence, self._threshold, certain)

    def _half(self, left: Sequence[str], unknown: set[str]) -> Step | None:
        """Measure the commit nearest to the middle that can be; the last is known to be bad."""
        middle = (len(left) - 2) / 2
        for commit in sorted(left[:-1], key=lambda each: abs(left.index(each) - middle)):
            if commit in unknown:
                continue
            try:
                pairs = self._measure(commit, lambda pairs: _surest(self._share(pairs, self._threshold)) >= CONFIDENCE)
            except SideError as error:
                if error.side == "base":
                    raise
                unknown.add(commit)
                self._add(Step(commit, None, None, None, error.reason))
                continue
            return self._take(commit, pairs)
        return None

    def _measure(self, commit: str, enough: Callable[[Sequence[Pair]], bool]) -> list[Pair]:
        """Pairs of the good commit and another, until there are enough, or no time for a further one."""
        pairs: list[Pair] = []
        with TemporaryDirectory(dir=self._scratch) as scratch, ExitStack() as stack:
            try:
                head = stack.enter_context(opened("head", commit, Path(scratch)))
            except UsageError as error:  # it lacks the folder where this runs
                raise SideError("head", str(error), usage=True) from error
            sides: dict[SideName, Side] = {"base": self._base, "head": head}
            until = monotonic() + self._options.time_limit_s
            maker = Pairs(sides, self._workload, self._options, Path(scratch), until)
            while len(pairs) < self._options.most_pairs and (len(pairs) < self._options.pairs or not enough(pairs)):
                if pairs and monotonic() + pairs[-1].again_s > until:
                    break
                self._progress.pair(len(pairs) + 1, self._options.most_pairs)
                pairs.append(maker.make())
                if len(pairs) == 1:
                    _check_answers(pairs[0])
        return pairs

    def _is_whole_clear(self, pairs: Sequence[Pair]) -> bool:
        """Whether bad lies on one side of the budget, and if above, for certain above half of its own change."""
        found, change = timing(self._metric, pairs, self._options, None), self._change(pairs)
        if straddles(change, found.budget):
            return False
        return found.verdict is not Verdict.REGRESSION or self._share(pairs, _half_of(change)) >= CONFIDENCE

    def _change(self, pairs: Sequence[Pair]) -> Change:
        return change_of(ratio_of([log_ratios(pair.blocks[self._metric]) for pair in pairs]))

    def _share(self, pairs: Sequence[Pair], threshold: float) -> float:
        """How sure it is that the commit is slower by more than the threshold."""
        return share_above([log_ratios(pair.blocks[self._metric]) for pair in pairs], float(np.log1p(threshold)))

    def _take(self, commit: str, pairs: Sequence[Pair]) -> Step:
        change = self._change(pairs)
        if len(pairs) < self._options.pairs:
            return self._add(Step(commit, change, None, None, too_few(len(pairs), self._options.pairs, "pairs")[1]))
        share = self._share(pairs, self._threshold)
        return self._add(Step(commit, change, share > 0.5, _surest(share)))

    def _add(self, step: Step) -> Step:
        self._steps.append(step)
        self._progress.step(step)
        return step


def _check_answers(pair: Pair) -> None:
    """A commit that answers otherwise cannot be compared by its speed.

    Raises:
        SideError: it does.
    """
    found = compare_answers(pair.answers["base"], pair.answers["head"])
    if found.differ:
        raise SideError(
            "head",
            f"answers otherwise than the good commit to {found.differ:,} of {found.samples:,} samples, so that its "
            "speed cannot be compared",
        )


def _half_of(change: Change) -> float:
    """Half of the way from good to bad, of logarithms."""
    return float(np.expm1(np.log1p(change.value) / 2))


def _surest(share: float) -> float:
    """How sure it is on which side, whichever it is."""
    return max(share, 1 - share)
