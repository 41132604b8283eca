"""One decision of several models from their stored predictions, scored as a run of its own; no model is run."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmbench.engine.combination import Combination, FloatArray, combine, vote
from mmbench.engine.loader import Failure as Failed
from mmbench.engine.samples import LABELS, SCORES, Outcome, read_outcome, scored
from mmbench.engine.scored import ScoredBatch
from mmbench.engine.values import breakdowns, metric_values
from mmbench.errors import UsageError
from mmbench.metrics.metric import Metric, families, protocol_of
from mmbench.record.environment import capture
from mmbench.record.schema import Failure, ModelInfo, RunRecord
from mmbench.record.store import new_run_id
from mmbench.sample import Prediction, Sample
from mmbench.task import Task

_NEEDED = {"id", "group", "target", "duration", "prediction", "error"}


@dataclass(frozen=True, slots=True)
class Member:
    """A run of which an ensemble is made.

    Attributes:
        record: of the run.
        called: for errors, the model and where it is.
        samples: with the columns that `needed` tells of, in the same order for all members.
    """

    record: RunRecord
    called: str
    samples: pa.Table


def needed(column: str, combination: Combination) -> bool:
    """Whether an ensemble reads a column of its members' samples."""
    return column in _NEEDED or column.startswith("meta.") or (column == SCORES and combination.needs_scores)


def score_ensemble(
    combination: Combination, members: Sequence[Member], task: Task, metric: Metric, *, name: str, seed: int | None
) -> tuple[RunRecord, pa.Table]:
    """The record of an ensemble, without cost, and its table of samples.

    A sample that failed in one of the members is not scored, nor is one for which a product leaves no label.

    Args:
        combination: how.
        members: of the same samples.
        task: of the members, which scores.
        metric: to be computed.
        name: what the record calls it.
        seed: training seed of the members, where they share one.

    Raises:
        UsageError: a member has no scores or other labels, the metric needs what an ensemble does not have, or nothing
            could be scored.
    """
    combination.check(len(members))
    if metric.reads_inputs or (metric.needs_scores and not combination.needs_scores):
        what = "the samples' inputs" if metric.reads_inputs else "probabilities"
        raise UsageError(f"metric {metric.name!r} needs {what}, which ensemble {combination.label()!r} does not have")
    outcome = _outcome(combination, members, task, metric)
    table = scored(outcome.table)
    if not table.num_rows:
        first = outcome.failures[0]
        raise UsageError(f"no sample of ensemble {combination.label()!r} can be scored; {first.id}: {first.reason}")
    created = datetime.now(UTC)
    record, metrics = members[0].record, {metric.name: metric}
    return (
        RunRecord(
            run_id=new_run_id(created),
            created=created,
            task=record.task,
            main_metric=record.main_metric,
            dataset=record.dataset,
            model=_model_info(combination, members, name, seed),
            metrics=metric_values(metrics, table, 0),
            breakdowns=breakdowns(metrics, table, task.card.breakdowns, 0),
            cost=None,
            failures=[Failure(id=f.id, stage=f.stage, reason=f.reason) for f in outcome.failures],
            environment=capture(),
            settings={
                "alteration": record.settings.get("alteration"),
                "protocol": dict(protocol_of(metrics)),
                "metrics": {metric.name: metric.settings()},
            },
        ),
        outcome.table,
    )


def _model_info(combination: Combination, members: Sequence[Member], name: str, seed: int | None) -> ModelInfo:
    read = [member.record.model.modalities for member in members]
    union = list(dict.fromkeys(modality for each in read for modality in each or ()))
    return ModelInfo(
        name=name,
        config={
            "ensemble": combination.label(),
            "members": [member.record.model.name for member in members],
            **({} if seed is None else {"training": {"options": {"seed": seed}}}),
        },
        parameters=None,
        modalities=None if None in read else union,
        weights=None,
    )


