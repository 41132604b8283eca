"""Rows over training seeds: one for each model and recipe."""

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from mmbench.errors import MMBenchError
from mmbench.leaderboard.recipe import Recipe, names_apart, recipe_of, training_seed
from mmbench.leaderboard.row import Row, measured, row_of
from mmbench.record.schema import MetricValue, RunRecord
from mmbench.registry import registry
from mmbench.stats.seeds import OverSeeds, over_seeds

LEVEL = 0.95
"""Confidence of the intervals."""


def rows_over_seeds(records: Sequence[RunRecord]) -> list[Row]:
    """Average the runs of each model over its training seeds; of each seed the latest run counts.

    Runs that differ in more than the seed (another width, another batch size) are rows of their own, whose `variant`
    says in what they differ.

    Args:
        records: that can be compared, oldest first.
    """
    recipes: dict[str, dict[frozenset[object], Recipe]] = defaultdict(dict)
    runs: dict[tuple[str, frozenset[object]], dict[int | None, RunRecord]] = defaultdict(dict)
    for record in records:
        recipe = recipe_of(record)
        key = frozenset(recipe.items())
        recipes[record.model.name].setdefault(key, recipe)
        runs[record.model.name, key][training_seed(record)] = record
    return [
        _row(runs[model, key], variant)
        for model, found in recipes.items()
        for key, variant in zip(found, names_apart(list(found.values())), strict=True)
    ]


def _row(by_seed: Mapping[int | None, RunRecord], variant: str) -> Row:
    """The row of runs that differ in nothing but the seed."""
    runs = tuple(by_seed[seed] for seed in sorted(by_seed, key=lambda seed: (seed is None, seed)))
    singles = [row_of(run) for run in runs]
    latest = max(singles, key=_created)
    names = dict.fromkeys(name for run in runs for name in run.metrics)
    found = {name: mean_metric(name, [run.metrics.get(name) for run in runs]) for name in names}
    costs = [row_of(run) for run in measured(runs)]
    peak = _median([row.peak_bytes for row in costs])
    return replace(
        latest,
        runs=runs,
        metrics={name: metric for name, (metric, _) in found.items() if metric is not None},
        deviations={name: deviation for name, (_, deviation) in found.items() if deviation is not None},
        samples_per_s=_median([row.samples_per_s for row in costs]),
        model_samples_per_s=_median_of_all([row.model_samples_per_s for row in costs]),
        peak_bytes=None if peak is None else round(peak),
        failures=sum(row.failures for row in singles),
        variant=variant,
    )


def _created(row: Row) -> datetime:
    return row.created


def mean_metric(name: str, metrics: Sequence[MetricValue | None]) -> tuple[MetricValue | None, float | None]:
    """A metric over seeds and its standard deviation; nothing where not all seeds have it, since a mean would mislead.

    `n` is the least number of samples that a seed scored.
    """
    known = [metric for metric in metrics if metric is not None]
    values = [metric.value for metric in known if metric.value is not None]
    if len(values) < len(metrics):
        return None, None
    found = _over_seeds(name, values)
    return (
        MetricValue(
            value=found.mean,
            low=found.low,
            high=found.high,
            level=LEVEL,
            n=min(metric.n for metric in known),
            method=found.method,
            higher_is_better=known[-1].higher_is_better,
        ),
        found.deviation,
    )


def _over_seeds(name: str, values: Sequence[float]) -> OverSeeds:
    least, most = _limits(name) if len(values) > 1 else (-math.inf, math.inf)
    return over_seeds(values, level=LEVEL, least=least, most=most)


def _limits(name: str) -> tuple[float, float]:
    """Least and greatest value of a metric, as far as they are known here: a record may come from elsewhere."""
    try:
        metric = registry.load("metric", name)
    except MMBenchError:
        return -math.inf, math.inf
    return metric.least, 1.0 if metric.proportion else metric.most


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _median_of_all(values: Sequence[float | None]) -> float | None:
    """The median; nothing where a value is missing, since a table shows one kind of speed in all its rows."""
    return None if None in values else _median(values)
