"""Attention of a sample in a terminal: shaded maps, and words with bars."""

from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmbench.cli.attention_plot import plot_attention
from mmbench.cli.attention_view import Shares, heading, views
from mmbench.cli.console import print_json, print_line
from mmbench.cli.units import bar, percent
from mmbench.engine.attend import Attended
from mmbench.errors import printable
from mmbench.leaderboard.units import digits

_SHADES = " ░▒▓█"
_ASCII_SHADES = " .+x#"
_BAR = 24
_TRACK = 60  # characters
_LONGEST = 40  # characters of a word


def show_attention(attended: Attended, console: Console, plot: Path | None, *, json: bool) -> None:
    """Print where attention lay, for people or as JSON, and draw it if a file is named.

    Raises:
        UsageError: `plot` ends in neither .svg nor .png.
        HarnessError: it cannot be written.
    """
    if json:
        print_json(attended.to_json())
    else:
        print_attention(attended, console)
    if plot is not None:  # last, so that a figure that fails takes nothing with it
        plot_attention(attended, plot)
        print_line("wrote", "green", str(plot))


def print_attention(attended: Attended, console: Console) -> None:
    """Print every look: means over heads and over the tokens that looked.

    Args:
        attended: a sample and where attention lay.
        console: where to; its width sets whether a map fits.
    """
    first, *rest = heading(attended)
    console.print(Text(first, style="bold"), *map(Text, rest), sep="\n")
    ascii_only = console.options.ascii_only
    for view in views(attended):
        console.print(Text(f"\n{view.title}", style="cyan"))
        for name, shares in view.maps.items():
            console.print(Text(_shaded(name, shares, console.width, ascii_only)))
        for name, (seconds, shares) in view.tracks.items():
            console.print(Text(_track(name, seconds, shares, min(_TRACK, console.width - 2), ascii_only)))
        if view.bars:
            console.print(_bars(view.bars, ascii_only))


def _shaded(name: str, shares: Shares, width: int, ascii_only: bool) -> str:
    """A map as lines of characters in a frame; a cell is two wide, as characters are twice as high, where it fits."""
    rows, columns = shares.shape
    across = 2 if 2 * columns + 2 <= width else 1
    most = f"{printable(name)}: {rows} x {columns}, at most {percent(float(shares.max()))} at one place"
    if across * columns + 2 > width:
        return f"{most}; too wide to show here"
    side, edge = ("|", "-") if ascii_only else ("│", "─")
    frame = " " + edge * (across * columns)
    lines = ["".join(_shade(share, float(shares.max()), ascii_only) * across for share in row) for row in shares]
    return "\n".join([most, frame, *(f"{side}{line}{side}" for line in lines), frame])


def _track(name: str, seconds: float, shares: Shares, width: int, ascii_only: bool) -> str:
    """A sound as one line: the mean of what falls into each character."""
    width = max(1, min(width, len(shares)))
    parts = [float(shares[len(shares) * i // width : len(shares) * (i + 1) // width].mean()) for i in range(width)]
    line = "".join(_shade(part, max(parts), ascii_only) for part in parts)
    side = "|" if ascii_only else "│"
    return f"{printable(name)}: {digits(seconds * len(shares))} s from left to right\n{side}{line}{side}"


def _shade(share: float, greatest: float, ascii_only: bool) -> str:
    shades = _ASCII_SHADES if ascii_only else _SHADES
    return shades[round(share / greatest * (len(shades) - 1))] if greatest > 0 else shades[0]


def _bars(bars: list[tuple[str, float]], ascii_only: bool) -> Table:
    greatest = max(share for _, share in bars) or 1.0
    table = Table.grid(padding=(0, 1))
    table.add_column(max_width=_LONGEST, overflow="ellipsis", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    for text, share in bars:
        table.add_row(Text(text), percent(share), bar(share / greatest, _BAR, ascii_only))
    return table
