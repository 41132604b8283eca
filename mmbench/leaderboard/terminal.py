"""Tables for the terminal."""

import io
from collections.abc import Sequence

from rich import box
from rich.console import Console, Group
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from mmbench.leaderboard.sheet import Cell, Column, Sheet

_UNLIMITED = 10_000
_PLAIN_WIDTH = 160


def show(sheets: Sequence[Sheet], console: Console) -> None:
    """Print tables, made to fit the console's width."""
    for sheet in sheets:
        console.print(_fit(sheet, console), "")


def plain(sheets: Sequence[Sheet]) -> str:
    """Write the same tables without colour, for a file or a pipe."""
    buffer = io.StringIO()
    show(sheets, Console(file=buffer, width=_PLAIN_WIDTH, color_system=None, force_terminal=False))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _fit(sheet: Sheet, console: Console) -> Group:
    """Intervals beside values where there is room, else below; then leave out optional columns from the right."""
    shown = list(sheet.columns)
    hidden: list[str] = []
    grid = _grid(shown, beside=True)
    if _width(grid, console) > console.width:
        grid = _grid(shown, beside=False)
    while _width(grid, console) > console.width and any(column.optional for column in shown):
        last = max(i for i, column in enumerate(shown) if column.optional)
        hidden.insert(0, shown.pop(last).header)
        grid = _grid(shown, beside=False)
    lines = [*sheet.told(hidden), *([f"Left out for width: {', '.join(hidden)}."] if hidden else [])]
    return Group(
        Text(sheet.title, style="bold"),
        grid,
        *(Padding(Text(line, style="dim"), (0, 0, 0, 1), expand=False) for line in lines),
    )


def _grid(shown: Sequence[Column], beside: bool) -> Grid:
    grid = Grid(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold cyan")
    for column in shown:
        # Words of a header may wrap; numbers may not.
        header = Text(column.header.replace("_", " "))
        grid.add_column(
            header, justify="right" if column.numeric else "left", no_wrap=beside and column.numeric, overflow="fold"
        )
    for i in range(len(shown[0].cells)):
        grid.add_row(*(_text(column.cells[i], beside) for column in shown))
    return grid


def _text(cell: Cell, beside: bool) -> Text:
    text = Text(cell.text, style="bold green" if cell.best else "")
    if cell.mark:
        text = Text.assemble(text, (cell.mark, "bold"))
    if cell.interval:
        text = Text.assemble(text, " " if beside else "\n", (cell.interval, "dim"))
    return text


def _width(grid: Grid, console: Console) -> int:
    """Columns that a grid takes without breaking a cell."""
    return Measurement.get(console, console.options.update(max_width=_UNLIMITED), grid).maximum
