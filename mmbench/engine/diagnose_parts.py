"""The sections of a diagnosis, each from a model's rows under the alterations that it needs."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

import numpy as np

from mmbench.data.alteration import Alteration
from mmbench.data.noise_summaries import SUMMARIES
from mmbench.engine.conditions import CLEAN, Conditions
from mmbench.engine.diagnose_options import DiagnoseOptions
from mmbench.errors import UsageError, unknown_name
from mmbench.metrics.metric import Metric
from mmbench.record.diagnosis import Calibration, Coalition, Curve, CurvePoint, Measure, Missing, Perceptual, Shapley
from mmbench.stats.area import relative_area
from mmbench.stats.bootstrap import FloatArray
from mmbench.stats.contrast import Combine
from mmbench.stats.intervals import Interval
from mmbench.stats.shapley import coalitions, shapley_weights

Pair = tuple[str, str]
"""A modality and one of its noises."""


def measure(found: Interval) -> Measure:
    """An interval as the record has it."""
    return Measure(value=found.value, low=found.low, high=found.high, level=found.level, n=found.n, method=found.method)


def chosen_noises(asked: Sequence[Pair], modalities: Sequence[str], reads: Sequence[str]) -> list[Pair]:
    """The noises to go through: those asked for, else all of the modalities that the model reads.

    Raises:
        UsageError: no such modality or noise, or the model does not read the modality.
    """
    for modality, name in asked:
        if modality not in modalities:
            raise unknown_name("modality in --noise", modality, modalities)
        if name not in SUMMARIES.get(modality, {}):
            raise unknown_name(f"noise of {modality}", name, SUMMARIES.get(modality, {}))
        if modality not in reads:
            raise UsageError(f"--noise {modality}={name}: the model does not read {modality}")
    return list(asked) or [(modality, name) for modality in reads for name in SUMMARIES.get(modality, {})]


def shuffled(modality: str, permutations: int, seed: int) -> list[Alteration]:
    """One alteration a permutation."""
    return [Alteration(shuffle=(modality,), seed=seed + number) for number in range(permutations)]


def without(*modalities: str) -> Alteration:
    """Some modalities taken away."""
    return Alteration(drop=modalities)


def noisy(pair: Pair, level: float, seed: int) -> Alteration:
    """A noise at one level."""
    return Alteration(noise=((*pair, level),), seed=seed)


def planned(
    modalities: Sequence[str], noises: Sequence[Pair], options: DiagnoseOptions, absent: Mapping[str, str], seed: int
) -> set[Alteration]:
    """Every alteration that the sections not in `absent` ask for, of the modalities that the model reads."""
    needs: dict[str, Iterator[Alteration]] = {
        "perceptual": chain.from_iterable(shuffled(m, options.permutations, seed) for m in modalities),
        "shapley": (without(*_rest(modalities, present)) for present in coalitions(modalities) if present),
        "missing": (without(m) for m in modalities),
        "robustness": (noisy(pair, level, seed) for pair in noises for level in options.levels),
        "calibration": iter(calibration_conditions(modalities, noises, options.middle, seed)),
    }
    return {CLEAN, *chain.from_iterable(found for name, found in needs.items() if name not in absent)}


def perceptual(conditions: Conditions, permutations: int, seed: int) -> dict[str, Perceptual]:
    """(V - E V[m permuted]) / V for each modality m, over permutations of one side only (Gat et al., ICML 2021).

    A modality that the model does not read is not permuted: its score is 0.
    """
    found = {}
    for modality in conditions.modalities:
        reads = modality in conditions.model.modalities
        alterations = [CLEAN, *(shuffled(modality, permutations, seed) if reads else [CLEAN])]
        runs = [conditions.main_rows(alteration) for alteration in alterations]
        combine: dict[str, Combine] = {
            "shuffled": lambda values: values[1:].mean(axis=0),
            "drop": lambda values: values[0] - values[1:].mean(axis=0),
            "score": lambda values: _quotient(values[0] - values[1:].mean(axis=0), values[0]),
        }
        values = [conditions.value(rows).value for rows in runs[1:]]
        found[modality] = Perceptual(
            **{name: measure(interval) for name, interval in conditions.contrasts(runs, combine).items()},
            changed=conditions.changed(runs, list(map(conditions.answers, alterations))),
            permutations=values if reads else [],
        )
    return found


def missing(conditions: Conditions) -> dict[str, Missing]:
    """V(all) - V(all without m) for each modality m, which the model then masks."""
    found = {}
    for modality in conditions.modalities:
        alterations = [CLEAN, without(modality)]
        runs = [conditions.main_rows(alteration) for alteration in alterations]
        combine: dict[str, Combine] = {
            "drop": lambda values: values[0] - values[1],
            "share": lambda values: _quotient(values[0] - values[1], values[0]),
        }
        found[modality] = Missing(
            without=measure(conditions.value(runs[1])),
            **{name: measure(interval) for name, interval in conditions.contrasts(runs, combine).items()},
            changed=conditions.changed(runs, list(map(conditions.answers, alterations))),
        )
    return found


def shapley(conditions: Conditions) -> Shapley:
    """Shapley contributions of the modalities (SHAPE: Hu et al., IJCAI 2022).

    V(S) is the metric with the modalities of S alone, the others masked; V of none is that of the constant answer. One
    that the model does not read contributes 0, so that coalitions are of those that it reads.
    """
    modalities = conditions.reads
    answer, constant = conditions.constant()
    sets = coalitions(modalities)
    runs = [constant, *(conditions.main_rows(without(*_rest(modalities, present))) for present in sets[1:])]

    def weighted(weights: FloatArray) -> Combine:
        return lambda values: np.tensordot(weights, values, axes=1)

    weights = shapley_weights(modalities)
    combine = {m: weighted(weights.get(m, np.zeros(len(sets)))) for m in conditions.modalities}
    return Shapley(
        answer=answer,
        contributions={name: measure(interval) for name, interval in conditions.contrasts(runs, combine).items()},
        coalitions=[
            Coalition(present=list(present), value=measure(conditions.value(rows)))
            for present, rows in zip(sets, runs, strict=True)
        ],
    )


def robustness(conditions: Conditions, noises: Sequence[Pair], levels: Sequence[float], seed: int) -> list[Curve]:
    """V over the level of each noise, and the area below that by V at level 0."""
    found = []
    for pair in noises:
        runs = [conditions.main_rows(noisy(pair, level, seed)) for level in (0.0, *levels)]
        area = conditions.contrasts(runs, {"area": relative_area((0.0, *levels))})["area"]
        points = [
            CurvePoint(level=level, value=measure(conditions.value(rows)))
            for level, rows in zip((0.0, *levels), runs, strict=True)
        ]
        found.append(Curve(modality=pair[0], noise=pair[1], points=points, area=measure(area)))
    return found


def calibration_conditions(
    modalities: Sequence[str], noises: Sequence[Pair], level: float, seed: int
) -> list[Alteration]:
    """Under what calibration is measured: nothing, each modality missing, and each noise at one level."""
    return [CLEAN, *(without(m) for m in modalities), *(noisy(pair, level, seed) for pair in noises)]


def calibration(
    conditions: Conditions, metrics: Mapping[str, Metric], alterations: Sequence[Alteration]
) -> list[Calibration]:
    """Metrics of probabilities under each alteration."""
    return [
        Calibration(
            condition=alteration.label() or "clean",
            alteration=alteration.to_json(),
            metrics={
                name: measure(conditions.value(conditions.rows(alteration)[metric.prefix], metric))
                for name, metric in metrics.items()
            },
        )
        for alteration in alterations
    ]


def _rest(modalities: Sequence[str], present: Sequence[str]) -> tuple[str, ...]:
    return tuple(m for m in modalities if m not in present)


def _quotient(above: FloatArray, below: FloatArray) -> FloatArray:
    """NaN where it is not defined."""
    found: FloatArray = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below != 0)
    return found
