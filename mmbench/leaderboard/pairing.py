"""Which runs of several rows stand side by side: those of the same training seed."""

from collections.abc import Sequence
from dataclasses import dataclass

from mmbench.leaderboard.recipe import training_seed
from mmbench.leaderboard.row import Row
from mmbench.record.schema import RunRecord


@dataclass(frozen=True, slots=True)
class Pairing:
    """Runs of several rows side by side.

    Attributes:
        runs: for each of k places one run of each row.
        note: what a reader must know of how they were chosen; empty where all runs have a partner of their seed.
    """

    runs: tuple[tuple[RunRecord, ...], ...]
    note: str = ""


def pair_runs(rows: Sequence[Row]) -> Pairing:
    """Put the runs of rows side by side.

    A row of one run stands beside each run of the others; where it was trained, that is noted, since another seed might
    have given another run. Else seeds that all have are paired; where there is none, the first k runs of each in order
    of their seeds.
    """
    several = [row for row in rows if len(row.runs) > 1]
    by_seed = [{training_seed(run): run for run in row.runs} for row in several]
    common = [seed for seed in by_seed[0] if all(seed in other for other in by_seed)] if by_seed else []
    notes = []
    if not several:
        chosen = [tuple(row.runs[0] for row in rows)]
    elif common:
        chosen = [tuple(found[seed] for found in by_seed) for seed in common]
        if any(len(found) > len(common) for found in by_seed):
            notes.append(f"by the seeds that all have ({', '.join(map(str, common))})")
    else:
        count = min(len(row.runs) for row in several)
        chosen = [tuple(row.runs[place] for row in several) for place in range(count)]
        notes.append(f"no seed in common, so the first {count} runs of each in order of their seeds")
    if several:
        places = {id(row): place for place, row in enumerate(several)}
        chosen = [tuple(each[places[id(row)]] if id(row) in places else row.runs[0] for row in rows) for each in chosen]
        alone = dict.fromkeys(training_seed(row.runs[0]) for row in rows if len(row.runs) == 1)
        notes += [f"a single training (seed {seed}) stands beside all seeds" for seed in alone if seed is not None]
    return Pairing(tuple(chosen), "; ".join(notes))
