"""Vocabulary of captions: how many different words a model uses."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import sparse

from mmbench.metrics.captions import CaptionMetric
from mmbench.metrics.metric import Columns, FloatArray


class CaptionVocabulary(CaptionMetric):
    """Number of different words in all captions, after tokenisation without punctuation.

    It describes and does not judge, and grows with the number of captions.
    """

    name: ClassVar[str] = "caption_vocabulary"
    higher_is_better: ClassVar[bool | None] = None
    family: ClassVar[str] = "caption"
    # A resample lacks a third of the captions and with them rare words: the percentiles would lie below the value
    # (2,596 to 2,648 for 2,847 words of 5,000 made-up captions).
    bootstrap: ClassVar[Literal["percentile", "basic", "none"]] = "none"

    def statistics(self, rows: Columns) -> sparse.csr_array:
        """How often each word occurs in each caption, [n, words]; the words are those of these rows, sorted."""
        texts = [text.split() for text in rows["candidate"]]
        index = {word: position for position, word in enumerate(sorted(_words(rows["candidate"])))}
        column = np.array([index[word] for words in texts for word in words], dtype=np.intp)
        row = np.repeat(np.arange(len(texts)), [len(words) for words in texts])
        return sparse.csr_array((np.ones(len(column)), (row, column)), shape=(len(texts), len(index)))

    def value(self, sums: FloatArray) -> FloatArray:
        """Words that occur, [..., words] -> [...]."""
        occur: FloatArray = (sums > 0).sum(axis=-1).astype(np.float64)
        return occur

    def details(self, rows: Columns) -> Mapping[str, Any]:
        """Different words of the references, and the share of them that the captions use."""
        known = _words(text for some in rows["references"] for text in some)
        used = known & _words(rows["candidate"])
        return {"references": len(known), "share_of_references": len(used) / len(known) if known else None}


def _words(texts: Iterable[str]) -> set[str]:
    return {word for text in texts for word in text.split()}
