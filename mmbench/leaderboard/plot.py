"""Quality against speed as a figure: a point a row, the Pareto front as a line."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.errors import HarnessError, printable
from mmbench.leaderboard.cells import SPEED, number, title
from mmbench.leaderboard.figure import write_figure
from mmbench.leaderboard.pareto import of_row
from mmbench.leaderboard.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 8.0, 5.0
"""Inches of one panel."""

_FONT = 8


def plot_front(tables: Sequence[Table], path: Path) -> None:
    """Draw each table's rows by speed (logarithmic) and by the metric that ranks them.

    Where points lie close together, some that are not on the front have no label.

    Args:
        tables: one below the other; those of which fewer than two rows have both values are left out.
        path: ends in .svg or .png.

    Raises:
        UsageError: another suffix.
        HarnessError: there is nothing to draw, or the file cannot be written.
    """
    shown = [table for table in tables if can_draw(table)]
    if not shown:
        raise HarnessError("no table has two runs with quality and speed, so there is nothing to draw")

    def draw(figure: "Figure") -> None:
        grid = figure.subplots(len(shown), 1, squeeze=False)
        for axes, table in zip(grid[:, 0], shown, strict=True):
            draw_front(axes, table)

    write_figure(path, (WIDTH, HEIGHT * len(shown)), draw)


@dataclass(frozen=True, slots=True)
class _Point:
    """A row that has both values."""

    label: str
    speed: float
    value: float
    on_front: bool
    low: float | None
    high: float | None


def _points(table: Table) -> list[_Point]:
    found = []
    for row in table.rows:
        metric, speed = row.metrics.get(table.sort), of_row(row, table.speed)
        if metric is not None and metric.value is not None and speed:
            found.append(_Point(printable(row.label), speed, metric.value, bool(row.pareto), metric.low, metric.high))
    return found


def can_draw(table: Table) -> bool:
    """Whether two rows have both values, quality and speed."""
    return len(_points(table)) > 1


def draw_front(axes: "Axes", table: Table, *, intervals: bool = False) -> None:
    """Draw one table's rows, with the intervals of the metric if these are asked for."""
    from matplotlib.ticker import LogLocator  # noqa: PLC0415  # takes half a second

    points = _points(table)
    rest = [point for point in points if not point.on_front]
    front = sorted((point for point in points if point.on_front), key=lambda point: point.speed)
    axes.scatter([point.speed for point in rest], [point.value for point in rest], color="tab:gray", zorder=2)
    if front:
        # Steps, not slopes: between two models on the front there is none that would be as good as a slope says.
        xs, ys = [point.speed for point in front], [point.value for point in front]
        axes.plot(xs, ys, color="tab:blue", marker="*", markersize=11, drawstyle="steps-pre", label="Pareto front")
        axes.legend(loc="lower left")
    for point in points if intervals else ():
        if point.low is not None and point.high is not None:
            axes.vlines(point.speed, point.low, point.high, color="tab:gray", alpha=0.6, linewidth=1, zorder=1)
    for point, offset in _labels([*front, *rest]):
        color = "black" if point.on_front else "dimgray"
        place = (point.speed, point.value)
        axes.annotate(point.label, place, offset, textcoords="offset points", fontsize=_FONT, color=color)
    axes.set_xscale("log")
    # Similar models lie within less than a power of ten.
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.10g}")
    axes.xaxis.set_minor_formatter(lambda value, _: "")
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    of = "the model alone" if table.speed == "model_samples_per_s" else "the pass that scored"
    axes.set(xlabel=f"{SPEED} of {of}", ylabel=printable(table.sort))
    axes.set_title(title(table), fontsize=10)
    axes.grid(alpha=0.3)
    axes.margins(x=0.15, y=0.15)


def _labels(points: Sequence[_Point]) -> Iterator[tuple[_Point, tuple[float, float]]]:
    """Where labels have room, in points of type from their point; those of the front, which come first, always appear.

    Reckoned on a panel of the usual size, with letters of a usual width.
    """
    xs, ys = [math.log(point.speed) for point in points], [point.value for point in points]
    across = 72 * WIDTH * 0.65 / ((max(xs) - min(xs)) or 1)
    up = 72 * HEIGHT * 0.65 / ((max(ys) - min(ys)) or 1)
    taken: list[tuple[float, float, float]] = []
    for point, x, y in zip(points, xs, ys, strict=True):
        width = 0.6 * _FONT * len(point.label)
        offsets = [(dx, dy) for dy in (4, -11, 15, -22, 26) for dx in (5, -5 - width)]
        spots = {offset: (x * across + offset[0], y * up + offset[1], width) for offset in offsets}
        free = [offset for offset, spot in spots.items() if not any(_overlap(spot, other) for other in taken)]
        if free or point.on_front:
            offset = free[0] if free else offsets[0]
            taken.append(spots[offset])
            yield point, offset


def _overlap(one: tuple[float, float, float], other: tuple[float, float, float]) -> bool:
    """Whether two lines of text (left, bottom, width) lie over each other."""
    beside = one[0] + one[2] < other[0] or other[0] + other[2] < one[0]
    return not beside and abs(one[1] - other[1]) < _FONT * 1.2
