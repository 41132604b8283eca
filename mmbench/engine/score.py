"""Scoring predictions that were made elsewhere: from a file to a record, and against another file."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mmbench.checkpoint import file_sha256
from mmbench.data.annotations import shown
from mmbench.data.card import DatasetCard
from mmbench.engine.options import ScoreOptions
from mmbench.engine.policy import check_policy
from mmbench.engine.predictions import Answered, lines_with_scores, pair, read_predictions, targets
from mmbench.engine.resolve import Metrics, resolve_dataset, resolve_metrics, resolve_task, revision_of
from mmbench.engine.samples import Outcome, groups, metric_rows, read_outcome, scored
from mmbench.engine.scored import ScoredBatch
from mmbench.engine.values import RESAMPLES, breakdowns, details, metric_values
from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.metric import Columns, families
from mmbench.record.environment import capture
from mmbench.record.schema import DatasetInfo, Failure, ModelInfo, RunRecord
from mmbench.record.store import Store, new_run_id
from mmbench.registry import registry
from mmbench.sample import Dataset
from mmbench.stats.paired import Difference, paired_difference
from mmbench.task import Task

_GIVEN = "given"
"""Name of the data set, and split, where targets stand beside the predictions."""


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
    """Two files of predictions of the same samples, and the difference by metric (first minus second)."""

    ours: Scored
    theirs: Scored
    differences: dict[str, Difference]


@dataclass(frozen=True, slots=True)
class _Question:
    """What is scored, and by which metrics; the same for both files of a comparison."""

    task: Task
    card: DatasetCard | None
    split: str
    samples: Dataset | None
    metrics: Metrics
    options: ScoreOptions


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
        UsageError: a name or the file is wrong; nothing was written.
        HarnessError: a prediction cannot be scored, or the run cannot be stored.
    """
    question = _question(task, dataset, split, data, options or ScoreOptions())
    answered = read_predictions(predictions, question.task.card, question.samples)
    return _score(question, predictions, answered, model, output)


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
    ours = read_predictions(predictions, question.task.card, question.samples)
    theirs = pair(predictions, ours, other, read_predictions(other, question.task.card, question.samples))
    first = _score(question, predictions, ours, model, output)
    second = _score(question, other, theirs, None, None)
    return Comparison(first, second, _differences(question, first, second))


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
    return _Question(task, card, split or _GIVEN, samples, metrics, options)


def _score(question: _Question, path: Path, answered: list[Answered], model: str | None, output: Path | None) -> Scored:
    metrics, options = question.metrics, question.options
    if not lines_with_scores(answered, path):
        metrics = {name: metric for name, metric in metrics.items() if not metric.needs_scores}
        asked = [name for name in question.options.metrics if name not in metrics]
        if asked or not metrics:
            raise UsageError(f"{shown(path)}: metric {asked[0] if asked else 'of the task'} needs 'probabilities'")
    outcome = _outcome(question.task, metrics, answered, options)
    table = scored(outcome.table)
    if not table.num_rows:
        first = outcome.failures[0]
        raise HarnessError(f"no prediction could be scored; {first.id}: {first.reason}")
    created = datetime.now(UTC)
    record = RunRecord(
        run_id=new_run_id(created),
        created=created,
        task=question.task.card.name,
        main_metric=next(iter(metrics)),
        dataset=_dataset_info(question, answered),
        model=ModelInfo(
            name=model or path.stem,
            config={"predictions": path.name, "sha256": file_sha256(path)},
            parameters=None,
            weights=None,
        ),
        metrics=metric_values(metrics, table, options.seed),
        breakdowns=breakdowns(metrics, table, question.task.card.breakdowns, options.seed),
        details=details(metrics, table),
        cost=None,
        failures=[Failure(id=f.id, stage=f.stage, reason=f.reason) for f in outcome.failures],
        environment=capture(),
        settings={
            "seed": options.seed,
            "on_error": options.on_error,
            "max_errors": options.max_errors,
            "metrics": {name: metric.settings() for name, metric in metrics.items()},
            "plugins": {file.name: sha256(file.read_bytes()).hexdigest() for file in registry.files},
        },
    )
    folder = None if output is None else Store(output).save(record, outcome.table)
    return Scored(record, folder, outcome.table)


def _outcome(task: Task, metrics: Metrics, answered: list[Answered], options: ScoreOptions) -> Outcome:
    batch = ScoredBatch(0, task, families(metrics), [])
    for index, each in enumerate(answered):
        batch.score(index, each.sample, each.prediction)
    outcome = read_outcome([batch.entry(0.0)], metrics)
    check_policy(outcome.failures, len(outcome.failures), options, tell=lambda failure: answered[failure.index].where)
    return outcome


def _dataset_info(question: _Question, answered: list[Answered]) -> DatasetInfo:
    if question.card is not None and question.samples is not None:
        name, revision = question.card.name, revision_of(question.card, question.samples)
    else:
        # Files with the same ids and targets ask the same, so that their runs stand in one table.
        name, revision = _GIVEN, sha256("\n".join(targets(answered)).encode()).hexdigest()[:12]
    return DatasetInfo(name=name, revision=revision, split=question.split, n=len(answered), limit=None)


def _differences(question: _Question, first: Scored, second: Scored) -> dict[str, Difference]:
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
        found[name] = paired_difference(
            metric,
            _at(mine, mask),
            _at(other, mask),
            None if clusters is None else clusters[mask],
            resamples=min(RESAMPLES, metric.resamples or RESAMPLES),
            seed=question.options.seed,
        )
    return found


def _at(rows: Columns, mask: NDArray[np.bool_]) -> Columns:
    return {column: values[mask] for column, values in rows.items()}


def differences_as_json(comparison: Comparison) -> dict[str, dict[str, object]]:
    """Differences as plain JSON, by metric."""
    return {
        name: {
            "value": each.interval.value,
            "low": each.interval.low,
            "high": each.interval.high,
            "level": each.interval.level,
            "n": each.interval.n,
            "method": each.interval.method,
            "p_value": each.p_value,
            "test": each.test,
        }
        for name, each in comparison.differences.items()
    }
