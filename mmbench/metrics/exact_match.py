"""Exact match: the share of samples whose prediction is one of the right answers, letter by letter."""

import re
import string
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.vqa_text import answers_of
from mmbench.sample import Prediction, Sample

_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")


def fold(text: str) -> str:
    """White space collapsed to single spaces, the outer taken off, and case folded."""
    return " ".join(text.split()).casefold()


def squad(text: str) -> str:
    """Lower case, without ASCII punctuation, without the words a, an, the, white space collapsed; in this order.

    Source: the evaluation script of SQuAD (Rajpurkar et al. 2016).
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


_NORMALIZATIONS: dict[str, Callable[[str], str]] = {"case": fold, "none": str, "squad": squad}


class ExactMatch(MeanMetric):
    """Share of samples whose prediction equals one of the right answers, 0 to 1.

    Option `normalization`, of both sides: `case` collapses white space and folds case, `none` compares the text as it
    stands, `squad` does what SQuAD's evaluation does.
    """

    name: ClassVar[str] = "exact_match"
    columns: ClassVar[tuple[str, ...]] = ("correct",)
    proportion: ClassVar[bool] = True
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"normalization": tuple(_NORMALIZATIONS)}

    def __init__(self, **chosen: str) -> None:
        super().__init__(**chosen)
        self._normalize = _NORMALIZATIONS[self.chosen["normalization"]]

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """1 where the prediction is one of the answers, else 0.

        Raises:
            ValueError: the sample has no answer.
            TypeError: an answer is no text.
        """
        wanted = self._normalize(prediction.value)
        return (int(any(self._normalize(answer) == wanted for answer in answers_of(sample))),)
