"""Quality against cost: the rows that no other row beats in both."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from mmbench.leaderboard.rank import score
from mmbench.leaderboard.row import Row
from mmbench.record.schema import MetricValue

Speed = Literal["model_samples_per_s", "samples_per_s"]
"""The attribute of rows that holds their speed: of the model alone, or of the pass that scored."""


def front(points: Sequence[tuple[float | None, float | None]]) -> list[bool | None]:
    """Tell which points lie on the Pareto front.

    A point is on it if no other is at least as good in both values and better in one; so equal points are on it
    together.

    Args:
        points: two values each, higher is better; a point without either is not compared.

    Returns:
        `None` for points that were not compared.
    """
    known = {(value, speed) for value, speed in points if value is not None and speed is not None}
    on_front: set[tuple[float, float]] = set()
    highest = float("-inf")  # quality of what is faster, or as fast and better
    for value, speed in sorted(known, key=lambda point: (-point[1], -point[0])):
        if value > highest:
            on_front.add((value, speed))
            highest = value
    return [None if None in point else point in on_front for point in points]


def speed_shown(rows: Sequence[Row]) -> Speed:
    """The model's own speed where all rows with costs have it, else that of the scoring pass: never a mixture."""
    with_costs = [row for row in rows if row.samples_per_s is not None]
    alone = bool(with_costs) and all(row.model_samples_per_s is not None for row in with_costs)
    return "model_samples_per_s" if alone else "samples_per_s"


def of_row(row: Row, speed: Speed) -> float | None:
    """Samples/s of a row."""
    return row.model_samples_per_s if speed == "model_samples_per_s" else row.samples_per_s


def batch_sizes(rows: Sequence[Row], speed: Speed) -> tuple[int, ...]:
    """Sizes of the batches with which the speeds of rows were measured, ascending, as far as records tell."""
    runs = [(run, run.cost) for row in rows for run in row.measured if run.cost is not None]
    if speed == "model_samples_per_s":
        sizes = {cost.model_throughput.batch_size for _, cost in runs if cost.model_throughput is not None}
    else:
        sizes = {size for run, _ in runs if isinstance(size := run.settings.get("batch_size"), int)}
    return tuple(sorted(sizes))


def quality(metric: MetricValue | None) -> float | None:
    """A metric's value with its sign turned where lower is better; `None` for one that has no better direction."""
    if metric is None or metric.value is None or metric.higher_is_better is None:
        return None
    return score(metric)


def mark_front(rows: Sequence[Row], by: str, speed: Speed) -> list[Row]:
    """The rows with `pareto` set: quality by the metric `by`, cost by `speed`."""
    found = front([(quality(row.metrics.get(by)), of_row(row, speed)) for row in rows])
    return [replace(row, pareto=on_front) for row, on_front in zip(rows, found, strict=True)]


def has_front(rows: Sequence[Row]) -> bool:
    """Whether there is a front worth a mark: of one row alone there is nothing to tell."""
    return sum(row.pareto is not None for row in rows) > 1
