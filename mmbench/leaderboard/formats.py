"""The formats of `mmbench leaderboard --format`, and of `mmbench compare --format`."""

from collections.abc import Callable, Mapping, Sequence

from mmbench.leaderboard.cells import sheet
from mmbench.leaderboard.comparison import Comparison
from mmbench.leaderboard.comparison_cells import comparison_sheet
from mmbench.leaderboard.comparison_data import comparison_csv, comparison_json
from mmbench.leaderboard.data import to_csv, to_json
from mmbench.leaderboard.markup import html, latex, markdown
from mmbench.leaderboard.sheet import Sheet
from mmbench.leaderboard.table import Table
from mmbench.leaderboard.terminal import plain


def _sheets(tables: Sequence[Table]) -> list[Sheet]:
    return [sheet(table) for table in tables]


FORMATS: Mapping[str, Callable[[Sequence[Table]], str]] = {
    "rich": lambda tables: plain(_sheets(tables)),
    "markdown": lambda tables: markdown(_sheets(tables)),
    "csv": to_csv,
    "json": to_json,
    "html": lambda tables: html(_sheets(tables), "mmbench leaderboard"),
    "latex": lambda tables: latex(_sheets(tables)),
}

COMPARISON_FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "rich": lambda found: plain([comparison_sheet(found)]),
    "markdown": lambda found: markdown([comparison_sheet(found)]),
    "csv": comparison_csv,
    "json": comparison_json,
    "html": lambda found: html([comparison_sheet(found)], "mmbench compare"),
    "latex": lambda found: latex([comparison_sheet(found)]),
}
