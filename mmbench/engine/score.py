"""Scoring predictions that were made elsewhere: from a file to a record, and against another file."""

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmbench.data.annotations import shown
from mmbench.data.card import DatasetCard
from mmbench.engine.loader import Failure as Failed
from mmbench.engine.options import ScoreOptions
from mmbench.engine.policy import check_policy
from mmbench.engine.predictions import Answered, answers_hash, lines_with_scores, pair, read_predictions, targets
from mmbench.engine.resolve import Metrics, resolve_dataset, resolve_metrics, resolve_task, revision_of
from mmbench.engine.samples import Outcome, groups, metric_rows, read_outcome, scored
from mmbench.engine.scored import ScoredBatch
from mmbench.engine.values import RESAMPLES, breakdowns, details, metric_values
from mmbench.errors import UsageError
from mmbench.metrics.metric import Columns, families, protocol_of
from mmbench.record.environment import capture
from mmbench.record.schema import GIVEN, Against, DatasetInfo, DifferenceValue, Failure, ModelInfo, RunRecord
from mmbench.record.store import Store, new_run_id
from mmbench.registry import plugin_hashes
from mmbench.sample import Dataset
from mmbench.stats.paired import paired_difference
from mmbench.task import Task


@dataclass(frozen=True, slots=True)
class Scored:
    """What a file of predictions came to.

    Attributes:
        record: as of an evaluation, without cost.
        folder: where it is stored; `None` where it is not.
        table: one row a sample.
    """

    record: RunRecord
    folder: Path | None
    table: pa.Table


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two files of predictions of the same samples; `ours.record.against` has the differences, first minus second."""

    ours: Scored
    theirs: Scored


@dataclass(frozen=True, slots=True)
class _Question:
    """What is scored, and by which metrics; the same for both files of a comparison."""

    task: Task
    card: DatasetCard | None
    split: str
    samples: Dataset | None
    metrics: Metrics
    options: ScoreOptions

    def read(self, path: Path) -> list[Answered]:
        """A file of predictions."""
        keep = any(metric.reads_inputs for metric in self.metrics.values())
        return read_predictions(path, self.task.card, self.samples, keep_inputs=keep)


def score(
    task: str,
    predictions: Path,
    *,
    model: str | None = None,
    dataset: str | None = None,
    split: str | None = None,
    data: Path | None = None,
    options: ScoreOptions | None = None,
    output: Path | None = None,
) -> Scored:
    """Score a file of predictions.

    Args:
        task: name of the task.
        predictions: JSON Lines, as `mmbench.engine.predictions.read_predictions` takes them.
        model: what the record calls the model; the file's name without suffix if `None`.
        dataset: name of the data set whose samples were asked; if `None`, each line brings its target.
        split: of that; its default one if `None`.
        data: where its files are, if not where its card says.
        options: how to score.
        output: root of the store; nothing is stored if `None`.

    Raises:
        UsageError: a name or the file is wrong, or a prediction cannot be scored; nothing was written.
        HarnessError: the run cannot be stored.
    """
    question = _question(task, dataset, split, data, options or ScoreOptions())
    answered = question.read(predictions)
    return _stored(_score(question, predictions, answered, model), output)


def score_against(
    task: str,
    predictions: Path,
    other: Path,
    *,
    model: str | None = None,
    dataset: str | None = None,
    split: str | None = None,
    data: Path | None = None,
    options: ScoreOptions | None = None,
    output: Path | None = None,
) -> Comparison:
    """Score a file of predictions, and `other` of the same samples; only the first is stored. Else as `score`.

    Raises:
        UsageError: also where the ids or the targets of the two files are not the same.
        HarnessError: as `score`.
    """
    question = _question(task, dataset, split, data, options or ScoreOptions())
    ours = question.read(predictions)
    theirs = pair(predictions, ours, other, question.read(other))
    first, second = _score(question, predictions, ours, model), _score(question, other, theirs, None)
    against = Against(
        model=second.record.model.name,
        sha256=answers_hash(theirs),
        differences=_differences(question, first, second),
    )
    compared = replace(first, record=first.record.model_copy(update={"against": against}))
    return Comparison(_stored(compared, output), second)


def _question(
    task_name: str, dataset_name: str | None, split: str | None, data: Path | None, options: ScoreOptions
) -> _Question:
    task = resolve_task(task_name)
    card = samples = None
    if dataset_name is not None or data is not None:
        card = resolve_dataset(task, dataset_name, data)
        split = split or card.default_split
        card.check_split(split)
        samples = task.load(card, split)
    elif split is not None:
        raise UsageError("--split goes with --dataset")
    metrics = resolve_metrics(task, card, options.metrics, options.protocol)
    return _Question(task, card, split or GIVEN, samples, metrics, options)


def _stored(result: Scored, output: Path | None) -> Scored:
    if output is None:
        return result
    return replace(result, folder=Store(output).save(result.record, result.table))


def _score(question: _Question, path: Path, answered: list[Answered], model: str | None) -> Scored:
    metrics, options = question.metrics, question.options
    if not lines_with_scores(answered, path):
        lacking = [name for name, metric in metrics.items() if metric.needs_scores]
        metrics = {name: metric for name, metric in metrics.items() if name not in lacking}
        asked = [name for name in lacking if name in options.metrics] or ([] if metrics else lacking)
        if asked:
            raise UsageError(f"{shown(path)}: metric {asked[0]} needs 'probabilities', which no line has")
    outcome = _outcome(question.task, metrics, answered, options)
    table = scored(outcome.table)
    if not table.num_rows:
        first = outcome.failures[0]
        raise UsageError(f"{shown(path)}: no prediction could be scored; {first.id}: {first.reason}")
    created = datetime.now(UTC)
    values = metric_values(metrics, table, options.seed)
    record = RunRecord(
        run_id=new_run_id(created),
        created=created,
        task=question.task.card.name,
        # Predictions of another kind (one answer each, where ten are usual) may leave the usual one undefined.
        main_metric=next((name for name, value in values.items() if value.n), next(iter(metrics))),
        dataset=_dataset_info(question, answered),
        model=ModelInfo(
            name=model or path.stem,
            config={"predictions": path.name, "sha256": answers_hash(answered)},
            parameters=None,
            weights=None,
        ),
        metrics=values,
        breakdowns=breakdowns(metrics, table, question.task.card.breakdowns, options.seed),
        details=details(metrics, table),
        cost=None,
        failures=[Failure(id=f.id, stage=f.stage, reason=f.reason) for f in outcome.failures],
        environment=capture(),
        settings={
            "seed": options.seed,
            "on_error": options.on_error,
            "max_errors": options.max_errors,
            "protocol": protocol_of(metrics),
            "metrics": {name: metric.settings() for name, metric in metrics.items()},
            "plugins": plugin_hashes(),
        },
    )
    return Scored(record, None, outcome.table)


def _outcome(task: Task, metrics: Metrics, answered: list[Answered], options: ScoreOptions) -> Outcome:
    def where(failure: Failed) -> str:
        return answered[failure.index].where

    batch = ScoredBatch(0, task, families(metrics), [])
    for index, each in enumerate(answered):
        batch.score(index, each.sample, each.prediction)
    # Before those that only follow from them (an item whose counterpart could not be scored).
    check_policy(batch.failures, len(batch.failures), options, tell=where, error=UsageError)
    outcome = read_outcome([batch.entry(0.0)], metrics)
    check_policy(outcome.failures, len(outcome.failures), options, tell=where, error=UsageError)
    return outcome


def _dataset_info(question: _Question, answered: list[Answered]) -> DatasetInfo:
    if question.card is not None and question.samples is not None:
        name, revision = question.card.name, revision_of(question.card, question.samples)
    else:
        # Files with the same ids and targets ask the same, so that their runs stand in one table.
        name, revision = GIVEN, sha256("\n".join(targets(answered)).encode()).hexdigest()[:12]
    return DatasetInfo(name=name, revision=revision, split=question.split, n=len(answered), limit=None)


def _differences(question: _Question, first: Scored, second: Scored) -> dict[str, DifferenceValue]:
    """Of every metric that both have, over the samples that were scored in both."""
    both = first.table["error"].is_null().to_numpy() & second.table["error"].is_null().to_numpy()
    ours, theirs = first.table.filter(both), second.table.filter(both)
    clusters = groups(ours)
    found = {}
    for name in first.record.metrics:
        if name not in second.record.metrics:
            continue
        metric = question.metrics[name]
        mine, other = metric_rows(ours, metric), metric_rows(theirs, metric)
        chosen, also = metric.selected(mine), metric.selected(other)
        mask = np.ones(ours.num_rows, dtype=bool) if chosen is None or also is None else chosen & also
        difference = paired_difference(
            metric,
            _at(mine, mask),
            _at(other, mask),
            None if clusters is None else clusters[mask],
            resamples=min(RESAMPLES, metric.resamples or RESAMPLES),
            seed=question.options.seed,
        )
        found[name] = DifferenceValue(**asdict(difference.interval), p_value=difference.p_value, test=difference.test)
    return found


def _at(rows: Columns, mask: NDArray[np.bool_]) -> Columns:
    return {column: values[mask] for column, values in rows.items()}
