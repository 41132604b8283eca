"""From pairs to findings: each gated metric with its change, and where the time goes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmbench.errors import join_names
from mmbench.gate.link import SideName
from mmbench.gate.options import GateOptions
from mmbench.gate.pair import PLACE_PAIRS, SIDES, Pair
from mmbench.gate.pingpong import log_ratios, parts, seconds
from mmbench.gate.verdict import change_of, decide, exact_change, too_few
from mmbench.record.gate import Change, Finding, Place, Verdict
from mmbench.stats.ratio import ratio_of

_EXACT = {
    "memory": ("memory_bytes", "bytes"),
    "flops": ("flops_per_sample", "FLOP/sample"),
}
_SAME_BYTES = 256 * 1024
"""That is borne: resident memory of processes of the same code was measured to differ by up to half of it, of 12 MB."""

_GROUPS: dict[str, Literal["model", "data"]] = {"stages": "model", "data": "data"}
_BEYOND_DOUBT = 0.5
"""A slowdown that needs no second pair."""

_LEAST_SHARE = 0.01
"""Of the time of all parts: a part that takes less than that more is no place where time goes."""

_START_BUDGET = 0.25
"""A start is timed once a process, beside another that starts: less than this is no news ..."""

_START_LEAST_S = 0.02
"""... and neither is a share of next to nothing."""


def timing(metric: str, pairs: Sequence[Pair], options: GateOptions, floor: float | None) -> Finding:
    """A timed metric: `throughput` in samples/s, `latency` and `data` in seconds."""
    blocks = [pair.blocks[metric] for pair in pairs]
    change = change_of(ratio_of([log_ratios(each) for each in blocks], level=options.timing_level))
    budget = options.budget(metric)
    verdict, reason = decide(change, budget, floor)
    if len(pairs) < options.pairs and change.low < _BEYOND_DOUBT:
        verdict, reason = too_few(len(pairs), options.pairs, "pairs")
    base_s, head_s = ([seconds(each, side) for each in blocks] for side in SIDES)
    size = pairs[0].facts["base"]["batch_size"]
    per_s = metric == "throughput"
    base, head = _both(base_s, head_s, change)
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
    """`memory` of the model and one batch, `flops`, or `parameters`.

    The least of all pairs, since memory varies; a change of memory by `_SAME_BYTES` or less passes whatever the budget.
    """
    budget = options.budget(metric)
    if metric == "parameters":
        unit, found = "parameters", {side: _least(pair.facts[side]["parameters"] for pair in pairs) for side in SIDES}
    else:
        name, unit = _EXACT[metric]
        found = {side: _least(pair.static[side][name] for pair in pairs) for side in SIDES}
    base, head = found["base"], found["head"]
    if base is None or head is None:
        lacking: SideName = "base" if base is None else "head"
        return _without(metric, unit, budget, f"{lacking} cannot tell: {_why_unknown(metric, pairs, lacking)}")
    change = exact_change(base, head)
    verdict, reason = decide(change, budget)
    if metric == "memory" and verdict is not Verdict.PASS and abs(head - base) <= _SAME_BYTES:
        verdict, reason = Verdict.PASS, "no more than 256 KiB, since processes of the same code differ, too"
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


def _why_unknown(metric: str, pairs: Sequence[Pair], side: SideName) -> str:
    if metric == "parameters":
        return "it is no torch.nn.Module"
    operators = sorted({name for pair in pairs for name in pair.static[side]["not_counted"]})
    return f"the FLOPs of {join_names(operators)} are not counted" if operators else "it works out of PyTorch's sight"


def places(pairs: Sequence[Pair], budget: float) -> list[Place]:
    """Where time goes: stages of the model, steps of the data pipeline, and the start of the process."""
    found = []
    pairs = [pair for pair in pairs if all(kind in pair.blocks for kind in _GROUPS)]
    for kind, group in _GROUPS.items():
        of_kind = [pair.blocks[kind] for pair in pairs]
        more_in_all = ratio_of([log_ratios(blocks) for blocks in of_kind]).low > 1
        names = parts([block for blocks in of_kind for block in blocks])
        for name in names:
            short = name.removeprefix("data.")
            ratios = [log_ratios(blocks, name) for blocks in of_kind]
            change = change_of(ratio_of(ratios)) if all(len(each) for each in ratios) else None
            base, head = ([seconds(each, side, name) for each in of_kind] for side in SIDES)
            base_s, head_s = _both(base, head, change)
            least = _LEAST_SHARE * _typical([seconds(each, "base") for each in of_kind])
            # A part that only head has may be another's work under a new name.
            more = more_in_all if change is None else change.low > budget
            found.append(
                Place(
                    name=name if short in names else short,
                    group=group,
                    base_s=base_s,
                    head_s=head_s,
                    change=change,
                    slower=more and head_s - base_s > least,
                )
            )
    starts = {name: [{side: of(pair, side) for side in SIDES} for pair in pairs] for name, of in _START.items()}
    return found + [_start_place(name, times, budget) for name, times in starts.items()]


def _first_call(pair: Pair, side: SideName) -> float:
    """Seconds by which the first call takes longer than those when all is warm."""
    return max(0.0, float(pair.facts[side]["first_s"]) - _warm(pair, side))


def _warm_up(pair: Pair, side: SideName) -> float:
    """Seconds that the calls after the first take longer in all."""
    facts = pair.facts[side]
    calls = int(facts["iterations"] - facts["shapes"])
    return max(0.0, float(facts["warm_s"] - facts["first_calls_s"]) - calls * _warm(pair, side))


def _warm(pair: Pair, side: SideName) -> float:
    return float(np.median(seconds(pair.blocks["stages"], side)))


_START: Mapping[str, Callable[[Pair, SideName], float]] = {
    "load": lambda pair, side: float(pair.facts[side]["load_s"]),
    "first call": _first_call,
    "warm-up": _warm_up,
}


def _start_place(name: str, times: Sequence[Mapping[SideName, float]], budget: float) -> Place:
    """Every pair has one time of each side: head is slower where it is so in every pair, and by enough to matter."""
    base, head = (np.array([each[side] for each in times]) for side in SIDES)
    known = len(times) >= PLACE_PAIRS and bool((base > 0).all() and (head > 0).all())
    ratios = [np.log([after / before]) for before, after in zip(base, head, strict=True)] if known else []
    change = change_of(ratio_of(ratios)) if known else None
    base_s, head_s = _both(list(base[:, None]), list(head[:, None]), change)
    enough = 1 + max(budget, _START_BUDGET)
    more = bool((head > enough * base).all() and (head - base > _START_LEAST_S).all())
    return Place(
        name=name,
        group="start",
        base_s=base_s,
        head_s=head_s,
        change=change,
        slower=len(times) >= PLACE_PAIRS and more,
    )


def _least(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return min(known, default=None)


def _both(
    base: Sequence[NDArray[np.float64]], head: Sequence[NDArray[np.float64]], change: Change | None
) -> tuple[float, float]:
    """Seconds of base and of head, from those of blocks by pair: as the change says, which goes by pairs.

    Where there is none, or most blocks of base have no such part, the medians of all blocks.
    """
    middles = [np.median(each) for each in base]
    if change is None or min(middles) <= 0:
        return _typical(base), _typical(head)
    middle = float(np.exp(np.mean(np.log(middles))))
    return middle, middle * (1 + change.value)


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
