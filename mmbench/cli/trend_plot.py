"""Series over time as a figure: a panel each, with the levels between changes."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from mmbench.errors import printable
from mmbench.gate.trend import Series
from mmbench.leaderboard.cells import number
from mmbench.leaderboard.figure import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 8.0, 2.6
_MOST_LABELS = 30


def plot_trend(found: Sequence[Series], path: Path) -> None:
    """Draw the series one below the other; the same series give the same bytes.

    Raises:
        UsageError: the file is no .svg or .png.
        HarnessError: it cannot be written.
    """

    def draw(figure: "Figure") -> None:
        grid = figure.subplots(len(found), 1, squeeze=False)[:, 0]
        for axes, series in zip(grid, found, strict=True):
            _draw(axes, series)

    write_figure(path, (_WIDTH, _HEIGHT * len(found)), draw)


def _draw(axes: "Axes", series: Series) -> None:
    values = [point.value for point in series.points]
    # One place a measurement: commits of a day would else lie on one another.
    axes.plot(range(len(values)), values, "o", markersize=3, color="tab:gray")
    for start, stop in pairwise([0, *(change.index for change in series.changes), len(values)]):
        axes.hlines(median(values[start:stop]), start - 0.4, stop - 0.6, color="tab:blue", linewidth=2)
    for change in series.changes:
        axes.axvline(change.index - 0.5, color="tab:red", linewidth=1, linestyle="--")
    step = -(-len(values) // _MOST_LABELS)
    places = range(0, len(values), step)
    axes.set_xticks(places, [printable(series.points[place].label) for place in places], rotation=90, fontsize=6)
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.set_ylabel(printable(f"{series.metric} {series.unit}".rstrip()), fontsize=8)
    axes.set_title(printable(series.workload), fontsize=9)
    axes.grid(axis="y", alpha=0.3)
