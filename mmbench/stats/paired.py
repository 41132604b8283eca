"""The difference of models on the same samples: bootstrap interval and randomization test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.typing import NDArray

from mmbench.stats.bootstrap import FloatArray, SumMetric
from mmbench.stats.contrast import contrasts_of
from mmbench.stats.intervals import Interval
from mmbench.stats.runs import Runs, runs_of
from mmbench.stats.swaps import swap_tests
from mmbench.stats.units import Columns, joint_codes

_DRAWS = 250_000_000
"""9,999 resamples of 25,000 units, seconds of work; of more units there are fewer resamples."""
_ENOUGH = 1_999
"""Resamples that bounds of an interval need: their own error is then a thirtieth of its half width."""
_ALONE = 512
"""So many times as many units as different ones, and draws of its own cost a model less than shared ones."""


@dataclass(frozen=True)
class Difference:
    """One model against another on the same samples.

    Attributes:
        interval: of the first's value minus the second's.
        p_value: how probable a difference at least as large, in either direction, is if it did not matter which model
            gave which answer; `None` where the difference is not defined, or was not tested.
        test: `exact` where every swap was counted, else `randomization`; `none` where there is no p-value.
        resamples: with which the interval was made.
        swaps: that were counted.
    """

    interval: Interval
    p_value: float | None
    test: str
    resamples: int = 0
    swaps: int = 0


def paired_difference(
    metric: SumMetric,
    ours: Columns,
    theirs: Columns,
    groups: NDArray[Any] | None,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
) -> Difference:
    """The difference of a metric between two models that answered the same n samples; see `paired_differences`."""
    found = paired_differences(metric, {"": [ours]}, [theirs], groups, level=level, resamples=resamples, seed=seed)
    return found[""]


def paired_differences(
    metric: SumMetric,
    ours: Mapping[str, Sequence[Columns]],
    theirs: Sequence[Columns],
    groups: NDArray[Any] | None,
    *,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
    test: bool = True,
) -> dict[str, Difference]:
    """The metric's mean over seeds in each of several models, minus that in one other, all on the same n samples.

    The interval resamples samples (or clusters) with all models' answers (Efron & Tibshirani 1993), by the bootstrap
    that the metric asks for; where that is the basic one, it is too narrow if a model is near the metric's bound. The
    test swaps two models' answers to a sample (or to a whole cluster), those of all seeds at once, at random: a paired
    randomization test, which for a mean is the sign-flip test (Noreen 1989; Dror et al. 2018). Where there are no more
    swaps than `resamples`, all are counted. Both tell what other samples would have given; seeds are taken as they are.

    Args:
        metric: of which the differences are taken.
        ours: finished, selected rows of each model by seed, in the same order of samples, which does not matter.
        theirs: those of the model that they are compared with.
        groups: cluster of each sample, [n]; `None` where each stands alone.
        level: confidence of the intervals.
        resamples: of the bootstrap, and swaps of the test. Models share them, unless each has few different units. The
            bootstrap makes do with fewer where units are very many; a difference tells how many there were.
        seed: of both.
        test: whether p-values are wanted.

    Raises:
        ValueError: models differ in the number of seeds or samples.
    """
    seeds = len(theirs)
    for name, rows in ours.items():
        if len(rows) != seeds:
            raise ValueError(f"{name!r} has {len(rows)} seeds and what it is compared with {seeds}; expected as many")
    if not ours:
        return {}
    runs = runs_of(metric, [*theirs, *(columns for rows in ours.values() for columns in rows)], groups)
    baseline = runs.chosen(range(seeds))
    models = {name: runs.chosen(range(seeds * place, seeds * (place + 1))) for place, name in enumerate(ours, start=1)}
    found: dict[str, Interval] = {}
    drawn: dict[str, int] = {}
    for names in _drawn_together(models, baseline):
        combine = {
            name: partial(_difference, ours=slice(seeds * place, seeds * (place + 1)), theirs=slice(-seeds, None))
            for place, name in enumerate(names)
        }
        beside = _beside([*(models[name] for name in names), baseline])
        draws = _affordable(beside, resamples)
        found |= contrasts_of(metric, beside, combine, level=level, resamples=draws, seed=seed)
        drawn |= dict.fromkeys(names, draws if metric.bootstrap != "none" else 0)
    defined = [name for name in ours if found[name].value is not None and test]
    tests = swap_tests(metric, [models[name] for name in defined], baseline, resamples=resamples, seed=seed)
    tested = dict(zip(defined, tests, strict=True))
    return {
        name: Difference(found[name], tested[name].p_value, tested[name].test, drawn[name], tested[name].swaps)
        if name in tested
        else Difference(found[name], None, "none", drawn[name])
        for name in ours
    }


def _difference(values: FloatArray, ours: slice, theirs: slice) -> FloatArray:
    """Of means over seeds, [R, ...] -> [...]."""
    difference: FloatArray = values[ours].mean(axis=0) - values[theirs].mean(axis=0)
    return difference


def _drawn_together(models: Mapping[str, Runs], baseline: Runs) -> list[list[str]]:
    """Which models share their draws: those with few different units have their own, the others all the same."""
    alone: list[str] = []
    others: list[str] = []
    for name, model in models.items():
        (alone if _few(_beside([model, baseline])) else others).append(name)
    return [*([name] for name in alone), *([others] if others else [])]


def _few(runs: Runs) -> bool:
    """Whether there are few different units, so that draws of them cost little."""
    codes = joint_codes(runs.codes)
    return (int(codes.max(initial=-1)) + 1) * _ALONE <= len(codes)


def _affordable(runs: Runs, resamples: int) -> int:
    """As many resamples of all units as make `_DRAWS` draws, but `_ENOUGH` at least, and no more than are asked for."""
    return resamples if _few(runs) else min(resamples, max(_ENOUGH, _DRAWS // len(runs.codes[0])))


def _beside(parts: Sequence[Runs]) -> Runs:
    """Runs of several models over the same units as one."""
    statistics = [each for part in parts for each in part.statistics]
    return Runs(parts[0].samples, parts[0].clustered, statistics, [each for part in parts for each in part.codes])
