"""Ensembles as rows of a comparison: from the stored predictions of its other rows."""

from collections.abc import Sequence
from dataclasses import replace

from mmbench.engine.combination import Combination
from mmbench.engine.ensemble import Member, needed, score_ensemble
from mmbench.engine.resolve import resolve_task
from mmbench.leaderboard.pairing import pair_runs
from mmbench.leaderboard.recipe import training_seed
from mmbench.leaderboard.row import Row
from mmbench.leaderboard.seeds import rows_over_seeds
from mmbench.leaderboard.stored_run import Aligned, StoredRun
from mmbench.metrics.metric import Metric

_NAMED = 3
"""Members that a label names; of more it gives the number."""


def ensemble_rows(
    combinations: Sequence[Combination], members: Sequence[Row], runs: Sequence[StoredRun], metric: Metric
) -> tuple[list[tuple[Row, list[StoredRun]]], tuple[tuple[str, str], ...]]:
    """A row of each combination with its runs, one a seed, and for its label a text that says what it is made of.

    Args:
        combinations: how.
        members: rows; a tie of votes goes to the earlier.
        runs: with the samples of all runs of the members.
        metric: to be computed.

    Raises:
        UsageError: they cannot be combined; says why.
    """
    for combination in combinations:
        combination.check(len(members))
    stored = {run.record.run_id: run for run in runs}
    pairing = pair_runs(members)
    leading = next((place for place, row in enumerate(members) if len(row.runs) > 1), 0)
    names = [row.label for row in members]
    found: list[tuple[Row, list[StoredRun]]] = []
    made = []
    for combination in combinations:
        called = f"{combination.label()}({', '.join(names) if len(names) <= _NAMED else f'{len(names)} models'})"
        own = [
            _run(combination, [stored[run.run_id] for run in side], metric, called, training_seed(side[leading]))
            for side in pairing.runs
        ]
        (row,) = rows_over_seeds([run.record for run in own])
        if len(row.runs) == 1:
            row = replace(row, metrics=row.runs[0].metrics, deviations={})
        found.append((row, own))
        note = f"; {pairing.note}" if pairing.note else ""
        made.append((row.label, f"from the stored predictions of {', '.join(names)}{note}; no model was run for it."))
    return found, tuple(made)


def _run(
    combination: Combination, runs: Sequence[StoredRun], metric: Metric, called: str, seed: int | None
) -> StoredRun:
    """One run of an ensemble, whose samples are in memory."""
    aligned = Aligned()
    members = [
        Member(run.record, run.called, aligned.read(run, lambda name: needed(name, combination))) for run in runs
    ]
    record, table = score_ensemble(
        combination,
        members,
        resolve_task(runs[0].record.task),
        metric,
        name=called,
        seed=seed,
    )
    return StoredRun(record, called, lambda wanted: table.select([n for n in table.column_names if wanted(n)]))
