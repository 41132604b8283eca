"""Floor: the same answer to everything."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from mmbench.model import Batch
from mmbench.sample import Dataset, Sample

from .counts import count_labels


class Majority(nn.Module):
    """Majority class: answers everything with the most frequent training answer; reads no input."""

    modalities: tuple[str, ...] = ()

    def __init__(self, name: str, labels: Sequence[str]) -> None:
        super().__init__()
        self.name = name
        self.labels = tuple(labels)
        self.log_prior: Tensor
        self.register_buffer("log_prior", torch.zeros(len(self.labels)))

    @classmethod
    def create(cls, name: str, modalities: tuple[str, ...], samples: Dataset) -> Self:  # it reads none
        """For the labels of the training samples."""
        return cls(name, sorted(count_labels(samples)))

    @classmethod
    def restore(cls, name: str, config: Mapping[str, Any]) -> Self:
        """For stored labels."""
        return cls(name, config["labels"])

    def stored_config(self) -> dict[str, Any]:
        """The labels."""
        return {"labels": list(self.labels)}

    def fit(self, samples: Dataset) -> None:
        """Count the labels."""
        counts = count_labels(samples)
        frequency = torch.tensor([counts[label] for label in self.labels], dtype=torch.float32)
        self.log_prior.copy_((frequency / frequency.sum()).log())

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Nothing but the number of samples."""
        return Batch(len(samples), {}, {})

    def classify(self, batch: Batch) -> Tensor:
        """The training frequencies as logits, [B, C]."""
        return self.log_prior.expand(batch.size, -1)
