"""Floor: vectors that say nothing."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.model import Batch
from mmbench.sample import Dataset, Sample

_WIDTH = 128
"""Of the space; any will do where two vectors are never equal."""


class RandomEmbedding:
    """Gives every item a direction by lot, drawn by its name alone: the same in every run and in every batch."""

    modalities = ("image", "text")

    def __init__(self, name: str) -> None:
        self.name = name

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """The vector of each item [B, D], under each modality that it has; nothing is decoded."""
        vectors = torch.from_numpy(np.stack([_draw(sample.id) for sample in samples]))
        mask = {m: torch.tensor([s.inputs.get(m) is not None for s in samples]) for m in self.modalities}
        return Batch(len(samples), dict.fromkeys(self.modalities, vectors), mask)

    def embed(self, batch: Batch, modality: str) -> Tensor:
        """Vectors [B, D] of length 1, float32."""
        return batch.inputs[modality]


def _draw(name: str) -> NDArray[np.float32]:
    """A direction, uniform over all: that of independent normal numbers."""
    seed = int.from_bytes(sha256(name.encode()).digest()[:8], "big")
    numbers = np.random.default_rng(seed).standard_normal(_WIDTH)
    return (numbers / np.linalg.norm(numbers)).astype(np.float32)


class RandomEmbeddingFactory:
    """Makes the floor, which has nothing to learn or to store."""

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> RandomEmbedding:
        """The floor, whatever the samples."""
        return RandomEmbedding(name)

    def restore(self, name: str, config: Mapping[str, Any]) -> RandomEmbedding:
        """The floor, which stores nothing."""
        return RandomEmbedding(name)

    def open(self, name: str) -> RandomEmbedding:
        """The floor, ready to be asked."""
        return RandomEmbedding(name)


random_embedding = RandomEmbeddingFactory()
"""Random embedding: gives every item a random direction, whatever it shows or says."""
