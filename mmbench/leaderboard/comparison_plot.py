"""A comparison as a figure: quality against speed with the front, then a panel for each breakdown and each noise."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbench.errors import HarnessError, printable
from mmbench.leaderboard.cells import number
from mmbench.leaderboard.comparison import Comparison, parts_of
from mmbench.leaderboard.figure import write_figure
from mmbench.leaderboard.plot import HEIGHT, WIDTH, can_draw, draw_front
from mmbench.leaderboard.robustness import Robustness
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


def plot_comparison(found: Comparison, path: Path, noises: Sequence[Robustness] = ()) -> None:
    """Draw a panel of quality against speed, one for each breakdown and one for each noise, one below the other.

    Panels of which there is nothing to show are left out: quality against speed without two rows that have both, a
    breakdown of one value, or of too many.

    Args:
        found: what to draw.
        path: ends in .svg or .png; an existing file is replaced.
        noises: robustness curves of its rows.

    Raises:
        UsageError: the file is no .svg or .png.
        HarnessError: there is nothing to draw, or the file cannot be written.
    """
    panels = {key: panel for key, panel in _panels(found).items() if 1 < len(panel) <= _MOST_VALUES}
    fronts = int(can_draw(found.table))
    count = fronts + len(panels) + len(noises)
    if not count:
        raise HarnessError("no two rows have quality and speed, and no breakdown has two values: nothing to draw")

    def draw(figure: "Figure") -> None:
        axes = iter(figure.subplots(count, 1, squeeze=False)[:, 0])
        if fronts:
            draw_front(next(axes), found.table, intervals=True)
        for key, panel in panels.items():
            _draw(next(axes), key, panel, found)
        for noise in noises:
            _draw_curves(next(axes), noise, found)

    longest = max((len(panel) for panel in panels.values()), default=0)
    width = max(WIDTH + (2 if count > fronts else 0), 3.5 + 0.03 * longest * len(found.entries), 0.4 * longest)
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
    labels = [entry.row.label for entry in found.entries]
    colors = _colors(found)
    step = _SPREAD / max(len(labels) - 1, 1)
    for place, label in enumerate(labels):
        shown = [(x, metrics[label]) for x, metrics in enumerate(panel.values()) if label in metrics]
        if not shown:
            continue
        shift = (place - (len(labels) - 1) / 2) * step
        for x, metric in shown:
            if metric.low is not None and metric.high is not None:
                axes.vlines(x + shift, metric.low, metric.high, color=colors[place], alpha=0.6, linewidth=1)
        axes.scatter(
            [x + shift for x, _ in shown],
            [metric.value or 0.0 for _, metric in shown],
            color=colors[place],
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
    _finish(axes, found, key, f"{found.metric} by {key}")


def _draw_curves(axes: "Axes", noise: Robustness, found: Comparison) -> None:
    for place, (entry, color) in enumerate(zip(found.entries, _colors(found), strict=True)):
        curve = noise.curves.get(entry.row.label)
        drawn = [(point.level, point.value) for point in curve.points if point.value.value is not None] if curve else []
        if not drawn:
            continue
        levels = [level for level, _ in drawn]
        values = [measure.value or 0.0 for _, measure in drawn]
        bounds = [(measure.low, measure.high) for _, measure in drawn]
        marker = _MARKERS[place % len(_MARKERS)]
        axes.plot(levels, values, color=color, marker=marker, markersize=4, label=printable(entry.row.label))
        lows = [value if low is None else low for value, (low, _) in zip(values, bounds, strict=True)]
        highs = [value if high is None else high for value, (_, high) in zip(values, bounds, strict=True)]
        axes.fill_between(levels, lows, highs, alpha=0.15, color=color, linewidth=0)
    axes.set_xlim(0, 1)
    title = f"{found.metric} under {noise.noise} on {noise.modality}, {noise.samples:,} samples"
    _finish(axes, found, "level of noise", title)


def _colors(found: Comparison) -> list[Any]:
    """Of each row, the same in all panels."""
    from matplotlib import colormaps  # noqa: PLC0415  # takes half a second

    count = len(found.entries)
    colors = colormaps["tab10" if count <= 10 else "tab20"].colors  # type: ignore[attr-defined]  # of a listed colour map
    return [colors[place % len(colors)] for place in range(count)]


def _finish(axes: "Axes", found: Comparison, label: str, title: str) -> None:
    axes.yaxis.set_major_formatter(lambda value, _: number(value))
    axes.set(xlabel=printable(label), ylabel=printable(found.metric))
    axes.set_title(printable(title), fontsize=10)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=_FONT)
