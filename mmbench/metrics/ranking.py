"""Exact ranks of relevant items, streamed: memory grows with the vectors, never with queries times candidates.

Ties are broken pessimistically: a relevant item ranks after every irrelevant item with an equal score, so a scorer that
gives all items one score ranks as badly as can be, not perfectly. Scores are float32; one that is NaN says nothing, so
that an irrelevant item with it ranks first, and a relevant one last.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmbench.metrics.similarity import MEMORY, Scores, score_chunks

FloatArray = NDArray[np.float64]
Positions = NDArray[np.int64]

_FEW = 16  # levels; with more, sorting the scores once costs less than comparing all of them with each


@dataclass(frozen=True, slots=True)
class Relevance:
    """Which of N candidates are relevant to each of Q queries.

    Attributes:
        items: positions of the relevant candidates, query by query, [R].
        counts: how many each query has, [Q].
    """

    items: Positions
    counts: Positions

    @classmethod
    def by_key(cls, query_keys: Sequence[Any] | NDArray[Any], candidate_keys: Sequence[Any] | NDArray[Any]) -> Self:
        """A candidate is relevant to a query if and only if their keys, str or int, are equal: [Q] and [N]."""
        keys = np.empty(len(query_keys) + len(candidate_keys), dtype=object)
        keys[: len(query_keys)], keys[len(query_keys) :] = query_keys, candidate_keys
        codes = pd.factorize(keys)[0]
        wanted, offered = codes[: len(query_keys)], codes[len(query_keys) :]
        order = np.argsort(offered, kind="stable")
        first, end = (np.searchsorted(offered, wanted, side, sorter=order) for side in ("left", "right"))
        counts = end - first
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return cls(order[np.repeat(first, counts) + within], counts)

    @classmethod
    def of_matrix(cls, relevant: NDArray[np.bool_]) -> Self:
        """From a matrix, [Q, N], true where relevant."""
        return cls(np.nonzero(relevant)[1], np.count_nonzero(relevant, axis=1))

    def by_query(self) -> Iterator[Positions]:
        """The relevant candidates of each query in turn."""
        end = 0
        for count in self.counts.tolist():
            start, end = end, end + count
            yield self.items[start:end]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Where the relevant items of Q queries stand, and what follows from that.

    Attributes:
        ranks: from 1 up, query by query, ascending within each, [R].
        counts: relevant items of each query, [Q], at least 1.
    """

    ranks: Positions
    counts: Positions

    @property
    def _starts(self) -> Positions:
        return np.cumsum(self.counts) - self.counts

    def first_hit(self) -> Positions:
        """Rank of the best relevant item, [Q]."""
        return self.ranks[self._starts]

    def hits(self, k: int) -> Positions:
        """Relevant items among the first k, [Q]."""
        return np.asarray(self._sum(self.ranks <= k), dtype=np.int64)

    def average_precision(self) -> FloatArray:
        """Mean over the relevant items of the precision at their ranks, [Q].

        scikit-learn's `label_ranking_average_precision_score` of one query where no scores are equal. Where some are,
        that one has relevant items of an equal score share the precision of the last of them; here they rank one after
        the other, as in a list that someone reads, and the value is the least that any order of equals gives.
        """
        position = np.arange(1, len(self.ranks) + 1) - np.repeat(self._starts, self.counts)
        return self._sum(position / self.ranks) / self.counts

    def ndcg(self, k: int) -> FloatArray:
        """Normalised discounted cumulative gain of the first k with gain 1 and discount log2(1 + rank), [Q].

        Järvelin & Kekäläinen 2002; scikit-learn's `ndcg_score` where no scores are equal (it averages over ties).
        """
        gains = np.where(self.ranks <= k, 1 / np.log2(1.0 + self.ranks), 0.0)
        best = np.cumsum(1 / np.log2(np.arange(2.0, k + 2)))
        gained: FloatArray = self._sum(gains) / best[np.minimum(self.counts, k) - 1]
        return gained

    def _sum(self, values: NDArray[Any]) -> FloatArray:
        return np.asarray(np.add.reduceat(values.astype(np.float64), self._starts))


def rank_matrix(similarity: NDArray[np.floating[Any]], relevance: Relevance) -> Ranking:
    """Rank by a matrix of scores, [Q, N], which are compared in float32.

    Raises:
        ValueError: a query has no relevant item.
    """
    scores = np.asarray(similarity, dtype=np.float32)
    return _rank([scores[:, None]], scores.shape[1], relevance)


def rank_vectors(queries: Scores, gallery: Scores, relevance: Relevance, *, memory: int = MEMORY) -> Ranking:
    """Rank a gallery [N, D] for each of the queries [Q, D] by dot product, some queries at a time.

    Equal vectors get equal scores wherever they stand, which makes their ties ties.

    Args:
        queries, gallery: vectors as they are; normalise them before for cosines. A gallery that cannot be written to
            is copied.
        relevance: of the gallery's items to the queries.
        memory: bytes for scores, on which results do not depend; it is exceeded where those of 64 queries need more.

    Raises:
        ValueError: a query has no relevant item, or the vectors differ in length.
    """
    return _rank(score_chunks(queries, gallery, memory), len(gallery), relevance)


def _rank(chunks: Iterable[Scores], candidates: int, relevance: Relevance) -> Ranking:
    """Rank from scores by chunks of queries, [q, blocks, B]: those of the candidates in order, then NaN."""
    if not relevance.counts.all():
        raise ValueError(f"query {int(np.argmin(relevance.counts))} has no relevant item")
    ranks = np.empty(len(relevance.items), dtype=np.int64)
    end = 0
    rows = (row for chunk in chunks for row in chunk)
    for row, relevant in zip(rows, relevance.by_query(), strict=True):
        start, end = end, end + len(relevant)
        ranks[start:end] = _ranks(row, relevant, candidates)
    return Ranking(ranks, relevance.counts)


def _ranks(scores: Scores, relevant: Positions, candidates: int) -> Positions:
    """Ranks [r] of the relevant items, ascending: before each are the irrelevant ones that score at least as high."""
    own = scores[np.divmod(relevant, scores.shape[1])]
    levels = np.sort(np.where(np.isnan(own), np.float32(-np.inf), own))[::-1]
    irrelevant = candidates - _below(scores, levels) - (len(own) - _below(own, levels))
    return irrelevant + np.arange(1, len(own) + 1)


def _below(scores: Scores, levels: Scores) -> Positions:
    """How many scores lie below each level; NaN lies below none."""
    if len(levels) <= _FEW:
        return np.array([np.count_nonzero(scores < level) for level in levels], dtype=np.int64)
    return np.searchsorted(np.sort(scores, axis=None), levels)
