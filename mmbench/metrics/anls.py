"""ANLS: average normalised Levenshtein similarity, which forgives a few wrong letters in a text that was read."""

from typing import Any, ClassVar

from rapidfuzz.distance import Levenshtein

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.vqa_text import answers_of, tidy
from mmbench.sample import Prediction, Sample


class ANLS(MeanMetric):
    """Mean over questions of the similarity to the nearest right answer, 0 to 1.

    The similarity is 1 - NL where NL < 0.5, else 0, with NL the Levenshtein distance by the length of the longer text.
    So a distance of exactly half the length gives 0, as the paper writes it and as the package anls has it;
    DocVQA's code and the package anls_star give 0.5 there. Case and white space (collapsed to single spaces) do not
    count, and two empty texts are equal.

    Source: Biten et al., Scene Text Visual Question Answering, ICCV 2019, https://arxiv.org/abs/1905.13648, equation 1.
    """

    most: ClassVar[float] = 1.0

    name: ClassVar[str] = "anls"
    columns: ClassVar[tuple[str, ...]] = ("similarity",)

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """The similarity to the nearest answer.

        Raises:
            ValueError: the sample has no answer.
            TypeError: an answer is no text.
        """
        said = tidy(prediction.value)
        return (max(similarity(said, tidy(answer)) for answer in answers_of(sample)),)


def similarity(first: str, second: str) -> float:
    """1 - NL of two texts where NL < 0.5, else 0."""
    longer = max(len(first), len(second))
    if longer == 0:
        return 1.0
    near = (longer - 1) // 2  # the greatest distance that is less than half the length
    distance = Levenshtein.distance(first, second, score_cutoff=near)  # of more, it need not say how many
    return 1 - distance / longer if distance <= near else 0.0
