"""CIDEr-D: likeness of n-grams weighted by how telling they are.

Vedantam, Zitnick and Parikh: CIDEr, Consensus-based Image Description Evaluation, CVPR 2015,
https://arxiv.org/abs/1411.5726. As pycocoevalcap computes what it calls CIDEr: n-grams of 1 to 4 words, sigma 6, counts
clipped, times 10, document frequencies from the references of the images that are evaluated.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmbench.metrics.captions import Captions, MeanCaptionMetric
from mmbench.metrics.metric import Columns, FloatArray
from mmbench.metrics.ngrams import NGrams, count_ngrams

_LONGEST = 4
_SIGMA = 6.0
_SCALE = 10.0


class CIDErD(MeanCaptionMetric):
    """Mean over images of CIDEr-D, 0 to 10.

    Document frequencies are those of all evaluated images, in breakdowns and resamples too. So the score depends on the
    number of images (with one it is 0), and that of a part of a data set does not compare with that of the whole.
    """

    most: ClassVar[float] = 10.0

    name: ClassVar[str] = "cider_d"

    def scores(self, captions: Captions) -> FloatArray:
        """The score of each image, [n]."""
        return cider_d(captions)

    def details(self, rows: Columns) -> Mapping[str, Any]:
        """The number of images that document frequencies come from."""
        return {"document_frequencies_from": len(rows["score"])}


def cider_d(captions: Captions) -> FloatArray:
    """CIDEr-D of each image, [n]."""
    n = len(captions.candidates)
    references = [text for some in captions.references for text in some]
    each = np.array([len(some) for some in captions.references], dtype=np.int64)
    image = np.repeat(np.arange(n), each)
    orders = count_ngrams([*captions.candidates, *references], _LONGEST)
    likeness: FloatArray = np.mean([_likeness(grams, image, n) for grams in orders], axis=0)
    # The reference implementation measures lengths in pairs of words.
    pairs = np.bincount(orders[1].caption, weights=orders[1].count, minlength=n + len(references))
    likeness *= np.exp(-((pairs[image] - pairs[n:]) ** 2) / (2 * _SIGMA**2))
    score: FloatArray = _SCALE * np.bincount(image, weights=likeness, minlength=n) / each
    return score


def _likeness(grams: NGrams, image: NDArray[np.intp], n: int) -> FloatArray:
    """Cosine of each reference and its image's candidate, weighted by tf-idf, for n-grams of one order, [R].

    Args:
        grams: of the n candidates, then of the R references.
        image: of each reference, [R].
        n: images.
    """
    candidates, references = grams.of(slice(0, n)), grams.of(slice(n, n + len(image)))
    place = image[references.caption] * grams.different + references.gram
    documents = np.bincount(np.unique(place) % max(grams.different, 1), minlength=grams.different)
    rarity = np.log(max(n, 1)) - np.log(np.maximum(documents, 1))
    own, other = (part.count * rarity[part.gram] for part in (candidates, references))
    norm = np.sqrt(np.bincount(candidates.caption, weights=own**2, minlength=n))
    other_norm = np.sqrt(np.bincount(references.caption, weights=other**2, minlength=len(image)))
    # Entries of candidates are in order of image and n-gram, so each of a reference finds its own by bisection.
    keys = candidates.caption * grams.different + candidates.gram
    found = np.searchsorted(keys, place)
    shared = np.flatnonzero(np.append(keys, -1)[found] == place)
    clipped = np.minimum(own[found[shared]], other[shared]) * other[shared]
    dot = np.bincount(references.caption[shared], weights=clipped, minlength=len(image))
    norms = norm[image] * other_norm
    cosine: FloatArray = np.divide(dot, norms, out=np.zeros(len(image)), where=norms > 0)
    return cosine
