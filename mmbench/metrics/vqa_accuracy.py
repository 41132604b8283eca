"""VQA accuracy: agreement with several people, each of whom is compared with the others."""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import Columns
from mmbench.metrics.vqa_text import answers_of, normalized, stripped
from mmbench.sample import Prediction, Sample

AGREEING = 3
"""Other people who must have given the predicted answer for it to count in full."""


class _LeaveOneOut(MeanMetric):
    """Mean over questions of the share of right answers, each answer left out in turn.

    A prediction scores min(1, m / 3), m being how many of the other answers equal it; the mean over the answers left
    out is the accuracy of the question. With ten answers, k of which equal the prediction, that is 0, 0.3, 0.6, 0.9
    for k = 0 to 3 and 1 for more. With fewer the rule is the same and stricter: one of two people who says the same
    gives 1/6. A single answer has no other to agree with: the question does not count.

    Source: Antol et al., VQA: Visual Question Answering, ICCV 2015, and the evaluation code of https://visualqa.org.
    """

    most: ClassVar[float] = 1.0

    columns: ClassVar[tuple[str, ...]] = ("score",)

    @abstractmethod
    def matches(self, prediction: str, answers: Sequence[str]) -> int:
        """How many of the answers equal the prediction."""

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """The accuracy of one question, not rounded; NaN where there is only one answer.

        Raises:
            ValueError: the sample has no answer.
            TypeError: an answer is no text.
        """
        target = sample.target
        answers = target if type(target) is list and target else answers_of(sample)
        return _rows(len(answers))[self.matches(prediction.value, answers)]

    def selected(self, rows: Columns) -> NDArray[np.bool_] | None:
        """Questions with at least two answers."""
        defined = ~_single(rows)
        return None if defined.all() else defined

    def details(self, rows: Columns) -> Mapping[str, Any] | None:
        """How many questions have a single answer, so that they do not count; `None` where none has."""
        count = int(np.count_nonzero(_single(rows)))
        return {"single_answer_questions": count} if count else None


class VQAAccuracy(_LeaveOneOut):
    """VQA accuracy by the official evaluation, 0 to 1, which compares raw text where all people said the same.

    Ten times "black" against "Black." is 0, while nine times "black" and one "blue" make both sides normalised (see
    `mmbench.metrics.vqa_text.normalize`). Reference: the official evaluation code.
    """

    name: ClassVar[str] = "vqa_accuracy"

    def matches(self, prediction: str, answers: Sequence[str]) -> int:
        """Equal answers: raw if these are all the same, else normalised."""
        count, first = len(answers), answers[0]
        if answers.count(first) == count:
            return count if stripped[prediction] == stripped[first] else 0
        found = list(map(normalized.__getitem__, answers))
        # Answers that differ in outer white space only are the same, too, and then their normal forms are.
        if found.count(found[0]) == count and len(set(map(stripped.__getitem__, answers))) == 1:
            return count if stripped[prediction] == stripped[first] else 0
        return found.count(normalized[prediction])


class VQAAccuracyNormalized(_LeaveOneOut):
    """VQA accuracy with both sides always normalised, 0 to 1, as other harnesses compute it."""

    name: ClassVar[str] = "vqa_accuracy_normalized"

    def matches(self, prediction: str, answers: Sequence[str]) -> int:
        """Answers whose normal form is that of the prediction."""
        return list(map(normalized.__getitem__, answers)).count(normalized[prediction])


def _single(rows: Columns) -> NDArray[np.bool_]:
    """Which questions have a single answer, [n]."""
    return np.isnan(np.asarray(rows["score"], dtype=np.float64))


@cache
def _rows(answers: int) -> tuple[tuple[float], ...]:
    """The row of a question by how many of its answers equal the prediction, 0 to all.

    The score is one quotient of whole numbers, so that it is the nearest double (0.6), where a sum of thirds may miss
    it by one unit in the last place. Rows are shared: a new tuple for each question would have the garbage collector
    walk through the whole data set now and then, which takes longer than the scoring.
    """
    if answers == 1:
        return ((math.nan,), (math.nan,))
    return tuple(
        ((k * min(AGREEING, k - 1) + (answers - k) * min(AGREEING, k)) / (AGREEING * answers),)
        for k in range(answers + 1)
    )
