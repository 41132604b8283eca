"""A comparison as a figure: quality against speed with the front, then a panel for each breakdown."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.errors import HarnessError, printable
from mmbench.leaderboard.cells import number
from mmbench.leaderboard.comparison import Comparison, parts_of
from mmbench.leaderboard.figure import write_figure
from mmbench.leaderboard.plot import HEIGHT, WIDTH, can_draw, draw_front
from mmbench.record.schema import MetricValue

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Panel = Mapping[str, Mapping[str, MetricValue]]
"""The metric by value of a breakdown's key and by label of a row."""

_SPREAD = 0.7  # share of the room of one value that the points of its rows take
_MOST_VALUES = 40  # values of a key (speakers) beyond which points cannot be told apart
_MARKERS = "osD^vPX*"
_FONT = 8


def plot_comparison(found: Comparison, path: Path) -> None:
    """Draw a panel of quality against speed and one for each breakdown, one below the other.

    Panels of which there is nothing to show are left out: quality against speed without two rows that have both, a
    breakdown of one value, or of too many.

    Raises:
        UsageError: the file is no .svg or .png.
        HarnessError: there is nothing to draw, or the file cannot be written.
    """
    panels = {key: panel for key, panel in _panels(found).items() if 1 < len(panel) <= _MOST_VALUES}
    fronts = int(can_draw(found.table))
    count = fronts + len(panels)
    if not count:
        raise HarnessError("no two rows have quality and speed, and no breakdown has two values: nothing to draw")

    def draw(figure: "Figure") -> None:
        grid = figure.subplots(count, 1, squeeze=False)[:, 0]
        if fronts:
            draw_front(grid[0], found.table, intervals=True)
        for axes, (key, panel) in zip(grid[fronts:], panels.items(), strict=True):
            _draw(axes, key, panel, found)

    longest = max((len(panel) for panel in panels.values()), default=0)
    width = max(WIDTH + (2 if panels else 0), 3.5 + 0.03 * longest * len(found.entries), 0.4 * longest)
    write_figure(path, (width, HEIGHT * count), draw)


def _panels(found: Comparison) -> dict[str, dict[str, dict[str, MetricValue]]]:
    """By key, by value, by row: the metric, as far as rows have it."""
    panels: dict[str, dict[str, dict[str, MetricValue]]] = {}
    for entry in found.entries:
        for key, values in parts_of(entry.row, found.metric).items():
            for value, metric in values.items():
                if metric.value is not None:
                    panels.setdefault(key, {}).setdefault(value, {})[entry.row.label] = metric
    return {key: dict(sorted(values.items())) for key, values in panels.items()}


def _draw(axes: "Axes", key: str, panel: Panel, found: Comparison) -> None:
    from matplotlib import colormaps  # noqa: PLC0415  # takes half a second

    few = len(found.entries) <= 10
    colors = colormaps["tab10" if few else "tab20"].colors  # type: ignore[attr-defined]  # of a listed colour map
    labels = [entry.row.label for entry in found.entries]
    step = _SPREAD / max(len(labels) - 1, 1)
    for place, label in enumerate(labels):
        shown = [(x, metrics[label]) for x, metrics in enumerate(panel.values()) if label in metrics]
        if not shown:
            continue
        shift = (place - (len(labels) - 1) / 2) * step
        color = colors[place % len(colors)]
        for x, metric in shown:
            if metric.low is not None and metric.high is not None:
                axes.vlines(x + shift, metric.low, metric.high, color=color, alpha=0.6, linewidth=1)
        axes.scatter(
            [x + shift for x, _ in shown],
            [metric.value or 0.0 for _, metric in shown],
            color=color,
            marker=_MARKERS[place % len(_MARKERS)],
            s=18,
            label=printable(label),
            zorder=2,
        )
    turned = len(panel) > 6 or max(map(len, panel)) > 12
    axes.set_xticks(
        range(len(panel)),
        [printable(value) for value in panel],
        rotation=45 if turned else 0,
        ha="right" if turned else "center",
    )
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.set(xlabel=printable(key), ylabel=printable(found.metric))
    axes.set_title(printable(f"{found.metric} by {key}"), fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=_FONT)
