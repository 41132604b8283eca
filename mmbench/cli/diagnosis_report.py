"""A diagnosis as people read it: the verdict, then the numbers behind it."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table

from mmbench.cli.units import percent
from mmbench.errors import printable
from mmbench.leaderboard.cells import MISSING, number, signed
from mmbench.record.diagnosis import Calibration, Curve, DiagnosisRecord, Interaction, Measure
from mmbench.record.store import DIAGNOSIS_FILE

REPORTED = (
    "verdict",
    "clean",
    "interaction",
    "perceptual",
    "shapley",
    "missing",
    "imputation",
    "robustness",
    "calibration",
    "absent",
)
"""What is printed here, so that nobody need print it again."""

_LABEL = 12
_UNLIMITED = 10_000
_BLOCKS = "▁▂▃▄▅▆▇█"
_TITLES = {
    "emap": "interaction",
    "perceptual": "shuffling",
    "shapley": "shapley",
    "missing": "missing",
    "robustness": "robustness",
    "calibration": "calibration",
}


def print_diagnosis(record: DiagnosisRecord, folder: Path | None, console: Console) -> None:
    """Print a diagnosis, and where its record is if it is stored."""
    data = record.dataset
    name = escape(printable(record.model.name))
    limited = "" if data.limit is None else " [yellow](limited)[/]"
    where = escape(printable(f"{record.task} · {data.name} {data.split}"))
    console.print(f"\n[bold]{name}[/] · {where}, {data.n:,} samples{limited}")
    console.print(f"[bold green]{escape(printable(record.verdict))}[/]\n")
    _print(
        console,
        [
            (printable(record.metric), f"{_spread(record.clean)}, on the samples as they are"),
            *_interaction(record.interaction),
        ],
    )
    for table in _tables(record, console):
        console.print(table)
    _print(console, _notes(record))
    if folder is not None:
        console.print(f"{'record':<{_LABEL}} {escape(str(folder / DIAGNOSIS_FILE))}", soft_wrap=True)


def _print(console: Console, lines: Iterable[tuple[str, str]]) -> None:
    """Lines whose text folds beside its label."""
    listed = list(lines)
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=max([_LABEL, *(len(label) for label, _ in listed)]), no_wrap=True)
    grid.add_column(overflow="fold")
    for label, text in listed:
        grid.add_row(escape(label), text)
    if grid.row_count:
        console.print(grid)


def _tables(record: DiagnosisRecord, console: Console) -> list[Table]:
    found: list[Callable[[bool], Table]] = []
    if record.perceptual is not None:
        found.append(lambda whole: _perceptual(record, whole))
    if record.missing is not None:
        found.append(lambda whole: _missing(record, whole))
    if record.shapley is not None:
        found.append(lambda _: _shapley(record))
    if curves := record.robustness:
        found.append(lambda whole: _robustness(curves, console, whole))
    if rows := record.calibration:
        found.append(lambda whole: _calibration(rows, whole))
    return [_fit(build, console) for build in found]


def _fit(build: Callable[[bool], Table], console: Console) -> Table:
    """The table with all intervals, or without those that can be missed where the terminal is narrow."""
    whole = build(True)
    needed = Measurement.get(console, console.options.update(max_width=_UNLIMITED), whole).maximum
    return whole if needed <= console.width else build(False)


def _interaction(found: Interaction | None) -> list[tuple[str, str]]:
    if found is None:
        return []
    told = (
        f"EMAP gain {_spread(found.gain, sign=True)}: {number(found.full.value)} against "
        f"{number(found.additive.value)} of the additive part, on {found.gain.n:,} samples"
    )
    return [("interaction", told)]


def _perceptual(record: DiagnosisRecord, whole: bool) -> Table:
    level = _level(record.clean)
    table = _table("shuffled", record.metric, "drop", *([level] if whole else []), "perceptual score", level, "")
    for name, found in (record.perceptual or {}).items():
        drop = _signed(found.drop)[: 2 if whole else 1]
        numbers = (number(found.shuffled.value), *drop, *_shares(found.score))
        table.add_row(escape(printable(name)), *numbers, _unread(name, record))
    return table


def _missing(record: DiagnosisRecord, whole: bool) -> Table:
    level = _level(record.clean)
    table = _table(f"missing ({record.imputation})", record.metric, *([level] if whole else []), "drop", level, "")
    for name, found in (record.missing or {}).items():
        without = [number(found.without.value), _interval(found.without)][: 2 if whole else 1]
        table.add_row(escape(printable(name)), *without, *_signed(found.drop), _unread(name, record))
    return table


def _shapley(record: DiagnosisRecord) -> Table:
    """Contributions, and below them what they add up to."""
    table = _table("contribution", "Shapley value", _level(record.clean), "")
    shapley = record.shapley
    if shapley is None:
        return table
    for name, found in shapley.contributions.items():
        table.add_row(escape(printable(name)), *_signed(found), _unread(name, record))
    empty = shapley.coalitions[0].value
    answer = escape(printable(f"{shapley.answer:.40}"))
    table.add_row(
        f"[dim]nothing: always {answer!s}[/]", f"[dim]{number(empty.value)}[/]", f"[dim]{_interval(empty)}[/]"
    )
    return table


def _robustness(curves: Sequence[Curve], console: Console, whole: bool) -> Table:
    level = _level(curves[0].area)
    table = _table("noise", "", "at 0", "at 1", *([level] if whole else []), "relative area", level)
    table.columns[1].header = "0 to 1"
    for curve in curves:
        values = [point.value.value for point in curve.points]
        last = curve.points[-1].value
        table.add_row(
            escape(printable(f"{curve.modality} {curve.noise}")),
            f"[cyan]{_sparkline(values, console.options.ascii_only)}[/]",
            number(values[0]),
            *[number(last.value), _interval(last)][: 2 if whole else 1],
            number(curve.area.value),
            _interval(curve.area),
        )
    return table


def _calibration(found: Sequence[Calibration], whole: bool) -> Table:
    headers = [(name, _level(each))[: 2 if whole else 1] for name, each in found[0].metrics.items()]
    table = _table("calibration", *chain.from_iterable(headers))
    for row in found:
        cells = [(number(each.value), _interval(each))[: 2 if whole else 1] for each in row.metrics.values()]
        table.add_row(escape(printable(row.condition)), *chain.from_iterable(cells))
    return table


def _notes(record: DiagnosisRecord) -> list[tuple[str, str]]:
    """Which sections there are not, and why."""
    return [(_TITLES.get(name, name), f"[dim]{escape(printable(reason))}[/]") for name, reason in record.absent.items()]


def _table(first: str, *others: str) -> Table:
    """Numbers to the right; a column without a header holds words or a curve."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(escape(first), overflow="fold")
    for header in others:
        table.add_column(escape(header), justify="right" if header else "left", overflow="fold")
    return table


