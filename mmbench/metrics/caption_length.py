"""Length of captions, in words."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np

from mmbench.metrics.captions import CaptionMetric
from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import Columns, FloatArray


class CaptionLength(CaptionMetric, MeanMetric):
    """Mean number of words in a caption, after tokenisation without punctuation.

    It describes and does not judge: compare it with the references, which are in `details`.
    """

    name: ClassVar[str] = "caption_length"
    higher_is_better: ClassVar[bool | None] = None
    family: ClassVar[str] = "caption"

    def per_sample(self, rows: Columns) -> FloatArray:
        """Words of each caption, [n]."""
        return np.array([len(text.split()) for text in rows["candidate"]], dtype=np.float64)

    def details(self, rows: Columns) -> Mapping[str, Any]:
        """Mean, least and greatest number of words in captions and in references."""
        return {
            "captions": _spread(rows["candidate"]),
            "references": _spread(text for some in rows["references"] for text in some),
        }


def _spread(texts: Iterable[str]) -> dict[str, float | int] | None:
    words = [len(text.split()) for text in texts]
    return {"mean": sum(words) / len(words), "min": min(words), "max": max(words)} if words else None