def _outcome(combination: Combination, members: Sequence[Member], task: Task, metric: Metric) -> Outcome:
    reasons = _reasons(members)
    whole = np.array([reason is None for reason in reasons])
    answers = iter(_answers(combination, [_Answers(member, whole) for member in members]))
    metrics = {metric.name: metric}
    batch = ScoredBatch(0, task, families(metrics), [])
    for index, (sample, reason) in enumerate(zip(_samples(members[0].samples), reasons, strict=True)):
        answer = next(answers) if reason is None else reason
        if isinstance(answer, Prediction):
            batch.score(index, sample, answer)
        else:
            batch.failures.append(Failed(index, sample.id, "model", answer))
    return read_outcome([batch.entry(0.0)], metrics)


def _reasons(members: Sequence[Member]) -> list[str | None]:
    """For each sample why it cannot be decided together; `None` where it can."""
    found: list[str | None] = [None] * members[0].samples.num_rows
    for member in members:
        for place, error in enumerate(member.samples["error"].to_pylist()):
            if error is not None and found[place] is None:
                found[place] = f"{member.record.model.name}: {error}"
    return found


class _Answers:
    """What one member answered to the samples that all answered."""

    def __init__(self, member: Member, whole: NDArray[np.bool_]) -> None:
        self.member = member
        self._table = member.samples.filter(pa.array(whole))

    def predictions(self) -> list[str]:
        found: list[str] = self._table["prediction"].to_pylist()
        return found

    def labels(self) -> list[str]:
        metadata = self._table.schema.metadata or {}
        if SCORES not in self._table.column_names or LABELS not in metadata:
            raise UsageError(
                f"{self.member.called} has no stored scores, of which ensembles other than a vote are made; "
                "`mmbench eval --keep-scores` stores them"
            )
        found: list[str] = json.loads(metadata[LABELS])
        return found

    def scores(self, labels: Sequence[str]) -> NDArray[Any]:
        """[n, C] in the order of `labels`, which are the member's own in any order."""
        own = self.labels()
        flat = self._table[SCORES].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        if len(flat) != self._table.num_rows * len(own):
            raise UsageError(f"{self.member.called}: some samples do not have a score for each label")
        matrix: NDArray[Any] = flat.reshape(-1, len(own))
        places = {label: place for place, label in enumerate(own)}
        return matrix if list(labels) == own else matrix[:, [places[label] for label in labels]]


def _answers(combination: Combination, members: Sequence[_Answers]) -> list[Prediction | str]:
    """The decisions, or why there is none, of the samples that all members answered."""
    if not combination.needs_scores:
        return [Prediction(value) for value in vote([each.predictions() for each in members])]
    labels = members[0].labels()
    for each in members[1:]:
        _check_labels(members[0].member, labels, each.member, each.labels())
    return _most_probable(combine(combination, [each.scores(labels) for each in members]), labels)


def _most_probable(scores: FloatArray, labels: Sequence[str]) -> list[Prediction | str]:
    possible = np.isfinite(scores.max(axis=1, initial=-np.inf)).tolist()
    best = scores.argmax(axis=1).tolist() if len(scores) else []
    rows = scores.astype(np.float32)
    return [
        Prediction(labels[place], row, labels) if can else "each label is impossible to one of the members"
        for place, row, can in zip(best, rows, possible, strict=True)
    ]


def _check_labels(first: Member, labels: Sequence[str], second: Member, others: Sequence[str]) -> None:
    only = [label for label in labels if label not in set(others)]
    more = [label for label in others if label not in set(labels)]
    if only or more:
        label, has, lacks = (only[0], first, second) if only else (more[0], second, first)
        raise UsageError(
            f"members of an ensemble must know the same labels: {has.called} knows {label!r}, {lacks.called} does not"
        )


def _samples(table: pa.Table) -> list[Sample]:
    """The samples as far as scoring needs them: all but their inputs."""
    columns = {name: table[name].to_pylist() for name in table.column_names if name != SCORES}
    meta = {name.removeprefix("meta."): values for name, values in columns.items() if name.startswith("meta.")}
    nothing = [None] * table.num_rows
    return [
        Sample(
            id=columns["id"][place],
            inputs={},
            target=columns["target"][place],
            group=columns["group"][place],
            meta={key: values[place] for key, values in meta.items() if values[place] is not None},
            duration=columns.get("duration", nothing)[place],
        )
        for place in range(table.num_rows)
    ]
