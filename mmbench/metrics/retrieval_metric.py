"""What the metrics of image-text retrieval share: vectors as rows, ranked once all of them are there."""

import base64
from collections import Counter
from collections.abc import Mapping
from itertools import permutations
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mmbench.metrics.metric import ERROR, Columns, Metric
from mmbench.metrics.ranking import Ranking, Relevance, rank_vectors
from mmbench.metrics.similarity import Scores
from mmbench.sample import Modality, Prediction, Sample

MODALITIES = (Modality.IMAGE.value, Modality.TEXT.value)

_FLOAT32 = np.dtype("<f4")


class RetrievalMetric(Metric):
    """Base of metrics whose queries are the items of one modality, ranked against all scored items of the other.

    An item's key is its target: an image and a text are relevant to each other if and only if their keys are equal.
    Scores are float32 dot products of the vectors as they are; ties are pessimistic (see `mmbench.metrics.ranking`).

    Class attributes:
        measure: how the name ends, with `{k}` where k belongs.
        query: modality of the queries.
        k: the rank up to which it looks, for those that have one.

    The columns of a finished row, besides modality and key; `None` where an item has no place in the ranking:
        first_hit_rank: rank of the best relevant item, from 1.
        relevant: how many items are relevant.
        hits_1, hits_5, hits_10: how many of them are among the first 1, 5 and 10.
        average_precision: mean of the precision at the rank of each of them, 0 to 1.
        ndcg_10: normalised discounted cumulative gain of the first 10, 0 to 1.
        candidates: how many items were ranked.
    """

    family: ClassVar[str] = "retrieval"
    columns: ClassVar[tuple[str, ...]] = ("modality", "key", "vector")
    measure: ClassVar[str]
    query: ClassVar[str]
    k: ClassVar[int]

    def __init_subclass__(cls, *, query: str = "", k: int = 0) -> None:
        """Name a metric by its direction, its measure and k: `class Name(HitRate, query="image", k=5)`."""
        super().__init_subclass__()
        if query:
            (other,) = set(MODALITIES) - {query}
            cls.query, cls.k, cls.name = query, k, f"{query}_to_{other}_{cls.measure.format(k=k)}"

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """Modality, key, and the vector as base64 of little-endian float32.

        Raises:
            ValueError: the sample has no modality or no key, or its vector is missing, empty, not finite, or so
                long that products overflow.
        """
        modality = sample.meta.get("modality")
        if modality not in MODALITIES:
            raise ValueError(f"expected {' or '.join(MODALITIES)} as the item's meta 'modality', found {modality!r}")
        if sample.target is None:
            raise ValueError("the item has no target, which is the key that it shares with what is relevant to it")
        if prediction.vector is None:
            raise ValueError("there is no vector to rank the item by")
        with np.errstate(over="ignore", invalid="ignore"):  # what is beyond float32 becomes infinite, and is refused
            vector = np.asarray(prediction.vector, dtype=_FLOAT32)
            if vector.ndim != 1 or not vector.size:
                raise ValueError(f"expected a vector, found numbers of shape {list(vector.shape)}")
            # No product of two vectors is greater than that of the longer one with itself.
            if not np.isfinite(vector @ vector):
                raise ValueError("the vector holds a number that is NaN or too large for products in float32")
        return (str(modality), str(sample.target), base64.b64encode(vector.tobytes()).decode("ascii"))

    def finish(self, rows: Columns) -> Columns:
        """Each item's modality, key and place in the ranking; its vector is dropped.

        An item cannot be scored if its vector has another length than most, or if none of the items that are relevant
        to it is there (they failed, or their vectors have another length). The latter remains a candidate for the
        others.
        """
        modality, key = (np.asarray(rows[column], dtype=object) for column in ("modality", "key"))
        length, misfit = _check_lengths(rows["vector"])
        usable = np.array([reason is None for reason in misfit], dtype=bool)
        error = np.array([None if reason is None else f"it has {reason}" for reason in misfit], dtype=object)
        items = {name: np.flatnonzero(usable & (modality == name)) for name in MODALITIES}
        vectors = {name: _decoded(rows["vector"][items[name]], length) for name in MODALITIES}
        places: dict[str, NDArray[Any]] = {}
        for query, other in permutations(MODALITIES):
            relevance = Relevance.by_key(key[items[query]], key[items[other]])
            known = relevance.counts > 0
            error[items[query][~known]] = f"no {other} that is relevant to it was scored"
            misfits = {key[at]: misfit[at] for at in np.flatnonzero((modality == other) & ~usable)}
            for at in items[query][~known]:
                if key[at] in misfits:
                    error[at] = f"the {other} that is relevant to it has {misfits[key[at]]}"
            queries = vectors[query] if known.all() else vectors[query][known]
            ranking = rank_vectors(queries, vectors[other], Relevance(relevance.items, relevance.counts[known]))
            for column, values in _measured(ranking, len(items[other])).items():
                places.setdefault(column, np.full(len(key), None, dtype=object))[items[query][known]] = values
        return {"modality": modality, "key": key, **places, ERROR: error}

    def selected(self, rows: Columns) -> NDArray[np.bool_]:
        """The items of the query's modality."""
        return np.array([modality == self.query for modality in rows["modality"]], dtype=bool)

    def settings(self) -> dict[str, Any]:
        """How items are compared and ranked."""
        return {**super().settings(), "similarity": "dot product in float32", "ties": "pessimistic"}

    def details(self, rows: Columns) -> Mapping[str, Any] | None:
        """How many candidates each query was ranked against, without which a rank says little."""
        candidates = self.select(rows)["candidates"]
        return {"candidates": int(candidates[0])} if len(candidates) else None


def _measured(ranking: Ranking, candidates: int) -> dict[str, NDArray[Any]]:
    return {
        "first_hit_rank": ranking.first_hit(),
        "relevant": ranking.counts,
        "hits_1": ranking.hits(1),
        "hits_5": ranking.hits(5),
        "hits_10": ranking.hits(10),
        "average_precision": ranking.average_precision(),
        "ndcg_10": ranking.ndcg(10),
        "candidates": np.full(len(ranking.counts), candidates),
    }


def _check_lengths(texts: NDArray[Any]) -> tuple[int, NDArray[Any]]:
    """The most frequent length of a vector, and for each that has another what its item then has, [n]."""
    lengths = [(3 * len(text) // 4 - text[-2:].count("=")) // _FLOAT32.itemsize for text in texts]
    misfit = np.full(len(lengths), None, dtype=object)
    if not lengths:
        return 0, misfit
    common = Counter(lengths).most_common(1)[0][0]
    for position, length in enumerate(lengths):
        if length != common:
            misfit[position] = f"a vector of {length} numbers; most have {common}"
    return common, misfit


def _decoded(texts: NDArray[Any], length: int) -> Scores:
    vectors = np.empty((len(texts), length), dtype=np.float32)
    for vector, text in zip(vectors, texts, strict=True):
        vector[:] = np.frombuffer(base64.b64decode(text), dtype=_FLOAT32)
    return vectors
