"""What the metrics of predicted probabilities share: one row a sample, made from the scores of all labels."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from mmbench.metrics.metric import Metric
from mmbench.sample import Prediction, Sample


class ProbabilityMetric(Metric):
    """Base of metrics that look at the probability of every label.

    Probabilities are the softmax, in float64, of the scores that the model gave. A target that is not among the
    model's labels has probability 0 and ranks after all of them.

    The columns of a row:
        target_probability: of the target, 0 to 1.
        target_rank: place of the target by score, from 1. The predicted label is first, since it was chosen. Other ties
            are broken pessimistically: the target ranks after every label with an equal score. C + 1 where it is not
            among the C labels.
        classes: C.
        confidence: probability of the predicted label, 0 to 1.
        correct: 1 where the predicted label is the target, else 0.
        brier: squared distance of the probabilities from the target's indicator, summed over classes, 0 to 2.
    """

    columns: ClassVar[tuple[str, ...]] = (
        "target_probability",
        "target_rank",
        "classes",
        "confidence",
        "correct",
        "brier",
    )
    family: ClassVar[str] = "probability"
    needs_scores: ClassVar[bool] = True

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """One value for each of `columns`.

        Raises:
            ValueError: there are no scores, they are no log-probabilities, or the predicted label has none.
        """
        if prediction.scores is None or prediction.labels is None:
            raise ValueError("the model gave no scores of labels, from which probabilities are made")
        scores = np.asarray(prediction.scores, dtype=np.float64)
        classes = len(scores)
        if classes != len(prediction.labels):
            raise ValueError(f"the model gave {classes} scores for {len(prediction.labels)} labels")
        if not (classes and np.isfinite(scores.max())):  # the maximum is NaN if any score is
            raise ValueError("the scores are no log-probabilities: one is NaN or infinite, or all are minus infinity")
        predicted = _position(prediction.labels, prediction.value)
        if predicted is None:
            raise ValueError(f"the predicted label {prediction.value!r:.80} is none of the model's labels")
        target = _position(prediction.labels, str(sample.target))
        probability = softmax(scores)
        distance = float(probability @ probability) + 1.0  # as if the target were one more class, of probability 0
        if target is not None:
            distance = float(np.sum((probability - (np.arange(classes) == target)) ** 2))
        return (
            0.0 if target is None else float(probability[target]),
            _rank(scores, target, predicted),
            classes,
            float(probability[predicted]),
            int(predicted == target),
            distance,
        )


def _rank(scores: NDArray[np.float64], target: int | None, predicted: int) -> int:
    if target is None:
        return len(scores) + 1
    return 1 if target == predicted else int(np.count_nonzero(scores >= scores[target]))


def _position(labels: Sequence[str], label: str) -> int | None:
    try:
        return labels.index(label)
    except ValueError:
        return None
