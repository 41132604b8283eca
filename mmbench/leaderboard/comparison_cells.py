"""A comparison as text for people: columns and notes, before any format's own escaping."""

from collections import defaultdict

from mmbench.errors import join_names, printable
from mmbench.leaderboard.cells import (
    MISSING,
    NAMED,
    SPEED,
    cost_notes,
    count,
    front_column,
    hidden_note,
    metric_column,
    number,
    recipe_notes,
    signed,
    size,
    title,
    whose_costs,
)
from mmbench.leaderboard.comparison import LEVEL, Comparison, Entry, Gap
from mmbench.leaderboard.pareto import of_row
from mmbench.leaderboard.sheet import Cell, Column, Note, Sheet
from mmbench.leaderboard.units import duration, si

_MARKS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
_GAIN = "gain over one modality"
_P = "p (Holm)"


def comparison_sheet(found: Comparison) -> Sheet:
    """All that is told of a comparison."""
    return Sheet(title(found.table), tuple(_columns(found)), tuple(_notes(found)))


def mark(p_value: float | None) -> str:
    """The stars of a p-value: `*` below .05, `**` below .01, `***` below .001."""
    return next((stars for limit, stars in _MARKS if p_value is not None and p_value < limit), "")


def probability(value: float | None) -> str:
    """Format a p-value: 0.034, <0.001."""
    if value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _columns(found: Comparison) -> list[Column]:
    table, entries = found.table, found.entries
    rows = table.rows
    columns = [
        Column("model", [Cell(printable(row.label)) for row in rows], numeric=False),
    ]
    if any(entry.reads is not None for entry in entries):
        columns.append(Column("reads", [Cell(_reads(entry)) for entry in entries], numeric=False))
    if table.over_seeds:
        columns.append(Column("seeds", [Cell(count(len(row.runs))) for row in rows]))
    columns.append(metric_column(found.metric, table))
    if table.over_seeds:
        columns.append(Column("sd", [Cell(number(row.deviations.get(found.metric))) for row in rows], optional=True))
    columns.append(Column(_minus(found), [_difference(entry, found) for entry in entries]))
    columns.append(Column(_P, [Cell(probability(entry.gap.p_holm if entry.gap else None)) for entry in entries]))
    if _has_gains(found):
        columns.append(Column(_GAIN, [_gap_cell(entry.gain) for entry in entries], optional=True))
    return [
        *columns,
        Column("parameters", [Cell(count(row.parameters)) for row in rows], optional=True),
        Column(
            "FLOPs/sample",
            [Cell(MISSING if entry.flops_per_sample is None else si(entry.flops_per_sample)) for entry in entries],
            optional=True,
        ),
        Column("latency p50", [Cell(duration(entry.latency_s)) for entry in entries], optional=True),
        Column(SPEED, [Cell(number(of_row(row, table.speed))) for row in rows], optional=True),
        Column("peak memory", [Cell(size(row.peak_bytes)) for row in rows], optional=True),
        *front_column(table),
    ]


def _has_gains(found: Comparison) -> bool:
    return any(entry.gain is not None for entry in found.entries)


def _minus(found: Comparison) -> str:
    return printable(f"minus {found.baseline}")


def _reads(entry: Entry) -> str:
    if entry.reads is None:
        return MISSING
    return printable(" + ".join(entry.reads)) or "nothing"


def _difference(entry: Entry, found: Comparison) -> Cell:
    return Cell("baseline") if entry.row.label == found.baseline else _gap_cell(entry.gap)


def _gap_cell(gap: Gap | None) -> Cell:
    """A difference with its sign, its interval and, where there is a corrected p-value, its stars."""
    if gap is None or gap.difference is None or gap.difference.interval.value is None:
        return Cell(MISSING)
    found = gap.difference.interval
    known = found.low is not None and found.high is not None
    return Cell(
        signed(found.value), f"[{signed(found.low)}, {signed(found.high)}]" if known else "", mark=mark(gap.p_holm)
    )


