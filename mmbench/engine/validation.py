"""The task's metrics on held-out training samples, between epochs."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from mmbench.engine.loader import make_loader, plan_batches
from mmbench.engine.options import TrainOptions
from mmbench.errors import HarnessError
from mmbench.metrics.metric import Metric
from mmbench.model import Model
from mmbench.registry import registry
from mmbench.sample import Dataset
from mmbench.task import Task


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores a model on held-out samples by the task's own metrics."""

    task: Task
    samples: Dataset
    options: TrainOptions

    @property
    def main_metric(self) -> str:
        """The metric that picks the best epoch."""
        return self.task.card.main_metric

    @property
    def higher_is_better(self) -> bool:
        """Its direction."""
        metric: Metric = registry.load("metric", self.main_metric)
        return metric.higher_is_better

    def __call__(self, model: Model) -> dict[str, float]:
        """Metric by name, in the task's order; the model is left in the mode it was in.

        Raises:
            HarnessError: a sample cannot be decoded.
        """
        metrics: dict[str, Metric] = {name: registry.load("metric", name)() for name in self.task.card.metrics}
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        plan = plan_batches(self.samples, model, self.options.batch_size)
        loader = make_loader(
            self.samples, model, plan, numbers=range(len(plan)), workers=self.options.workers, pin_memory=False
        )
        training = isinstance(model, nn.Module) and model.training
        if isinstance(model, nn.Module):
            model.eval()
        with torch.inference_mode():
            for loaded in loader:
                if loaded.failures:
                    failure = loaded.failures[0]
                    raise HarnessError(f"validation sample {failure.id}: {failure.reason}")
                assert loaded.batch is not None  # noqa: S101  # no failure, and no planned batch is empty
                predictions = self.task.ask(model, loaded.batch.to(self.options.device))
                for prediction, sample in zip(predictions, loaded.samples, strict=True):
                    for name, metric in metrics.items():
                        rows[name].append(self.task.score(metric, prediction, sample))
        if isinstance(model, nn.Module):
            model.train(training)
        return {name: metric.aggregate(as_columns(metric, rows[name])) for name, metric in metrics.items()}


def as_columns(metric: Metric, rows: list[tuple[Any, ...]]) -> dict[str, np.ndarray[Any, Any]]:
    """Rows of a metric as one array a column."""
    values = zip(*rows, strict=True) if rows else [()] * len(metric.columns)
    return {column: np.asarray(list(value)) for column, value in zip(metric.columns, values, strict=True)}
