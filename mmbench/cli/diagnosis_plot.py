"""Robustness curves of a diagnosis as a figure: a panel a modality, a line a noise, with intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.errors import HarnessError, printable
from mmbench.leaderboard.cells import number
from mmbench.leaderboard.figure import write_figure
from mmbench.record.diagnosis import Curve, DiagnosisRecord

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT = 4.5, 4.0


def plot_diagnosis(record: DiagnosisRecord, path: Path) -> None:
    """Draw the curves, one panel beside the other; the same record gives the same bytes.

    Args:
        record: of one model.
        path: ends in .svg or .png; an existing file is replaced.

    Raises:
        UsageError: another suffix.
        HarnessError: there are no curves, or the file cannot be written.
    """
    curves = record.robustness or []
    by_modality = {curve.modality: [each for each in curves if each.modality == curve.modality] for curve in curves}
    if not by_modality:
        reason = record.absent.get("robustness", "there are none")
        raise HarnessError(f"there are no robustness curves to draw: {reason}")
    title = f"{record.model.name} on {record.dataset.name} {record.dataset.split}, {record.dataset.n:,} samples"

    def draw(figure: "Figure") -> None:
        grid = figure.subplots(1, len(by_modality), squeeze=False, sharey=True)
        for axes, (modality, of_it) in zip(grid[0], by_modality.items(), strict=True):
            _panel(axes, modality, of_it)
        grid[0][0].set_ylabel(printable(record.metric))
        figure.suptitle(printable(title))

    write_figure(path, (max(_WIDTH * len(by_modality), 6.0), _HEIGHT), draw)


def _panel(axes: "Axes", modality: str, curves: Sequence[Curve]) -> None:
    for number_of_line, curve in enumerate(curves):
        points = [(point.level, point.value.value, point.value) for point in curve.points]
        drawn = [(level, value, found) for level, value, found in points if value is not None]
        levels = [level for level, _, _ in drawn]
        color = f"C{number_of_line}"
        area = "" if curve.area.value is None else f" (area {number(curve.area.value)})"
        axes.plot(
            levels,
            [value for _, value, _ in drawn],
            marker="o",
            markersize=4,
            color=color,
            label=printable(f"{curve.noise}{area}"),
        )
        lows = [value if found.low is None else found.low for _, value, found in drawn]
        highs = [value if found.high is None else found.high for _, value, found in drawn]
        axes.fill_between(levels, lows, highs, alpha=0.15, color=color, linewidth=0)
    axes.set(xlabel="level of noise", title=printable(modality))
    axes.set_xlim(0, 1)
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
