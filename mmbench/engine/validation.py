"""The task's metrics on held-out training samples, between epochs."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mmbench.engine.loader import Loaded, make_loader, plan_batches
from mmbench.engine.processes import gather, raise_together, rank, share_buffers, world_size
from mmbench.errors import HarnessError
from mmbench.metrics.metric import ERROR, Metric, as_columns, families
from mmbench.model import Model
from mmbench.sample import Dataset, Prediction
from mmbench.task import Task

Rows = Mapping[str, list[tuple[Any, ...]]]
"""Rows of each family of metrics, by its prefix."""


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores a model on held-out samples by the task's own metrics."""

    task: Task
    metrics: Mapping[str, Metric]
    samples: Dataset
    batch_size: int
    workers: int
    device: str

    @property
    def main_metric(self) -> str:
        """The metric that picks the best epoch."""
        return next(iter(self.metrics))

    @property
    def higher_is_better(self) -> bool:
        """Its direction."""
        return self.metrics[self.main_metric].higher_is_better is not False

    def __call__(self, model: Model) -> dict[str, float | None]:
        """Metric by name, in the task's order, `None` where one is not defined; the model stays in the mode it was in.

        Raises:
            HarnessError: a sample cannot be decoded or scored, or the main metric is not defined.
        """
        training = isinstance(model, nn.Module) and model.training
        if isinstance(model, nn.Module):
            share_buffers(model)
            model.eval()
        own: Rows = {}
        error = None
        try:
            own = self._rows(model)
        except HarnessError as failure:
            error = failure
        raise_together(error, self.device)
        if isinstance(model, nn.Module):
            model.train(training)
        # Of several processes each has scored its share of the batches; a metric needs the rows of all.
        parts = gather(own)
        finished = {}
        for prefix, metric in families(self.metrics).items():
            columns = metric.finish(as_columns(metric, [row for part in parts for row in part.get(prefix, ())]))
            if reason := next((reason for reason in columns.get(ERROR, ()) if reason is not None), None):
                raise HarnessError(f"a validation sample cannot be scored: {reason}")
            finished[prefix] = columns
        values = {name: metric.aggregate(finished[metric.prefix]) for name, metric in self.metrics.items()}
        if not math.isfinite(values[self.main_metric]):
            raise HarnessError(
                f"{self.main_metric} is {values[self.main_metric]} on the {len(self.samples)} validation samples, so "
                "that no epoch can be the best: raise --limit or raise --validation"
            )
        return {name: value if math.isfinite(value) else None for name, value in values.items()}

    def constant(self, answer: str) -> float | None:
        """The main metric of giving the same answer to every sample; `None` where it needs more than an answer."""
        metric = self.metrics[self.main_metric]
        samples = (self.samples[index] for index in range(len(self.samples)))
        try:
            rows = [self.task.score(metric, Prediction(answer), sample) for sample in samples]
            value = metric.aggregate(metric.finish(as_columns(metric, rows)))
        except (TypeError, ValueError):  # it needs scores or vectors, which are None
            return None
        return value if math.isfinite(value) else None

    def _rows(self, model: Model) -> Rows:
        """The rows of this process's share of the batches."""
        makers = families(self.metrics)
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        plan = plan_batches(self.samples, model, self.batch_size)
        loader = make_loader(
            self.samples,
            model,
            plan,
            numbers=range(rank(), len(plan), world_size()),
            workers=self.workers,
            pin_memory=False,
            keep_inputs=any(metric.reads_inputs for metric in makers.values()),
        )
        with torch.inference_mode():
            for loaded in loader:
                for sample, prediction in zip(loaded.samples, self._ask(model, loaded), strict=True):
                    for prefix, metric in makers.items():
                        try:
                            rows[prefix].append(self.task.score(metric, prediction, sample))
                        except Exception as error:  # a metric may refuse a target in any way
                            raise HarnessError(
                                f"validation sample {sample.id} cannot be scored: {type(error).__name__}: {error}"
                            ) from error
        return rows

    def _ask(self, model: Model, loaded: Loaded) -> list[Prediction]:
        if loaded.failures:
            failure = loaded.failures[0]
            raise HarnessError(f"validation sample {failure.id} cannot be read: {failure.reason}")
        assert loaded.batch is not None  # noqa: S101  # no failure, and no planned batch is empty
        try:
            return self.task.ask(model, loaded.batch.to(self.device))
        except Exception as error:  # models are foreign code, and may have learned to give NaN
            ids = ", ".join(sample.id for sample in loaded.samples[:3])
            raise HarnessError(
                f"the model fails on validation samples {ids}, ...: {type(error).__name__}: {error}"
            ) from error
