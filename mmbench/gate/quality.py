"""Qualities of both sides: the same rows, or a paired difference on the same samples."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from mmbench.errors import HarnessError, UsageError, unknown_name
from mmbench.gate.link import SideError
from mmbench.gate.options import GateOptions
from mmbench.gate.pair import SIDES, Pair
from mmbench.gate.side import Side
from mmbench.gate.verdict import decide
from mmbench.gate.workload import Workload
from mmbench.leaderboard.compare import compare_runs
from mmbench.leaderboard.comparison import Gap
from mmbench.leaderboard.stored_run import find_runs, read_rows
from mmbench.metrics.load import load_metric
from mmbench.record.gate import Change, Finding, Verdict
from mmbench.registry import load_plugin_file, registry


def load_brought(metrics: Sequence[str], base: Side, workload: Workload) -> None:
    """Let this process have metrics that only plugins bring, which are base's: what was there before judges.

    Raises:
        UsageError: a plugin fails.
    """
    if all(":" in metric or metric in registry.names("metric") for metric in metrics):
        return
    with _importable(base.site or base.folder):
        for file in base.workload(workload, Path.cwd()).plugins:
            load_plugin_file(base.folder / file)


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Let a plugin import what lies there, as it does in a worker, where nothing else has that name."""
    sys.path.append(str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def quality(metric: str, pair: Pair, options: GateOptions) -> Finding:
    """A metric of the task on all samples of the split.

    Raises:
        UsageError: base has no such metric, or no rows of it that could be paired.
        SideError: head has not, or its samples or how they are scored are others.
    """
    runs = find_runs([pair.runs[side] for side in SIDES])
    base, head = (replace(run, place=side) for run, side in zip(runs, SIDES, strict=True))
    kind = load_metric(metric)
    if kind.name not in base.record.metrics:
        raise unknown_name("metric of base:", kind.name, base.record.metrics)
    if kind.name not in head.record.metrics:
        raise SideError("head", f"has no metric {kind.name!r}, which base has")
    read_rows([base], kind())  # what fails here is no fault of head
    try:
        found = compare_runs([base, head], metric=metric, every_run=True)  # the first is the baseline
    except UsageError as error:
        raise SideError("head", str(error)) from error
    (gap,) = [entry.gap for entry in found.entries if entry.gap is not None]
    better = kind.higher_is_better is not False
    change = _change(gap, better)
    budget = options.budget(metric)
    unknown = Verdict.INCONCLUSIVE, "the metric has no interval"
    verdict, reason = unknown if change is None else decide(change, budget, relative=False)
    return Finding(
        metric=kind.name,
        unit="",
        higher_is_better=better,
        base=base.record.metrics[kind.name].value,
        head=head.record.metrics[kind.name].value,
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
