"""ROUGE-L: the longest common subsequence of words with a reference, as an F-score.

Lin: ROUGE, a Package for Automatic Evaluation of Summaries, 2004, https://aclanthology.org/W04-1013. As in
pycocoevalcap's `Rouge`: beta is 1.2, and precision and recall are each that of their best reference.
"""

from typing import ClassVar

import numpy as np
from rapidfuzz.distance import LCSseq

from mmbench.metrics.captions import Captions, MeanCaptionMetric
from mmbench.metrics.metric import FloatArray

_BETA = 1.2


class ROUGEL(MeanCaptionMetric):
    """Mean over images of the F-score of the longest common subsequence, 0 to 1."""

    most: ClassVar[float] = 1.0

    name: ClassVar[str] = "rouge_l"

    def scores(self, captions: Captions) -> FloatArray:
        """The score of each image, [n]."""
        pairs = zip(captions.candidates, captions.references, strict=True)
        return np.array([rouge_l(candidate, references) for candidate, references in pairs])


def rouge_l(candidate: str, references: list[str]) -> float:
    """ROUGE-L of one caption, tokens joined by spaces; 0 if it is empty."""
    if not candidate:
        return 0.0
    words = candidate.split(" ")
    others = [reference.split(" ") for reference in references]
    common = [LCSseq.similarity(words, other) for other in others]
    if not any(common):
        return 0.0
    precision = max(common) / len(words)
    recall = max(length / len(other) for length, other in zip(common, others, strict=True))
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)