def _unread(name: str, record: DiagnosisRecord) -> str:
    return "" if name in record.reads else "[yellow]does not read it[/]"


def _sparkline(values: Sequence[float | None], ascii_only: bool) -> str:
    """A block a level, as high as its share of the greatest; digits from 0 to 9 where there are no blocks."""
    marks = "0123456789" if ascii_only else _BLOCKS
    most = max((value for value in values if value is not None), default=0.0)
    if most <= 0:
        return marks[0] * len(values)
    shares = [0.0 if value is None else max(value, 0.0) / most for value in values]
    return "".join(marks[round(share * (len(marks) - 1))] for share in shares)


def _level(found: Measure) -> str:
    return f"{100 * found.level:g} %"


def _interval(found: Measure) -> str:
    if found.low is None or found.high is None:
        return MISSING
    return f"{number(found.low)} – {number(found.high)}"


def _signed(found: Measure) -> tuple[str, str]:
    """A difference with its interval."""
    known = found.value is not None and found.low is not None and found.high is not None
    return signed(found.value), f"{signed(found.low)} – {signed(found.high)}" if known else MISSING


def _shares(found: Measure) -> tuple[str, str]:
    """A share of the metric with its interval."""
    if found.value is None:
        return MISSING, MISSING
    bounds = MISSING if found.low is None or found.high is None else f"{_share(found.low)} – {_share(found.high)}"
    return _share(found.value), bounds


def _share(value: float) -> str:
    return f"-{percent(-value)}" if value < 0 else percent(value)


def _spread(found: Measure, sign: bool = False) -> str:
    value, bounds = _signed(found) if sign else (number(found.value), _interval(found))
    return value if bounds == MISSING else f"{value} ({_level(found)}: {bounds})"
