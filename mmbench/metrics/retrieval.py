"""Image-text retrieval, both ways: hit rate (R@k), recall, median rank, mAP and nDCG.

What the literature calls R@k is a hit rate: the share of queries with at least one relevant item among the first k. The
share of the relevant items that are found is `recall_at_k`; the two are equal where one item is relevant, as for a
caption that looks for its image.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
from scipy import sparse

from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import Columns, FloatArray, Statistics
from mmbench.metrics.retrieval_metric import RetrievalMetric


class MeanOverQueries(RetrievalMetric, MeanMetric):
    """Base of those that are the mean of one number a query."""

    @abstractmethod
    def per_sample(self, rows: Columns) -> FloatArray:
        """The number of each query, [n]."""


class HitRate(MeanOverQueries):
    """Share of queries with at least one relevant item among the first k."""

    measure: ClassVar[str] = "r_at_{k}"
    proportion: ClassVar[bool] = True

    def per_sample(self, rows: Columns) -> FloatArray:
        """1 where the first hit has rank k or better, else 0."""
        return np.asarray(_numbers(rows, "first_hit_rank") <= self.k, dtype=np.float64)


class Recall(MeanOverQueries):
    """Share of a query's relevant items that are among the first k, averaged over queries."""

    most: ClassVar[float] = 1.0

    measure: ClassVar[str] = "recall_at_{k}"

    def per_sample(self, rows: Columns) -> FloatArray:
        """Relevant items found by relevant items there are."""
        return _numbers(rows, f"hits_{self.k}") / _numbers(rows, "relevant")


class MeanAveragePrecision(MeanOverQueries):
    """Average precision of a query's whole ranking, averaged over queries."""

    most: ClassVar[float] = 1.0

    measure: ClassVar[str] = "map"

    def per_sample(self, rows: Columns) -> FloatArray:
        """Average precision."""
        return _numbers(rows, "average_precision")


class NDCG(MeanOverQueries):
    """Normalised discounted cumulative gain of the first k, averaged over queries."""

    most: ClassVar[float] = 1.0

    measure: ClassVar[str] = "ndcg_at_{k}"

    def per_sample(self, rows: Columns) -> FloatArray:
        """Normalised discounted cumulative gain."""
        return _numbers(rows, f"ndcg_{self.k}")


class MedianRank(RetrievalMetric):
    """Median over queries of the rank of the first hit, the mean of the middle two of an even number.

    It gets no interval where all resamples have the same median, as where most queries have rank 1.
    """

    least: ClassVar[float] = 1.0

    measure: ClassVar[str] = "median_rank"
    higher_is_better: ClassVar[bool] = False
    resamples: ClassVar[int] = 999  # each costs as many steps as there are different ranks

    def statistics(self, rows: Columns) -> Statistics:
        """For each of R different ranks whether it is the query's, then the same times the rank, [n, 2 R].

        Sums are then how many queries have a rank, and which rank that is. The R ranks are those of these very rows,
        in ascending order, so merge shards by their rows, not by their sums.
        """
        ranks, own = np.unique(_numbers(rows, "first_hit_rank"), return_inverse=True)
        query, n = np.arange(len(own)), len(own)
        value = np.concatenate([np.ones(n), ranks[own]])
        position = (np.concatenate([query, query]), np.concatenate([own, own + len(ranks)]))
        return sparse.csr_array((value, position), shape=(n, 2 * len(ranks)))

    def value(self, sums: FloatArray) -> FloatArray:
        """The median, [..., 2 R] -> [...]; NaN where there is no query."""
        counts, totals = np.split(sums, 2, axis=-1)
        if not counts.shape[-1]:
            return np.full(counts.shape[:-1], np.nan)
        ranks = np.divide(totals, counts, out=np.zeros_like(counts), where=counts > 0)
        reached = np.cumsum(counts, axis=-1)
        half = reached[..., -1:] / 2
        lower, upper = (np.argmax(passed, axis=-1)[..., None] for passed in (reached >= half, reached > half))
        middle = np.take_along_axis(ranks, lower, axis=-1) + np.take_along_axis(ranks, upper, axis=-1)
        median: FloatArray = np.where(half > 0, middle / 2, np.nan)[..., 0]
        return median


def _numbers(rows: Columns, column: str) -> FloatArray:
    return np.asarray(rows[column], dtype=np.float64)


class ImageToTextRAt1(HitRate, query="image", k=1):
    """Share of images with a relevant text in first place (hit rate, the literature's R@1), 0 to 1."""


class ImageToTextRAt5(HitRate, query="image", k=5):
    """Share of images with a relevant text among the first 5 (hit rate, the literature's R@5), 0 to 1."""


class ImageToTextRAt10(HitRate, query="image", k=10):
    """Share of images with a relevant text among the first 10 (hit rate, the literature's R@10), 0 to 1."""


class ImageToTextRecallAt1(Recall, query="image", k=1):
    """Share of the texts relevant to an image that are in first place, mean over images, 0 to 1."""


class ImageToTextRecallAt5(Recall, query="image", k=5):
    """Share of the texts relevant to an image that are among the first 5, mean over images, 0 to 1."""


class ImageToTextRecallAt10(Recall, query="image", k=10):
    """Share of the texts relevant to an image that are among the first 10, mean over images, 0 to 1."""


class ImageToTextMedianRank(MedianRank, query="image"):
    """Median over images of the rank of the first relevant text, from 1; lower is better."""


class ImageToTextMAP(MeanAveragePrecision, query="image"):
    """Mean over images of the average precision of the ranking of all texts, 0 to 1."""


class ImageToTextNDCGAt10(NDCG, query="image", k=10):
    """Mean over images of the normalised discounted cumulative gain of the first 10 texts, 0 to 1."""


class TextToImageRAt1(HitRate, query="text", k=1):
    """Share of texts with a relevant image in first place (hit rate, the literature's R@1), 0 to 1."""


class TextToImageRAt5(HitRate, query="text", k=5):
    """Share of texts with a relevant image among the first 5 (hit rate, the literature's R@5), 0 to 1."""


class TextToImageRAt10(HitRate, query="text", k=10):
    """Share of texts with a relevant image among the first 10 (hit rate, the literature's R@10), 0 to 1."""


class TextToImageRecallAt1(Recall, query="text", k=1):
    """Share of the images relevant to a text that are in first place, mean over texts, 0 to 1."""


class TextToImageRecallAt5(Recall, query="text", k=5):
    """Share of the images relevant to a text that are among the first 5, mean over texts, 0 to 1."""


class TextToImageRecallAt10(Recall, query="text", k=10):
    """Share of the images relevant to a text that are among the first 10, mean over texts, 0 to 1."""


class TextToImageMedianRank(MedianRank, query="text"):
    """Median over texts of the rank of the first relevant image, from 1; lower is better."""


class TextToImageMAP(MeanAveragePrecision, query="text"):
    """Mean over texts of the average precision of the ranking of all images, 0 to 1."""


class TextToImageNDCGAt10(NDCG, query="text", k=10):
    """Mean over texts of the normalised discounted cumulative gain of the first 10 images, 0 to 1."""
