"""What all models of the transformers library share here."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from mmbench.adapter import Opening
from mmbench.adapters.hf.options import HFOptions
from mmbench.model import Batch
from mmbench.sample import Sample


@dataclass(frozen=True, slots=True)
class Parts:
    """A model that was read, not adapted yet.

    Attributes:
        name: what records call it: `hf:NAME`, of a folder its last part.
        opening: what it is opened for.
        options: what the user set.
        pretrained: the model of the library, on its device, in its dtype and in evaluation.
        processor: what comes before it: processor, tokenizer, image processor or feature extractor.
    """

    name: str
    opening: Opening
    options: HFOptions
    pretrained: Any
    processor: Any


class HFModel(nn.Module, ABC):
    """Base of the families: the library's model with its processor, between samples and answers.

    A family makes batches whose `inputs` are the arguments of the library's model by their names, [B, ...], and whose
    `mask` tells by modality which samples have it [B].

    Attributes:
        modalities: the inputs that it reads of those that the samples have.
        heeds: the user's options that change its answers.
    """

    modalities: tuple[str, ...]
    heeds: ClassVar[tuple[str, ...]] = ()

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.name = parts.name
        self.options = parts.options
        self.pretrained = parts.pretrained
        self.processor = parts.processor

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights; floating inputs are cast to it when they are read."""
        dtype: torch.dtype = self.pretrained.dtype
        return dtype

    def settings(self) -> dict[str, Any]:
        """What a record must tell of how it answers besides the user's options: generation settings, templates, ..."""
        return {}

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile what is called of the library's model; of one that generates, what is called once a token."""
        self.pretrained.compile(*args, **kwargs)

    def arguments(self, batch: Batch) -> dict[str, Any]:
        """The arguments of the library's model, floating ones in its dtype."""
        return {n: each.to(self.dtype) if each.is_floating_point() else each for n, each in batch.inputs.items()}

    @abstractmethod
    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Decode and batch samples, in a loader worker."""
