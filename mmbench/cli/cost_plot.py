"""What the cost passes found as a figure: time by stage, the sweep over batch sizes, the roofline."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmbench.cli.units import percent, plural
from mmbench.errors import HarnessError, printable
from mmbench.leaderboard.figure import write_figure
from mmbench.leaderboard.units import digits, duration, si
from mmbench.profile.results import Estimate, Passes, Roofline, Stages, Sweep, SweepPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    Drawing = tuple[float, Callable[[Axes], None]]

_WIDTH = 8.0
_PANEL = 2.8
_BAR = 0.35
_EDGES = 1.2


def plot_cost(passes: Passes, title: str, path: Path) -> None:
    """Draw what was measured, one panel below the other; the same input gives the same bytes.

    Args:
        passes: of one model on one task.
        title: of the figure.
        path: ends in .svg or .png; an existing file is replaced.

    Raises:
        UsageError: another suffix.
        HarnessError: nothing that can be drawn was measured, or the file cannot be written.
    """
    drawings = _drawings(passes)
    if not drawings:
        raise HarnessError("no stages, sweep or roofline were measured, so there is nothing to draw")
    heights = [height for height, _ in drawings]

    def draw(figure: "Figure") -> None:
        grid = figure.subplots(len(drawings), 1, squeeze=False, height_ratios=heights)
        for axes, (_, panel) in zip(grid[:, 0], drawings, strict=True):
            panel(axes)
        figure.suptitle(printable(title))

    write_figure(path, (_WIDTH, sum(heights) + 0.4), draw)


def _drawings(passes: Passes) -> "list[Drawing]":
    """Height in inches and painter of each panel."""
    found: list[Drawing] = []
    if (stages := passes.stages) is not None and stages.stages:
        found.append((_BAR * len(stages.stages) + _EDGES, lambda axes: _stages(axes, stages)))
    if (sweep := passes.sweep) is not None and (done := [point for point in sweep.points if point.samples_per_s]):
        found.append((_PANEL, lambda axes: _throughput(axes, sweep, done)))
        if any(point.latency_s for point in done):
            found.append((_PANEL, lambda axes: _latency(axes, sweep, done)))
    if (roofline := passes.roofline) is not None and _is_drawable(roofline):
        found.append((_PANEL * 1.4, lambda axes: _roofline(axes, roofline)))
    return found


def _stages(axes: "Axes", found: Stages) -> None:
    """A bar a stage, in order from above, with its interval."""
    names = [printable(stage.name) for stage in found.stages]
    places = range(len(names))
    values = [stage.seconds.value * 1000 for stage in found.stages]
    errors = list(zip(*(_error(stage.seconds) for stage in found.stages), strict=True))
    axes.barh(places, values, xerr=errors, color="tab:cyan", ecolor="dimgray", capsize=2)
    longest = max(values, default=0.0)
    for place, stage in zip(places, found.stages, strict=True):
        end = 1000 * (stage.seconds.value if stage.seconds.high is None else stage.seconds.high)
        share = f" · {percent(stage.seconds.value / found.sum_s)}" if found.sum_s else ""
        text = f"{duration(stage.seconds.value)}{share}"
        axes.text(end + longest * 0.01, place, text, va="center", fontsize=8)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    axes.set(xlabel="ms", title=f"time by stage, batch size {found.batch_size:,}")


def _error(value: Estimate) -> tuple[float, float]:
    """Milliseconds below and above a value; a median lies within its interval, but rounding may move it out."""
    if value.low is None or value.high is None:
        return 0.0, 0.0
    return max(value.value - value.low, 0.0) * 1000, max(value.high - value.value, 0.0) * 1000


def _throughput(axes: "Axes", sweep: Sweep, done: Sequence[SweepPoint]) -> None:
    speeds = [point.samples_per_s for point in done if point.samples_per_s]
    sizes = [point.batch_size for point in done]
    axes.plot(sizes, [speed.value for speed in speeds], marker="o", color="tab:blue")
    lows = [speed.value if speed.low is None else speed.low for speed in speeds]
    highs = [speed.value if speed.high is None else speed.high for speed in speeds]
    axes.fill_between(sizes, lows, highs, alpha=0.2, color="tab:blue")
    axes.set(ylabel="samples/s", title="throughput by batch size")
    _by_batch_size(axes, sweep, sizes)


def _latency(axes: "Axes", sweep: Sweep, done: Sequence[SweepPoint]) -> None:
    timed = [(point.batch_size, point.latency_s * 1000) for point in done if point.latency_s]
    axes.plot(*zip(*timed, strict=True), marker="o", color="tab:orange")
    axes.set(ylabel="ms", title="median time of one batch")
    _by_batch_size(axes, sweep, [size for size, _ in timed])


def _by_batch_size(axes: "Axes", sweep: Sweep, sizes: Sequence[int]) -> None:
    """Batch sizes along a logarithmic axis, from zero upward, with the knee and what failed."""
    axes.set_xscale("log", base=2)
    failed = [point.batch_size for point in sweep.points if point.failure is not None]
    shown = sorted({*sizes, *failed})
    axes.set_xticks(shown, [f"{size:,}" for size in shown])
    axes.set_xticks([], minor=True)
    axes.set_xlim(shown[0] / 1.3, shown[-1] * 1.3)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("batch size")
    axes.yaxis.set_major_formatter(lambda value, _: digits(value) if value else "0")
    if sweep.knee is not None:
        axes.axvline(sweep.knee, linestyle="--", color="tab:green", label=f"knee: {sweep.knee:,}")
    for i, size in enumerate(failed):
        axes.axvline(size, linestyle=":", color="tab:red", label="" if i else "failed")
    if sweep.knee is not None or failed:
        axes.legend(fontsize=8)
    axes.grid(alpha=0.3)


def _is_drawable(found: Roofline) -> bool:
    peak = found.peak
    return bool(peak.flops_per_s and peak.bytes_per_s and any(p.intensity and p.flops_per_s for p in found.points))


def _roofline(axes: "Axes", found: Roofline) -> None:
    """Attained FLOP/s over FLOPs a byte, below what memory and arithmetic allow."""
    peak = found.peak
    ridge = peak.flops_per_s / peak.bytes_per_s
    points = [point for point in found.points if point.intensity and point.flops_per_s]
    left = min(ridge, *(point.intensity for point in points)) / 4
    right = max(ridge, *(point.intensity for point in points)) * 4
    axes.plot([left, ridge, right], [left * peak.bytes_per_s, peak.flops_per_s, peak.flops_per_s], color="black")
    for point in points:
        axes.plot(point.intensity, point.flops_per_s, marker="o", color="tab:orange")
        axes.annotate(
            f"{printable(point.name)} ({percent(point.share)})",
            (point.intensity, point.flops_per_s),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set(xscale="log", yscale="log", xlabel="FLOP/byte", ylabel="FLOP/s")
    axes.set_title(
        f"roofline of this machine: {si(peak.flops_per_s, 'FLOP/s')}, {si(peak.bytes_per_s, 'B/s')} "
        f"({printable(peak.dtype)}, {plural(peak.threads, 'thread')})"
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_formatter(lambda value, _: si(value))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_minor_formatter(lambda value, _: "")
    axes.grid(alpha=0.3)
