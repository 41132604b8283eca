"""Rows against one other row: their runs side by side, on the samples that were scored in all of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmbench.leaderboard.comparison import LEVEL, RESAMPLES, Gap
from mmbench.leaderboard.pairing import Pairing, pair_runs
from mmbench.leaderboard.row import Row
from mmbench.leaderboard.stored_run import MetricRows
from mmbench.metrics.metric import Columns, Metric
from mmbench.stats.paired import Difference, paired_differences

_SEED = 0


@dataclass(frozen=True, slots=True)
class _Pair:
    """A row beside the other: which runs, and on which samples."""

    label: str
    pairing: Pairing
    samples: NDArray[np.bool_]
    unscored: int

    @property
    def ours(self) -> tuple[str, ...]:
        return tuple(run.run_id for run, _ in self.pairing.runs)

    @property
    def theirs(self) -> tuple[str, ...]:
        return tuple(run.run_id for _, run in self.pairing.runs)


def gaps(rows: Sequence[Row], other: Row, read: MetricRows, metric: Metric, *, test: bool = True) -> dict[str, Gap]:
    """Each row minus the other, by the row's label; p-values are not corrected.

    Args:
        rows: to compare.
        other: with this.
        read: the metric's rows of all their runs.
        metric: of which the differences are.
        test: whether p-values are wanted.
    """
    pairs = [_pair(row, other, read) for row in rows]
    # Rows beside the same runs and on the same samples share resamples, which is what takes time.
    together: dict[tuple[tuple[str, ...], bytes], list[_Pair]] = defaultdict(list)
    for pair in pairs:
        together[pair.theirs, np.packbits(pair.samples).tobytes()].append(pair)
    found: dict[str, Gap] = {}
    for group in together.values():
        found |= _gaps(group, read, metric, test)
    return {row.label: found[row.label] for row in rows}


def _pair(row: Row, other: Row, read: MetricRows) -> _Pair:
    pairing = pair_runs([row, other])
    names = {run.run_id for pair in pairing.runs for run in pair}
    scored = np.logical_and.reduce([read.scored[name] for name in names])
    samples = np.logical_and.reduce([read.selected[name] for name in names])
    return _Pair(row.label, pairing, samples, int(np.count_nonzero(~scored)))


def _gaps(pairs: Sequence[_Pair], read: MetricRows, metric: Metric, test: bool) -> dict[str, Gap]:
    """The gaps of rows beside the same runs on the same samples."""
    samples = pairs[0].samples
    whole = bool(samples.all())
    rows: dict[str, Columns] = {}
    for name in {name for pair in pairs for name in (*pair.ours, *pair.theirs)}:
        columns = read.rows[name]
        rows[name] = columns if whole else {column: values[samples] for column, values in columns.items()}
    groups = read.groups if read.groups is None or whole else read.groups[samples]
    if not samples.any():
        return {pair.label: _gap(pair, None) for pair in pairs}
    differences = paired_differences(
        metric,
        {pair.label: [rows[name] for name in pair.ours] for pair in pairs},
        [rows[name] for name in pairs[0].theirs],
        groups,
        level=LEVEL,
        resamples=min(RESAMPLES, metric.resamples or RESAMPLES),
        seed=_SEED,
        test=test,
    )
    return {pair.label: _gap(pair, differences[pair.label]) for pair in pairs}


def _gap(pair: _Pair, difference: Difference | None) -> Gap:
    return Gap(difference, tuple(zip(pair.ours, pair.theirs, strict=True)), pair.unscored, pair.pairing.note)
