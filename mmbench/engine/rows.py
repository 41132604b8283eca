"""Rows of metrics from a model on samples, in memory: where a run is one of many and none is stored by itself."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from mmbench.engine.ask import had
from mmbench.engine.loader import Loaded, make_loader, plan_batches
from mmbench.errors import HarnessError
from mmbench.metrics.metric import ERROR, Columns, Metric, as_columns, families
from mmbench.model import Model
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import Task

Rows = Mapping[str, list[tuple[Any, ...]]]
"""Rows of each family of metrics, by its prefix."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How samples are put to a model; any that fails ends it.

    Attributes:
        task: what is asked.
        batch_size: samples at a time.
        workers: loader processes.
        device: where the model is.
        called: what errors call a sample.
    """

    task: Task
    batch_size: int
    workers: int
    device: str
    called: str = "sample"

    def predictions(
        self, model: Model, samples: Dataset, *, shard: slice = slice(None), keep_inputs: bool = False
    ) -> Iterator[tuple[int, Sample, Prediction]]:
        """Position, sample and answer, in the order in which they are asked.

        Args:
            model: in evaluation mode and on the device.
            samples: to ask about.
            shard: which of the planned batches.
            keep_inputs: give samples with their inputs, for metrics that read them.

        Raises:
            HarnessError: a sample cannot be read, or the model fails.
        """
        plan = plan_batches(samples, model, self.batch_size)
        loader = make_loader(
            samples,
            model,
            plan,
            numbers=range(len(plan))[shard],
            workers=self.workers,
            pin_memory=False,
            keep_inputs=keep_inputs,
        )
        with torch.inference_mode():
            for loaded in loader:
                yield from zip(loaded.indices, loaded.samples, self._ask(model, loaded), strict=True)

    def rows(
        self, model: Model, metrics: Mapping[str, Metric], samples: Dataset, *, shard: slice = slice(None)
    ) -> tuple[Rows, list[int], list[str]]:
        """Unfinished rows of every family, the position of the sample that each is of, and the answer to it.

        Raises:
            HarnessError: as `predictions`, or a metric refuses a sample.
        """
        makers = families(metrics)
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        positions, answers = [], []
        reads_inputs = any(metric.reads_inputs for metric in makers.values())
        for position, sample, prediction in self.predictions(model, samples, shard=shard, keep_inputs=reads_inputs):
            positions.append(position)
            answers.append(prediction.value)
            for prefix, metric in makers.items():
                rows[prefix].append(self.score(metric, prediction, sample))
        return rows, positions, answers

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """One unfinished row.

        Raises:
            HarnessError: the metric refuses the sample or the answer.
        """
        try:
            return self.task.score(metric, prediction, sample)
        except Exception as error:  # a metric may refuse a target in any way
            raise HarnessError(
                f"{self.called} {sample.id} cannot be scored: {type(error).__name__}: {error}"
            ) from error

    def _ask(self, model: Model, loaded: Loaded) -> list[Prediction]:
        if loaded.failures:
            failure = loaded.failures[0]
            raise HarnessError(f"{self.called} {failure.id} cannot be read: {failure.reason}")
        assert loaded.batch is not None  # noqa: S101  # no failure, and no planned batch is empty
        try:
            return [had(answer) for answer in self.task.ask(model, loaded.batch.to(self.device))]
        except Exception as error:  # models are foreign code, and may have learned to give NaN
            ids = ", ".join(sample.id for sample in loaded.samples[:3])
            raise HarnessError(
                f"the model fails on {self.called}s {ids}, ...: {type(error).__name__}: {error}"
            ) from error


def finished(metrics: Mapping[str, Metric], parts: Sequence[Rows], called: str = "sample") -> dict[str, Columns]:
    """Finished columns of every family, by its prefix, from the rows of all samples.

    Args:
        metrics: of which the rows are.
        parts: rows of all shards, in order.
        called: what errors call a sample.

    Raises:
        HarnessError: a sample turns out not to be scorable.
    """
    found = {}
    for prefix, metric in families(metrics).items():
        columns = metric.finish(as_columns(metric, [row for part in parts for row in part.get(prefix, ())]))
        if reason := next((reason for reason in columns.get(ERROR, ()) if reason is not None), None):
            raise HarnessError(f"a {called} cannot be scored: {reason}")
        found[prefix] = columns
    return found