def _notes(found: Comparison) -> list[Note]:
    metric, minus = printable(found.metric), _minus(found)
    percent = f"{100 * LEVEL:g} %"
    lower = any(
        row.metrics[found.metric].higher_is_better is False for row in found.table.rows if found.metric in row.metrics
    )
    best = f"Best first by {metric}{', of which less is better' if lower else ''}."
    notes = [
        Note(f"{best} In brackets: {percent} intervals. {_whose_intervals(found)}"),
        Note(
            f"{minus}: paired difference in {metric} on the same samples{_over_seeds(found)}, with the {percent} "
            f"bootstrap interval of the choice of samples{_resamples(found)}, not corrected for how many are compared."
        ),
        Note(_about_p(found)),
        *_gain_notes(found, percent),
        *map(Note, _pairing_notes(found)),
        *(Note(printable(f"{label}: {text}")) for label, text in found.made),
    ]
    if found.table.hidden:
        notes.append(Note(hidden_note(found.table)))
    notes += [Note(text) for text in recipe_notes(found.table)]
    return [*notes, *cost_notes(found.table)]


def _about_p(found: Comparison) -> str:
    p_values = [entry.gap.p_holm for entry in found.entries if entry.gap is not None and entry.gap.p_holm is not None]
    count = len(p_values)
    text = (
        f"{_P}: paired randomization test, corrected for {count} comparison{'s' * (count != 1)} (Holm 1979): every row "
        "but the baseline counts, floors too. Trainings are taken as they are: the test does not cover what another "
        "seed would give. Stars: * p < .05, ** p < .01, *** p < .001."
    )
    swaps = found.swaps
    if swaps is not None and count / (swaps + 1) >= _MARKS[0][0]:
        text += f" {swaps:,} random swaps cannot give a p below {probability(count / (swaps + 1))} here."
    return text


def _resamples(found: Comparison) -> str:
    numbers = " or ".join(f"{each:,}" for each in found.resamples)
    return f" ({numbers} resamples)" if numbers else ""


def _whose_intervals(found: Comparison) -> str:
    """What the metric's intervals are about."""
    if not found.table.over_seeds:
        return "They cover the choice of test samples."
    rows = found.table.rows
    rest = ""
    if any(len(row.runs) == 1 for row in rows):
        rest += " That of a row of one run covers the choice of test samples."
    if any(row.deviations.get(found.metric) == 0 for row in rows):
        rest += " Seeds that all gave one value (sd 0) tell no spread, so their mean has no interval."
    return (
        "Those of means over training seeds (Student's t), and sd, the standard deviation over seeds, cover what the "
        f"seed changes.{rest} {whose_costs(rows)}"
    )


def _over_seeds(found: Comparison) -> str:
    return ", means over training seeds, run beside run of the same seed" if found.table.over_seeds else ""


def _gain_notes(found: Comparison, percent: str) -> list[Note]:
    unknown = [entry.row.label for entry in found.entries if entry.reads is None]
    notes = []
    if found.best_single is None:
        text = "No row is known to read exactly one modality; add one to see what fusion gains over the best of them."
        notes.append(Note(text))
    elif _has_gains(found):
        text = (
            f"{_GAIN}: paired difference to {found.best_single}, the best row that reads one modality alone (chosen "
            f"on these samples), with its {percent} interval, not corrected; for rows that read several."
        )
        notes.append(Note(printable(text), about=_GAIN))
    if unknown:
        whose = "" if len(unknown) == len(found.entries) else f" of {join_names(unknown, NAMED)}"
        text = f"The records{whose} do not tell what the model reads: they are older, or of given predictions."
        notes.append(Note(printable(text)))
    return notes


def _pairing_notes(found: Comparison) -> list[str]:
    """How runs were paired where that is not plain, and which samples were left out; rows told alike together."""
    told: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for entry in found.entries:
        for gap, other in ((entry.gap, found.baseline), (entry.gain, found.best_single)):
            for text in _remarks(gap) if gap is not None else ():
                told[str(other), text].append(entry.row.label)
    return [
        printable(f"{join_names(labels, NAMED)} against {other}: {text}.") for (other, text), labels in told.items()
    ]


def _remarks(gap: Gap) -> list[str]:
    found = [gap.note] if gap.note else []
    if gap.difference is None:
        found.append("no sample was scored in all runs, so there is no difference")
    elif gap.unscored:
        plural = "s that were" if gap.unscored > 1 else " that was"
        found.append(f"without {gap.unscored:,} sample{plural} not scored in one of the runs")
    return found
