"""From changes and budgets to verdicts."""

from collections.abc import Sequence

from mmbench.gate.options import TIMINGS
from mmbench.record.gate import Change, Finding, Verdict
from mmbench.stats.ratio import Ratio

_RANK = (Verdict.FAILURE, Verdict.REGRESSION, Verdict.INCONCLUSIVE, Verdict.IMPROVEMENT, Verdict.PASS)
"""The first of the verdicts on single metrics is that on all."""

_STANDS_FROM = 6
"""Pairs from which on a verdict stands though the interval straddles the budget, as it does for most changes that are a
little above it; only where there is none yet do more pairs help."""


def change_of(ratio: Ratio) -> Change:
    """A ratio of head's time by base's as a change."""
    return Change(
        value=ratio.value - 1,
        low=ratio.low - 1,
        high=ratio.high - 1,
        level=ratio.level,
        method="median over blocks of four alternating chunks, less the effect of their order, and mean over pairs of "
        "processes, of logarithms; "
        "hierarchical bootstrap over pairs and their blocks, at least Student's t over pairs",
        pairs=ratio.pairs,
        blocks=ratio.blocks,
    )


def exact_change(base: float, head: float) -> Change:
    """Of numbers that are the same each time."""
    value = head / base - 1 if base else (0.0 if head == base else 1.0)
    return Change(value=value, low=value, high=value, level=None, method="exact", pairs=1, blocks=0)


def straddles(change: Change, budget: float) -> bool:
    """Whether the budget lies within the interval."""
    return change.low <= budget < change.high


def decide(
    change: Change, budget: float, floor: float | None = None, *, relative: bool = True
) -> tuple[Verdict, str | None]:
    """The verdict on one metric, and why it is no other where that is not plain.

    A regression is worse by more than the budget at best estimate, and worse in any case: the whole interval lies above
    zero. (Asking that it lie above the budget would miss most changes that are a little above it.) A pass has the whole
    interval at or below the budget; an improvement is better by more than it might have been worse, as a regression is
    worse. All else is inconclusive, and so is everything where the runner's noise floor exceeds the budget.

    Args:
        change: above zero is worse.
        budget: the change that is borne.
        floor: what the same code seems to change on this runner; `None` if not known.
        relative: the change is a share, and no difference as that of a quality.
    """
    if floor is not None and floor > budget:
        return (
            Verdict.INCONCLUSIVE,
            f"the noise floor of this runner, {floor:.1%}, exceeds the budget, {budget:.1%}",
        )
    if change.value > budget and change.low > 0:
        return Verdict.REGRESSION, None
    if _looks_better(change, budget, relative=relative) and change.high < 0:
        return Verdict.IMPROVEMENT, None
    if change.high > budget:
        if change.low > 0:
            return Verdict.INCONCLUSIVE, "worse for certain, but perhaps by no more than the budget"
        return Verdict.INCONCLUSIVE, "the interval straddles the budget"
    return Verdict.PASS, None


def _looks_better(change: Change, budget: float, *, relative: bool = True) -> bool:
    """Whether head is better at best estimate, by more than it might have been worse."""
    return change.value < (-budget / (1 + budget) if relative else -budget)


def may_change(finding: Finding, floor: float, pairs: int) -> bool:
    """Whether more pairs of processes may change the verdict on a metric, or make it one.

    Args:
        finding: of the pairs so far.
        floor: the runner's noise; 0 if not known.
        pairs: how many they are.
    """
    if finding.metric not in TIMINGS or floor > finding.budget or finding.change is None:
        return False
    if pairs < _STANDS_FROM:
        uncertain = _looks_better(finding.change, finding.budget) and finding.change.high >= 0
        return uncertain or straddles(finding.change, finding.budget)
    return finding.verdict is Verdict.INCONCLUSIVE


def too_few(made: int, wanted: int, what: str) -> tuple[Verdict, str]:
    """The verdict on fewer than there should be, of `what`: the blocks of one process know nothing of another's."""
    return Verdict.INCONCLUSIVE, f"{made} of {wanted} {what} were made in the time for it (--time-limit)"


def overall(findings: Sequence[Finding]) -> Verdict:
    """The gravest verdict; an improvement counts where nothing is worse."""
    given = {finding.verdict for finding in findings}
    return next((verdict for verdict in _RANK if verdict in given), Verdict.PASS)
