"""Relaxed accuracy: numbers that were read off a chart may be 5 % wrong."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.vqa_text import answers_of, tidy
from mmbench.sample import Prediction, Sample

TOLERANCE = 0.05
"""Greatest relative difference of a number that counts as right."""

_PLAIN = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?(?: ?%)?", re.ASCII | re.IGNORECASE)
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d*)?(?: ?%)?", re.ASCII)


def plain_number(text: str) -> float | None:
    """The finite number that a text is, a hundredth of it before a percent sign; `None` for any other text."""
    if not _PLAIN.fullmatch(text):
        return None
    number = float(text.rstrip(" %")) / (100 if text.endswith("%") else 1)
    return number if math.isfinite(number) else None


def grouped_number(text: str) -> float | None:
    """As `plain_number`, and `1,000` is a thousand; `1,00` and `10,00` are no numbers."""
    return plain_number(text.replace(",", "") if _GROUPED.fullmatch(text) else text)


_NUMBERS: dict[str, Callable[[str], float | None]] = {"grouped": grouped_number, "plain": plain_number}


class RelaxedAccuracy(MeanMetric):
    """Share of samples answered right, 0 to 1, where a number may differ from the right one by 5 % of it.

    - Both texts are numbers: right if |prediction - target| / |target| <= 0.05, in double precision. A target of 0
      leaves no room: only 0 is right, in any form (`0.0`). Years are numbers as any other, so that 1950 counts as
      right for 2010; that is the rule as published, and generous.
    - Else right if the texts are equal but for case and white space.
    - A percent sign divides by 100: `5%` is 0.05, not 5. Of several answers one is enough.

    Option `numbers`: with `grouped`, `1,000` is the number 1000; with `plain` it is a text, as in the code by which
    published figures were made, which also compares a target of 0 as text, so that `0.0` is wrong.

    Source: Masry et al., ChartQA, Findings of ACL 2022, https://arxiv.org/abs/2203.10244, section 5.1.
    """

    name: ClassVar[str] = "relaxed_accuracy"
    columns: ClassVar[tuple[str, ...]] = ("correct",)
    proportion: ClassVar[bool] = True
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"numbers": tuple(_NUMBERS)}

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """1 where the prediction is right by one of the answers, else 0.

        Raises:
            ValueError: the sample has no answer.
            TypeError: an answer is no text.
        """
        return (int(any(self._right(prediction.value, answer) for answer in answers_of(sample))),)

    def _right(self, prediction: str, answer: str) -> bool:
        said, right = tidy(prediction), tidy(answer)
        if said == right:
            return True
        read = _NUMBERS[self.chosen["numbers"]]
        number, target = read(said), read(right)
        if number is None or target is None:
            return False
        if target == 0:
            return number == 0 and self.chosen["numbers"] == "grouped"
        return abs(number - target) / abs(target) <= TOLERANCE
