"""The task's metrics on held-out training samples, between epochs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from mmbench.engine.processes import gather, raise_together, rank, share_buffers, world_size
from mmbench.engine.rows import Asking, Rows, finished
from mmbench.errors import HarnessError
from mmbench.metrics.metric import Metric, as_columns
from mmbench.model import Model
from mmbench.sample import Dataset, Prediction
from mmbench.task import Task

_CALLED = "validation sample"


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
        columns = finished(self.metrics, parts, _CALLED)
        values = {name: metric.aggregate(columns[metric.prefix]) for name, metric in self.metrics.items()}
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
        share = slice(rank(), None, world_size())
        return self._asking.rows(model, self.metrics, self.samples, shard=share)[0]

    @property
    def _asking(self) -> Asking:
        return Asking(self.task, self.batch_size, self.workers, self.device, _CALLED)
