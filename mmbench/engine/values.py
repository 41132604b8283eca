"""Values of metrics with intervals, overall and by part, from the table of samples."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mmbench.engine.samples import groups, metric_rows
from mmbench.metrics.metric import Metric
from mmbench.record.schema import MetricValue
from mmbench.stats.intervals import Interval, intervals

RESAMPLES = 9999
"""Of every bootstrap, unless a metric allows fewer only."""


def metric_values(metrics: Mapping[str, Metric], table: pa.Table, seed: int) -> dict[str, MetricValue]:
    """Every metric with its interval, over the scored samples of `table`."""
    rows = {name: metric_rows(table, metric) for name, metric in metrics.items()}
    clusters = groups(table)
    found: dict[str, Interval] = {}
    for (_, resamples), names in _together(metrics, rows).items():
        selected = metrics[names[0]].selected(rows[names[0]])
        found |= intervals(
            {name: metrics[name] for name in names},
            {name: metrics[name].select(rows[name]) for name in names},
            clusters if clusters is None or selected is None else clusters[selected],
            resamples=resamples,
            seed=seed,
        )
    return {
        name: MetricValue(
            value=found[name].value,
            low=found[name].low,
            high=found[name].high,
            level=found[name].level,
            n=found[name].n,
            method=found[name].method,
            higher_is_better=metric.higher_is_better,
        )
        for name, metric in metrics.items()
    }


def breakdowns(
    metrics: Mapping[str, Metric], table: pa.Table, keys: Sequence[str], seed: int
) -> dict[str, dict[str, dict[str, MetricValue]]]:
    """The metrics again for each value of the keys by which the task wants them split."""
    found = {}
    for key in keys:
        column = f"meta.{key}"
        if column in table.column_names:
            values = sorted(value for value in table[column].unique().to_pylist() if value is not None)
            found[key] = {v: metric_values(metrics, table.filter(pc.equal(table[column], v)), seed) for v in values}
    return found


def details(metrics: Mapping[str, Metric], table: pa.Table) -> dict[str, Any]:
    """What metrics tell besides their values, by metric."""
    told = {name: metric.details(metric_rows(table, metric)) for name, metric in metrics.items()}
    return {name: dict(detail) for name, detail in told.items() if detail is not None}


def _together(metrics: Mapping[str, Metric], rows: Mapping[str, Any]) -> dict[tuple[bytes, int], list[str]]:
    """Names of the metrics that are about the same samples, so that they share resamples."""
    found: defaultdict[tuple[bytes, int], list[str]] = defaultdict(list)
    for name, metric in metrics.items():
        selected = metric.selected(rows[name])
        key = b"" if selected is None else np.packbits(selected).tobytes()
        found[key, min(RESAMPLES, metric.resamples or RESAMPLES)].append(name)
    return found
