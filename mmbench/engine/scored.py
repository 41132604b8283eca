"""Scoring a batch of predictions: rows of every family of metrics, as the journal stores them."""

from collections.abc import Mapping
from typing import Any

from mmbench.engine.loader import Failure
from mmbench.metrics.metric import Metric
from mmbench.sample import Prediction, Sample
from mmbench.task import Task


class ScoredBatch:
    """The outcome of one batch, column by column.

    Attributes:
        number: of the batch.
        failures: samples of it that could not be scored.
    """

    def __init__(self, number: int, task: Task, makers: Mapping[str, Metric], failures: list[Failure]) -> None:
        """Begin without any; `makers` has the metric that makes the rows of each family, by prefix."""
        self.number = number
        self.failures = failures
        self._task = task
        self._makers = makers
        self._samples: list[tuple[int, Sample, str]] = []
        self._rows: list[list[tuple[Any, ...]]] = []

    def score(self, index: int, sample: Sample, prediction: Prediction) -> None:
        """Add one sample with a row for each family, or a failure."""
        try:
            prediction.value.encode()  # half of a character can be in a text, but not in a file
            rows = [self._task.score(metric, prediction, sample) for metric in self._makers.values()]
        except Exception as error:  # a metric may refuse a target in any way; the policy decides what follows
            self.failures.append(Failure.of(index, sample.id, "score", error))
        else:
            self._samples.append((index, sample, prediction.value))
            self._rows.append(rows)

    def entry(self, seconds: float) -> dict[str, Any]:
        """As the journal stores it; `seconds` is what the batch took."""
        return {
            "batch": self.number,
            "seconds": seconds,
            "index": [index for index, _, _ in self._samples],
            "id": [sample.id for _, sample, _ in self._samples],
            "group": [sample.group for _, sample, _ in self._samples],
            "meta": [dict(sample.meta) for _, sample, _ in self._samples],
            "target": [sample.target for _, sample, _ in self._samples],
            "duration": [sample.duration for _, sample, _ in self._samples],
            "prediction": [prediction for _, _, prediction in self._samples],
            "rows": dict(zip(self._makers, zip(*self._rows, strict=True), strict=True)) if self._rows else {},
            "failures": [[f.index, f.id, f.stage, f.reason] for f in self.failures],
        }
