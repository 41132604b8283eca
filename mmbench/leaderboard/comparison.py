"""What a comparison holds: the rows of a leaderboard's table, and how each differs from one of them."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from mmbench.leaderboard.row import Row
from mmbench.leaderboard.seeds import mean_metric
from mmbench.leaderboard.table import Table
from mmbench.record.schema import MetricValue, RunRecord
from mmbench.stats.paired import Difference

LEVEL = 0.95
"""Confidence of the intervals of differences."""

RESAMPLES = 9999
"""Of the bootstrap of differences, and swaps of their test, unless a metric allows fewer only."""

Parts = dict[str, dict[str, MetricValue]]
"""A metric by the key of a breakdown and by its value."""


@dataclass(frozen=True, slots=True)
class Gap:
    """A row minus another on the same samples.

    Attributes:
        difference: of the means over the runs that stand side by side; `None` where no sample was scored in all.
        pairs: ids of the runs that stand side by side.
        unscored: samples left out since they were not scored in one of the runs.
        note: how runs were paired, where that is not plain.
        p_holm: corrected for the number of rows that were compared; `None` where there is no p-value, or no correction.
    """

    difference: Difference | None
    pairs: tuple[tuple[str, str], ...]
    unscored: int
    note: str
    p_holm: float | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a comparison.

    Attributes:
        row: as the table has it.
        gap: to the baseline; `None` for that itself.
        gain: over the best row that reads one modality alone; `None` for rows that do not read several.
    """

    row: Row
    gap: Gap | None
    gain: Gap | None

    @property
    def reads(self) -> tuple[str, ...] | None:
        """The modalities that the model reads; `None` where its record does not tell."""
        return reads(self.row)

    @property
    def flops_per_sample(self) -> float | None:
        """Floating-point operations; over seeds the median of the measured runs that have them."""
        return _median(self.row, lambda run: run.cost.flops.flops_per_sample if run.cost and run.cost.flops else None)

    @property
    def latency_s(self) -> float | None:
        """Median latency of a request in seconds; over seeds the median of the measured runs that have it."""
        return _median(self.row, lambda run: run.cost.latency.p50_s.value if run.cost and run.cost.latency else None)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Models side by side.

    Attributes:
        table: the rows as a leaderboard has them; its `sort` is the metric by which they are compared.
        entries: in the order of the table's rows, best first.
        baseline: label of the row that the others are compared with.
        best_single: label of the best row that reads one modality alone; `None` where there is none.
        made: for each ensemble, by its label, what it is made of.
    """

    table: Table
    entries: tuple[Entry, ...]
    baseline: str
    best_single: str | None
    made: tuple[tuple[str, str], ...] = ()

    @property
    def metric(self) -> str:
        """By which the rows are compared."""
        return self.table.sort

    @property
    def resamples(self) -> tuple[int, ...]:
        """With which intervals of differences were made, ascending."""
        found = {each.resamples for each in self._differences}
        return tuple(sorted(found - {0}))

    @property
    def swaps(self) -> int | None:
        """The fewest random swaps of which a p-value came; `None` where there is none, or all swaps were counted."""
        drawn = [each.swaps for each in self._differences if each.test == "randomization"]
        return min(drawn, default=None)

    @property
    def _differences(self) -> list[Difference]:
        gaps = [gap for entry in self.entries for gap in (entry.gap, entry.gain) if gap is not None]
        return [gap.difference for gap in gaps if gap.difference is not None]


def reads(row: Row) -> tuple[str, ...] | None:
    """The modalities that a row's model reads; `None` where its record does not tell."""
    found = row.runs[-1].model.modalities
    return None if found is None else tuple(found)


def parts_of(row: Row, metric: str) -> Parts:
    """The metric by the breakdowns that all runs of a row have: means over seeds; of one run its own interval."""
    first = row.runs[0].breakdowns
    if len(row.runs) == 1:
        return {
            key: {value: found[metric] for value, found in values.items() if metric in found}
            for key, values in first.items()
        }
    parts: Parts = {}
    for key, values in first.items():
        parts[key] = {}
        for value in values:
            mean, _ = mean_metric(metric, [_part(run, key, value, metric) for run in row.runs])
            if mean is not None:
                parts[key][value] = mean
    return parts


def _part(run: RunRecord, key: str, value: str, metric: str) -> MetricValue | None:
    return run.breakdowns.get(key, {}).get(value, {}).get(metric)


def _median(row: Row, of_run: Callable[[RunRecord], float | None]) -> float | None:
    known = [value for run in row.measured if (value := of_run(run)) is not None]
    return statistics.median(known) if known else None
