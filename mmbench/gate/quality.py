"""Qualities of both sides: the same rows, or a paired difference on the same samples."""

from mmbench.errors import HarnessError, unknown_name
from mmbench.gate.link import SideError
from mmbench.gate.options import GateOptions
from mmbench.gate.pair import Pair
from mmbench.gate.verdict import decide
from mmbench.leaderboard.compare import compare_runs
from mmbench.leaderboard.comparison import Gap
from mmbench.leaderboard.stored_run import find_runs
from mmbench.metrics.load import load_metric
from mmbench.record.gate import Change, Finding, Verdict


def quality(metric: str, pair: Pair, options: GateOptions) -> Finding:
    """A metric of the task on all samples of the split.

    Raises:
        UsageError: base has no such metric.
        SideError: head has not.
    """
    base, head = find_runs([pair.runs["base"], pair.runs["head"]])
    if metric not in base.record.metrics:
        raise unknown_name("metric of base:", metric, base.record.metrics)
    if metric not in head.record.metrics:
        raise SideError("head", f"has no metric {metric!r}, which base has")
    found = compare_runs([base, head], metric=metric, every_run=True)  # the first is the baseline
    (gap,) = [entry.gap for entry in found.entries if entry.gap is not None]
    value = base.record.metrics[metric]
    better = load_metric(metric).higher_is_better is not False
    change = _change(gap, better)
    budget = options.budget(metric)
    unknown = Verdict.INCONCLUSIVE, "the metric has no interval"
    verdict, reason = unknown if change is None else decide(change, budget, relative=False)
    return Finding(
        metric=metric,
        unit="",
        higher_is_better=better,
        base=value.value,
        head=head.record.metrics[metric].value,
        change=change,
        budget=budget,
        verdict=verdict,
        reason=reason,
    )


def _change(gap: Gap, better: bool) -> Change | None:
    if gap.difference is None:
        raise HarnessError("no sample was scored on both sides")
    found = gap.difference.interval
    if found.value is None:
        return None
    bounds = (found.value, found.value) if found.low is None or found.high is None else (found.low, found.high)
    if found.low is None and found.value != 0:
        return None
    low, high = (-bounds[1], -bounds[0]) if better else bounds
    return Change(
        value=-found.value if better else found.value,
        low=low,
        high=high,
        level=None if found.low is None else found.level,
        method="rows are the same" if found.low is None else f"paired difference, {found.method}",
        pairs=1,
        blocks=found.n,
    )
