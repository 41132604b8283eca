"""BLEU-1 to BLEU-4: shared n-grams of the corpus with a penalty for short captions.

Papineni et al.: BLEU, a Method for Automatic Evaluation of Machine Translation, ACL 2002,
https://aclanthology.org/P02-1040. As in pycocoevalcap's `Bleu(4)`: of the whole corpus, with the length of the closest
reference, the shorter of two equally close.
"""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mmbench.metrics.captions import CaptionMetric, Captions
from mmbench.metrics.metric import Columns, FloatArray
from mmbench.metrics.ngrams import NGrams, count_ngrams

_LONGEST = 4
_MATCHES = tuple(f"matches_{order}" for order in range(1, _LONGEST + 1))
_TOTALS = tuple(f"total_{order}" for order in range(1, _LONGEST + 1))
_LENGTHS = ("length", "reference_length")

# The constants by which pycocoevalcap avoids dividing by zero.
_TINY, _SMALL = 1e-15, 1e-9


class _BLEU(CaptionMetric):
    """BLEU with n-grams up to `order`, 0 to 1."""

    most: ClassVar[float] = 1.0

    family: ClassVar[str] = "bleu"
    order: ClassVar[int]

    def measure(self, captions: Captions) -> Columns:
        """For each order the n-grams that a reference shares and all n-grams; the two lengths; all [n]."""
        n = len(captions.candidates)
        references = [text for some in captions.references for text in some]
        image = np.repeat(np.arange(n), [len(some) for some in captions.references])
        length = np.array([len(text.split()) for text in captions.candidates], dtype=np.int64)
        columns = {"length": length, "reference_length": _closest(length, references, image)}
        for order, grams in enumerate(count_ngrams([*captions.candidates, *references], _LONGEST), start=1):
            columns[f"matches_{order}"] = _matches(grams, image, n)
            columns[f"total_{order}"] = np.maximum(length - order + 1, 0)
        return columns

    def statistics(self, rows: Columns) -> FloatArray:
        """Matches and totals of every order up to `order`, then the two lengths, [n, 2 * order + 2]."""
        names = [*_MATCHES[: self.order], *_TOTALS[: self.order], *_LENGTHS]
        return np.stack([np.asarray(rows[name], dtype=np.float64) for name in names], axis=-1)

    def value(self, sums: FloatArray) -> FloatArray:
        """Geometric mean of precisions by brevity penalty, [..., 2 * order + 2] -> [...]; NaN without references."""
        matches, totals = sums[..., : self.order], sums[..., self.order : 2 * self.order]
        length, reference_length = sums[..., -2], sums[..., -1]
        precision = ((matches + _TINY) / (totals + _SMALL)).prod(axis=-1) ** (1 / self.order)
        ratio = (length + _TINY) / (reference_length + _SMALL)
        value = precision * np.exp(np.minimum(1 - 1 / ratio, 0))
        return np.where(reference_length > 0, value, np.nan)


class BLEU1(_BLEU):
    """BLEU with single words, 0 to 1."""

    name: ClassVar[str] = "bleu_1"
    order: ClassVar[int] = 1


class BLEU2(_BLEU):
    """BLEU with n-grams up to 2 words, 0 to 1."""

    name: ClassVar[str] = "bleu_2"
    order: ClassVar[int] = 2


class BLEU3(_BLEU):
    """BLEU with n-grams up to 3 words, 0 to 1."""

    name: ClassVar[str] = "bleu_3"
    order: ClassVar[int] = 3


class BLEU4(_BLEU):
    """BLEU with n-grams up to 4 words, 0 to 1."""

    name: ClassVar[str] = "bleu_4"
    order: ClassVar[int] = 4


def _closest(length: NDArray[np.int64], references: list[str], image: NDArray[np.intp]) -> NDArray[np.int64]:
    """Length of the reference closest to each candidate, the shorter of two equally close, [n]."""
    found = np.array([len(text.split()) for text in references], dtype=np.int64)
    order = np.lexsort([found, np.abs(found - length[image]), image])
    return found[order[np.searchsorted(image[order], np.arange(len(length)))]]


def _matches(grams: NGrams, image: NDArray[np.intp], n: int) -> NDArray[np.int64]:
    """N-grams of each candidate, each at most as often as one reference has it, [n]."""
    candidates, references = grams.of(slice(0, n)), grams.of(slice(n, n + len(image)))
    keys, where = np.unique(image[references.caption] * grams.different + references.gram, return_inverse=True)
    most = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(most, where, references.count)
    own = candidates.caption * grams.different + candidates.gram
    _, ours, theirs = np.intersect1d(own, keys, assume_unique=True, return_indices=True)
    clipped = np.minimum(candidates.count[ours], most[theirs])
    return np.bincount(candidates.caption[ours], weights=clipped, minlength=n).astype(np.int64)
