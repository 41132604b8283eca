"""The formats of `mmbench leaderboard --format`."""

from collections.abc import Callable, Mapping, Sequence

from mmbench.leaderboard.data import to_csv, to_json
from mmbench.leaderboard.markup import html, latex, markdown
from mmbench.leaderboard.table import Table
from mmbench.leaderboard.terminal import plain

FORMATS: Mapping[str, Callable[[Sequence[Table]], str]] = {
    "rich": plain,
    "markdown": markdown,
    "csv": to_csv,
    "json": to_json,
    "html": html,
    "latex": latex,
}
