"""Scoring a batch of predictions: rows of every family of metrics, as the journal stores them."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np

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

    def __init__(
        self,
        number: int,
        task: Task,
        makers: Mapping[str, Metric],
        failures: list[Failure],
        *,
        keep_scores: bool = False,
    ) -> None:
        """Begin without any; `makers` has the metric that makes the rows of each family, by prefix."""
        self.number = number
        self.failures = failures
        self._task = task
        self._makers = makers
        self._samples: list[tuple[int, Sample, str]] = []
        self._rows: list[list[tuple[Any, ...]]] = []
        self._keep_scores = keep_scores
        self._scores: list[str] = []
        self._labels: list[str] | None = None

    def score(self, index: int, sample: Sample, prediction: Prediction) -> None:
        """Add one sample with a row for each family, or a failure."""
        try:
            prediction.value.encode()  # half of a character can be in a text, but not in a file
            rows = [self._task.score(metric, prediction, sample) for metric in self._makers.values()]
            scores = self._encoded(prediction) if self._keep_scores else None
        except Exception as error:  # a metric may refuse a target in any way; the policy decides what follows
            self.failures.append(Failure.of(index, sample.id, "score", error))
        else:
            self._samples.append((index, sample, prediction.value))
            self._rows.append(rows)
            if scores is not None:
                self._scores.append(scores)

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
            **({"scores": self._scores, "labels": self._labels} if self._keep_scores else {}),
            "failures": [[f.index, f.id, f.stage, f.reason] for f in self.failures],
        }

    def _encoded(self, prediction: Prediction) -> str:
        """The scores as text, a quarter of the size of numbers in JSON: float32, little-endian, in base64.

        Raises:
            ValueError: there are none, or they are of other labels than those of the samples before.
        """
        if prediction.scores is None or prediction.labels is None:
            raise ValueError("the model gave no scores of labels, which were to be kept")
        if self._labels is None:
            self._labels = list(prediction.labels)
        if len(prediction.scores) != len(self._labels) or list(prediction.labels) != self._labels:
            raise ValueError("the model gave scores of other labels than before, which cannot be kept")
        return base64.b64encode(np.asarray(prediction.scores, dtype="<f4").tobytes()).decode()
