"""From pairs to findings: each gated metric with its change, and where the time goes."""

from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmbench.gate.options import GateOptions
from mmbench.gate.pair import SIDES, Pair, started
from mmbench.gate.pingpong import log_ratios, parts, seconds
from mmbench.gate.verdict import change_of, decide, exact_change
from mmbench.record.gate import Finding, Place, Verdict
from mmbench.stats.ratio import ratio_of

_EXACT = {
    "memory": ("memory_bytes", "bytes"),
    "flops": ("flops_per_sample", "FLOP/sample"),
}
_GROUPS: dict[str, Literal["model", "data"]] = {"stages": "model", "data": "data"}
_START = {"load": "load_s", "first call": "first_s", "warm-up": "warm_s"}
_START_BUDGET = 0.25
"""A start is timed once a process, beside another that starts: less than this is no news."""

_FEWEST = 3
"""Pairs from which the start of a process, of which each pair has one, can be told to differ."""


def timing(metric: str, pairs: Sequence[Pair], options: GateOptions, floor: float | None) -> Finding:
    """A timed metric: `throughput` in samples/s, `latency` and `data` in seconds."""
    blocks = [pair.blocks[metric] for pair in pairs]
    change = change_of(ratio_of([log_ratios(each) for each in blocks], level=options.timing_level))
    budget = options.budget(metric)
    verdict, reason = decide(change, budget, floor)
    base_s, head_s = ([seconds(each, side) for each in blocks] for side in SIDES)
    size = pairs[0].facts["base"]["batch_size"]
    per_s = metric == "throughput"
    base, head = (_typical(each) for each in (base_s, head_s))
    return Finding(
        metric=metric,
        unit="samples/s" if per_s else "s/batch" if metric == "data" else "s",
        higher_is_better=per_s,
        base=size / base if per_s else base,
        head=size / head if per_s else head,
        change=change,
        budget=budget,
        verdict=verdict,
        reason=reason,
        base_s=[each.tolist() for each in base_s],
        head_s=[each.tolist() for each in head_s],
    )


def exact(metric: str, pairs: Sequence[Pair], options: GateOptions) -> Finding:
    """`memory` of the model and one batch, `flops`, or `parameters`; the least of all pairs, since memory varies."""
    budget = options.budget(metric)
    if metric == "parameters":
        unit, found = "parameters", {side: _least(pair.facts[side]["parameters"] for pair in pairs) for side in SIDES}
    else:
        name, unit = _EXACT[metric]
        found = {side: _least(pair.static[side][name] for pair in pairs) for side in SIDES}
    base, head = found["base"], found["head"]
    if base is None or head is None:
        lacking = "base" if base is None else "head"
        return _without(metric, unit, budget, f"{lacking} cannot tell: some of its work is not counted")
    change = exact_change(base, head)
    verdict, reason = decide(change, budget)
    return Finding(
        metric=metric,
        unit=unit,
        higher_is_better=False,
        base=base,
        head=head,
        change=change,
        budget=budget,
        verdict=verdict,
        reason=reason,
    )


def places(pairs: Sequence[Pair], budget: float) -> list[Place]:
    """Where time goes: stages of the model, steps of the data pipeline, and the start of the process."""
    found = []
    for kind, group in _GROUPS.items():
        of_kind = [pair.blocks[kind] for pair in pairs]
        for name in parts([block for blocks in of_kind for block in blocks]):
            ratios = [log_ratios(blocks, name) for blocks in of_kind]
            change = change_of(ratio_of(ratios)) if all(len(each) for each in ratios) else None
            base_s, head_s = (_typical([seconds(each, side, name) for each in of_kind]) for side in SIDES)
            found.append(
                Place(
                    name=name.removeprefix("data."),
                    group=group,
                    base_s=base_s,
                    head_s=head_s,
                    change=change,
                    slower=change is not None and change.low > budget,
                )
            )
    return found + [_start_place(name, fact, pairs, budget) for name, fact in _START.items()]


def _start_place(name: str, fact: str, pairs: Sequence[Pair], budget: float) -> Place:
    """Every pair has one time of each side: head is slower where it is so in every pair, by more than the budget."""
    base, head = (np.array(started(pairs, side, fact)) for side in SIDES)
    ratios = np.log(head / base)
    enough = len(pairs) >= _FEWEST
    return Place(
        name=name,
        group="start",
        base_s=float(np.median(base)),
        head_s=float(np.median(head)),
        change=change_of(ratio_of([ratios])) if enough else None,
        slower=enough and float(np.exp(ratios.min())) - 1 > max(budget, _START_BUDGET),
    )


def _least(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known, default=None)


def _typical(by_pair: Sequence[NDArray[np.float64]]) -> float:
    return float(np.median(np.concatenate(by_pair)))


def _without(metric: str, unit: str, budget: float, reason: str) -> Finding:
    return Finding(
        metric=metric,
        unit=unit,
        higher_is_better=False,
        base=None,
        head=None,
        change=None,
        budget=budget,
        verdict=Verdict.INCONCLUSIVE,
        reason=reason,
    )
