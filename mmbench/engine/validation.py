"""The task's metrics on held-out training samples, between epochs."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from mmbench.engine.loader import make_loader, plan_batches
from mmbench.engine.options import TrainOptions
from mmbench.errors import HarnessError
from mmbench.metrics.metric import ERROR, Metric, as_columns, families
from mmbench.model import Model
from mmbench.sample import Dataset
from mmbench.task import Task


@dataclass(frozen=True, slots=True)
class Validation:
    """Scores a model on held-out samples by the task's own metrics."""

    task: Task
    metrics: Mapping[str, Metric]
    samples: Dataset
    options: TrainOptions

    @property
    def main_metric(self) -> str:
        """The metric that picks the best epoch."""
        return next(iter(self.metrics))

    @property
    def higher_is_better(self) -> bool:
        """Its direction."""
        return self.metrics[self.main_metric].higher_is_better is not False

    def __call__(self, model: Model) -> dict[str, float]:
        """Metric by name, in the task's order; the model is left in the mode it was in.

        Raises:
            HarnessError: a sample cannot be decoded or scored.
        """
        makers = families(self.metrics)
        rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        plan = plan_batches(self.samples, model, self.options.batch_size)
        loader = make_loader(
            self.samples,
            model,
            plan,
            numbers=range(len(plan)),
            workers=self.options.workers,
            pin_memory=False,
            keep_inputs=any(metric.reads_inputs for metric in makers.values()),
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
                    for prefix, metric in makers.items():
                        try:
                            rows[prefix].append(self.task.score(metric, prediction, sample))
                        except Exception as error:  # a metric may refuse a target in any way
                            raise HarnessError(
                                f"validation sample {sample.id} cannot be scored: {type(error).__name__}: {error}"
                            ) from error
        if isinstance(model, nn.Module):
            model.train(training)
        finished = {prefix: metric.finish(as_columns(metric, rows[prefix])) for prefix, metric in makers.items()}
        for columns in finished.values():
            if reason := next((reason for reason in columns.get(ERROR, ()) if reason is not None), None):
                raise HarnessError(f"a validation sample cannot be scored: {reason}")
        return {name: metric.aggregate(finished[metric.prefix]) for name, metric in self.metrics.items()}
