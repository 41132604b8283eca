"""Robustness curves of compared models, from the diagnoses that are stored beside their runs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmbench.leaderboard.comparison import Comparison
from mmbench.leaderboard.row import Row
from mmbench.leaderboard.stored_run import StoredRun
from mmbench.record.diagnosis import Curve, DiagnosisRecord
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store


@dataclass(frozen=True, slots=True)
class Robustness:
    """How models bear one noise of one modality.

    Attributes:
        samples: that the curves are of.
        curves: by label of the row.
    """

    modality: str
    noise: str
    samples: int
    curves: dict[str, Curve]


def diagnoses_beside(runs: Sequence[StoredRun], folders: Iterable[Path] = ()) -> list[DiagnosisRecord]:
    """Diagnoses in the folders of the runs' models, and below `folders`; the oldest first.

    Raises:
        UsageError: one of them is damaged.
    """
    beside = {Path(run.place).parent for run in runs}  # <root>/<task>/<dataset>/<model>/<run_id>
    places = [path for path in {*beside, *folders} if path.is_dir()]
    return [record for _, record in Store(Path()).find_diagnoses(sorted(places))]


def robustness(found: Comparison, diagnoses: Sequence[DiagnosisRecord]) -> list[Robustness]:
    """The curves of the comparison's metric, a panel for each noise.

    A diagnosis counts for the row that has a run of the same weights on the same split. Of several the latest does, and
    all must be of the same samples: of different numbers of samples those are drawn that most rows have, more samples
    first.
    """
    rows = [entry.row for entry in found.entries]
    fitting = [each for each in diagnoses if each.metric == found.metric and each.robustness]
    by_size: dict[tuple[int, int], dict[str, DiagnosisRecord]] = {}
    for record in fitting:
        for row in rows:
            if _is_of(record, row):
                size = record.dataset.n, record.dataset.limit or 0
                by_size.setdefault(size, {})[row.label] = record
    if not by_size:
        return []
    (samples, _), chosen = max(by_size.items(), key=lambda item: (len(item[1]), item[0]))
    curves: dict[tuple[str, str], dict[str, Curve]] = {}
    for label, record in chosen.items():
        for curve in record.robustness or ():
            curves.setdefault((curve.modality, curve.noise), {})[label] = curve
    return [Robustness(*key, samples, by_label) for key, by_label in sorted(curves.items())]


def _is_of(record: DiagnosisRecord, row: Row) -> bool:
    """Whether some run of the row was made with the model that was diagnosed."""
    return any(_same(record, run) for run in row.runs)


def _same(record: DiagnosisRecord, run: RunRecord) -> bool:
    one, other = (
        (each.task, each.dataset.name, each.dataset.revision, each.dataset.split, each.model.name, _digest(each))
        for each in (record, run)
    )
    return one == other


def _digest(record: DiagnosisRecord | RunRecord) -> str | None:
    return record.model.weights.sha256 if record.model.weights else None
