"""Ranks that claim no more than the intervals allow."""

from collections.abc import Sequence

from mmbench.record.schema import MetricValue


def ranks(models: Sequence[str], metrics: Sequence[MetricValue | None]) -> list[int]:
    """Rank rows by one metric: 1 + the number of models whose interval lies wholly better.

    Rows whose intervals overlap may share a rank. A value without an interval counts as a point. Rows without a value
    come after all others.

    Args:
        models: model of each row; several runs of a model count once.
        metrics: the metric of each row, `None` where the run does not have it.
    """
    spans = [_span(metric) for metric in metrics]
    with_value = {model for model, span in zip(models, spans, strict=True) if span}
    return [
        1 + len({m for m, other in zip(models, spans, strict=True) if other and other[0] > span[1]})
        if span
        else 1 + len(with_value)
        for span in spans
    ]


def score(metric: MetricValue | None) -> float:
    """Give a number to sort by, higher is better; minus infinity where there is no value."""
    if metric is None or metric.value is None:
        return float("-inf")
    return -metric.value if metric.higher_is_better is False else metric.value


def _span(metric: MetricValue | None) -> tuple[float, float] | None:
    """(worst, best) end of the interval, on a scale where higher is better."""
    if metric is None or metric.value is None:
        return None
    low = metric.value if metric.low is None else metric.low
    high = metric.value if metric.high is None else metric.high
    return (-high, -low) if metric.higher_is_better is False else (low, high)
