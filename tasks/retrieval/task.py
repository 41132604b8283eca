"""The task: find the texts of an image, and the image of a text."""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmbench.data.card import DatasetCard
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Embeds, Model
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import TaskCard
from mmbench_tasks.captioning.readers import open_captions

from .items import ImageTextItems
from .pairs import ImageTextPairs

_MEASURES = (
    "r_at_1",
    "r_at_5",
    "r_at_10",
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "median_rank",
    "map",
    "ndcg_at_10",
)


class Retrieval:
    """Image-text retrieval by vectors in one space, both ways."""

    card = TaskCard(
        name="retrieval",
        title="image-text retrieval: the texts of an image and the image of a text, by vectors in one space",
        modalities=("image", "text"),
        abilities=("embed",),
        metrics=tuple(f"{way}_{measure}" for way in ("text_to_image", "image_to_text") for measure in _MEASURES),
        datasets=("scenes", "coco-captions", "coco-karpathy", "flickr8k", "flickr30k", "nocaps", "captions-json"),
        floors=("random-embedding",),
        breakdowns=("domain",),
        citation=(
            "Hodosh, Young & Hockenmaier: Framing Image Description as a Ranking Task, JAIR 2013, "
            "https://doi.org/10.1613/jair.3994"
        ),
    )

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split: first its images, then its texts; images are decoded only when a batch is made."""
        return ImageTextItems(dataset, split, open_captions(dataset, split))

    def training(self, samples: Dataset) -> Dataset:
        """The texts among the items, each with its image.

        Raises:
            UsageError: there is no such pair.
        """
        return ImageTextPairs(samples)

    def ask(self, model: Model, batch: Batch) -> list[Prediction]:
        """The vector of each item, from the modality that it has; zeros where that is missing, which are like nothing.

        Raises:
            ValueError: the model reads none, an item has several, or the vectors are not [B, D] or not finite.
        """
        has = {m: _present(batch.mask[m]) for m in self.card.modalities if m in batch.mask}
        if not has:
            raise ValueError(f"the model's batch has neither {' nor '.join(self.card.modalities)}")
        for position, count in enumerate(sum(has.values(), np.zeros(batch.size, dtype=int))):
            if count > 1:
                raise ValueError(f"item {position} of the batch has {count} modalities that the model reads, not one")
        vectors: dict[int, NDArray[np.float32]] = {}
        asked = [modality for modality, mask in has.items() if mask.any()] or list(has)[:1]  # of any, for the width
        for modality in asked:
            found = _embedded(cast(Embeds, model), batch, modality)
            missing = np.zeros(found.shape[1], dtype=np.float32)
            vectors |= {position: found[position] for position in np.flatnonzero(has[modality]).tolist()}
        if not all(np.isfinite(vector).all() for vector in vectors.values()):
            raise ValueError("the model gave a vector that is not finite, which is no answer")
        return [Prediction("", vector=vectors.get(position, missing)) for position in range(batch.size)]

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """A vector is kept as it is; it gets its place when those of all items are there."""
        return metric.row(prediction, sample)


def _present(mask: Tensor) -> NDArray[np.bool_]:
    """Which items have the modality, from a mask [B] of single values or [B, T] of sequences: [B]."""
    return np.asarray(mask.reshape(len(mask), -1).any(dim=1).cpu().numpy())


def _embedded(model: Embeds, batch: Batch, modality: str) -> NDArray[np.float32]:
    """Vectors [B, D] of one modality; rows of items without it mean nothing."""
    vectors = model.embed(batch, modality)
    if vectors.ndim != 2 or len(vectors) != batch.size:
        raise ValueError(f"the model gave {modality} vectors {list(vectors.shape)}; expected [{batch.size}, D]")
    return np.asarray(vectors.detach().float().cpu().numpy())
