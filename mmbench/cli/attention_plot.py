"""Attention of a sample as a figure: heat over the image, bars for the words."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mmbench.cli.attention_view import Shares, View, heading, views
from mmbench.cli.units import percent
from mmbench.data.decode import load_image
from mmbench.engine.attend import Attended
from mmbench.errors import printable
from mmbench.leaderboard.figure import write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

    Panel = tuple[float, Callable[[Axes], None]]

_WIDTH = 8.0
_PANEL = 2.0
_BAR = 0.17
_SMALL = 1.05
_TITLE = 0.35
_LINE = 7  # small panels side by side
_FONT = 8
_PIXELS = 512  # of an image's longer side: more would only make the file larger
_LONGEST = 30  # characters of a word


@dataclass(frozen=True, slots=True)
class _Strip:
    """Panels under one title: width in inches and painter of each, and columns on a line."""

    title: str
    height: float
    columns: int
    panels: "Sequence[Panel]"


def plot_attention(attended: Attended, path: Path) -> None:
    """Draw every look, one below the other; the same input gives the same bytes.

    Means over heads and over the tokens that looked; where words looked at an image, also a small map for each word.

    Args:
        attended: a sample and where attention lay.
        path: ends in .svg or .png; an existing file is replaced.

    Raises:
        UsageError: another suffix.
        HarnessError: the file cannot be written.
    """
    shown = views(attended)
    images = {name: _small(attended, name) for name in dict.fromkeys(name for view in shown for name in view.maps)}
    strips = [strip for view in shown for strip in _strips(view, images)]
    title = heading(attended)

    def draw(figure: "Figure") -> None:
        figure.suptitle("\n".join(title), fontsize=10)
        parts = figure.subfigures(len(strips), 1, squeeze=False, height_ratios=[strip.height for strip in strips])
        for part, strip in zip(parts[:, 0], strips, strict=True):
            if strip.title:
                part.suptitle(strip.title, fontsize=_FONT + 1)
            lines = math.ceil(len(strip.panels) / strip.columns)
            widths = [width for width, _ in strip.panels][: strip.columns]
            widths += [widths[0]] * (strip.columns - len(widths))
            grid = list(part.subplots(lines, strip.columns, squeeze=False, width_ratios=widths).flat)
            for axes in grid:
                axes.set_axis_off()
            for axes, (_, panel) in zip(grid, strip.panels, strict=False):
                panel(axes)

    write_figure(path, (_WIDTH, sum(strip.height for strip in strips) + _TITLE + 0.2 * len(title)), draw)


def _small(attended: Attended, name: str) -> "Image":
    image = load_image(attended.sample.inputs[name])
    image.thumbnail((_PIXELS, _PIXELS))
    return image


def _strips(view: View, images: "Mapping[str, Image]") -> list[_Strip]:
    """What is seen together, and under it the words one by one."""
    panels: list[Panel] = []
    for name, shares in view.maps.items():
        panels += [(_PANEL, _plain(images[name])), (_PANEL, _heat(images[name], shares))]
    panels += [(2 * _PANEL, _track(name, *track)) for name, track in view.tracks.items()]
    height = _PANEL if panels else 0.0
    if view.bars:
        panels.append((2 * _PANEL, _bars(view.bars)))
        height = max(height, _BAR * len(view.bars) + 0.1)
    strips = [_Strip(view.title, height + _TITLE, len(panels), panels)]
    for name, words in view.words.items():
        greatest = max(float(shares.max()) for _, shares in words)
        each: list[Panel] = [(_SMALL, _heat(images[name], shares, greatest, _cut(word))) for word, shares in words]
        strips.append(_Strip("", _SMALL * 1.2 * math.ceil(len(each) / _LINE), _LINE, each))
    return strips


def _plain(image: "Image") -> "Callable[[Axes], None]":
    def draw(axes: "Axes") -> None:
        axes.imshow(np.asarray(image))

    return draw


def _heat(
    image: "Image", shares: Shares, greatest: float | None = None, title: str | None = None
) -> "Callable[[Axes], None]":
    """An image under its map, brightest where `greatest` is reached, or the map's own greatest share."""
    greatest = float(shares.max()) if greatest is None else greatest
    told = f"brightest: {percent(greatest)}" if title is None else title

    def draw(axes: "Axes") -> None:
        whole = (0, image.width, image.height, 0)
        axes.imshow(np.asarray(image), extent=whole)
        # Between the middles of the grid's cells shares are interpolated: upsampled to the size of the image.
        axes.imshow(
            shares, extent=whole, cmap="inferno", alpha=0.6, interpolation="bilinear", vmin=0, vmax=greatest or 1
        )
        axes.set_title(told, fontsize=_FONT - 1, pad=2)

    return draw


def _track(name: str, seconds: float, shares: Shares) -> "Callable[[Axes], None]":
    def draw(axes: "Axes") -> None:
        axes.set_axis_on()
        axes.stairs(shares, np.arange(len(shares) + 1) * seconds, fill=True, color="tab:orange")
        axes.set_xlabel(f"{printable(name)}: seconds", fontsize=_FONT)
        axes.tick_params(labelsize=_FONT - 1)
        axes.yaxis.set_major_formatter(lambda value, _: percent(value))

    return draw


def _bars(bars: Sequence[tuple[str, float]]) -> "Callable[[Axes], None]":
    def draw(axes: "Axes") -> None:
        axes.set_axis_on()
        places = range(len(bars))
        axes.barh(places, [share for _, share in bars], color="tab:orange")
        for place, (_, share) in zip(places, bars, strict=True):
            axes.text(share, place, f" {percent(share)}", va="center", fontsize=_FONT - 1)
        axes.set_yticks(places, [_cut(text) for text, _ in bars], fontsize=_FONT)
        axes.set_xticks([])
        axes.invert_yaxis()
        axes.margins(x=0.15)
        axes.spines["bottom"].set_visible(False)

    return draw


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
