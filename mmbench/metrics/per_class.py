"""What the metrics that average over classes share: per-class counts as sufficient statistics."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from scipy import sparse

from mmbench.metrics.metric import Columns, FloatArray, Metric, one_target
from mmbench.sample import Prediction, Sample


class PerClassMetric(Metric):
    """Base of metrics that score each class and take the unweighted mean.

    The classes are those that occur as a target: one that is only predicted has no term of its own, and one that a
    resample happens to lack has none in that resample. This is scikit-learn's `average="macro"` with the true classes
    as `labels`.
    """

    columns: ClassVar[tuple[str, ...]] = ("target", "prediction")
    family: ClassVar[str] = "label"

    @abstractmethod
    def per_class(self, hits: FloatArray, predicted: FloatArray, true: FloatArray) -> FloatArray:
        """Score of each class from its counts, all [..., C]; whatever it gives where `true` is 0 is left out.

        Args:
            hits: samples of the class that were predicted as such.
            predicted: samples predicted as the class.
            true: samples of the class.
        """

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """The target and the predicted label, as text.

        Raises:
            TypeError: the target is a list.
        """
        return (one_target(sample), prediction.value)

    def statistics(self, rows: Columns) -> sparse.csr_array:
        """Counts of hits, then predictions, then targets by class, [n, 3 * C], with at most three ones a row.

        The C classes are the sorted targets of these very rows, so statistics of different rows line up only where
        the same classes occur: merge shards by their rows, not by their sums.
        """
        target = np.asarray(rows["target"], dtype=object)
        prediction = np.asarray(rows["prediction"], dtype=object)
        labels, true = np.unique(target, return_inverse=True)
        index = {label: position for position, label in enumerate(labels)}
        # A label that is no target needs no column: it costs the target's class a hit, and nothing else.
        predicted = np.fromiter((index.get(label, -1) for label in prediction), np.intp, count=len(prediction))
        sample, n, classes = np.arange(len(target)), len(target), len(labels)
        hit, known = predicted == true, predicted >= 0
        row = np.concatenate([sample[hit], sample[known], sample])
        column = np.concatenate([true[hit], predicted[known] + classes, true + 2 * classes])
        return sparse.csr_array((np.ones(len(row)), (row, column)), shape=(n, 3 * classes))

    def value(self, sums: FloatArray) -> FloatArray:
        """Mean over the classes present, [..., 3 * C] -> [...]; NaN where none is."""
        counts = sums.reshape(*sums.shape[:-1], 3, sums.shape[-1] // 3)
        hits, predicted, true = counts[..., 0, :], counts[..., 1, :], counts[..., 2, :]
        present = true > 0
        total = np.where(present, self.per_class(hits, predicted, true), 0.0).sum(axis=-1)
        classes = present.sum(axis=-1)
        mean: FloatArray = np.divide(total, classes, out=np.full(total.shape, np.nan), where=classes > 0)
        return mean


def confusion(rows: Columns) -> dict[str, Any]:
    """The confusion matrix of rows of targets and predictions, as plain JSON.

    `labels` are the sorted labels that occur, as a target or as a prediction; `confusion` holds a triple [target,
    prediction, samples] of positions in `labels` for each pair that occurs, so that it stays small with many classes.
    """
    pairs = np.stack([np.asarray(rows[column], dtype=object) for column in ("target", "prediction")])
    labels, codes = np.unique(pairs, return_inverse=True)
    cells, samples = np.unique(codes.reshape(pairs.shape), axis=1, return_counts=True)
    return {"labels": labels.tolist(), "confusion": np.vstack([cells, samples]).T.tolist()}
