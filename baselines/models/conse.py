"""A retriever without training: a classifier of images and an encoder of sentences, joined by the names of classes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.errors import UsageError
from mmbench.fusion import masked_mean
from mmbench.model import Batch
from mmbench.profile.stage import stage
from mmbench.sample import Dataset, Sample

from .conse_parts import (
    SIZE,
    check_installed,
    class_names,
    crop,
    load_classifier,
    load_sentence_encoder,
    package_versions,
)

_CLASSES = 10
"""The most probable ones, which an image is the mean of."""

_PROMPT = "a photo of a {}"

_BATCH = 100  # class names at a time


class ConSE(nn.Module):
    """Convex combination of semantic embeddings (Norouzi et al. 2014, https://arxiv.org/abs/1312.5650).

    An image's vector is the mean of the sentence vectors of its ten most probable classes' names, weighted by their
    probabilities; a text's is its own sentence vector.
    """

    modalities = ("image", "text")

    def __init__(self, name: str) -> None:
        """Load all parts and embed the names of the classes."""
        super().__init__()
        self.name = name
        self.classifier = load_classifier()
        self.sentences = load_sentence_encoder()
        self.eval()
        self.names: Tensor
        self.register_buffer("names", self._names())

    @torch.no_grad()
    def _names(self) -> Tensor:
        """Vectors [C, D] of the classes."""
        texts = [_PROMPT.format(name) for name in class_names()]
        parts = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        return torch.cat([self._sentence_vectors(*self.sentences.prepare(part)) for part in parts])

    def _sentence_vectors(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Token indices [B, T] and mask [B, T] -> vectors [B, D] of length 1, float32."""
        return F.normalize(masked_mean(*self.sentences(inputs, mask)).float(), dim=-1)

    def length(self, sample: Sample) -> int:
        """Tokens of the text, for batches of similar length."""
        text = sample.inputs.get("text")
        return 0 if text is None else self.sentences.length(text)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Images to uint8 [B, 3, size, size] and mask [B], texts to token indices [B, T] and mask [B, T]."""
        pixels = np.zeros((len(samples), SIZE, SIZE, 3), dtype=np.uint8)
        images = [sample.inputs.get("image") for sample in samples]
        for index, image in enumerate(images):
            if image is not None:
                pixels[index] = crop(image)
        indices, mask = self.sentences.prepare([sample.inputs.get("text") for sample in samples])
        return Batch(
            len(samples),
            {"image": torch.from_numpy(pixels).permute(0, 3, 1, 2), "text": indices},
            {"image": torch.tensor([image is not None for image in images]), "text": mask},
        )

    @torch.no_grad()
    def embed(self, batch: Batch, modality: str) -> Tensor:
        """Vectors [B, D] of length 1, float32; rows of samples without the modality mean nothing."""
        with stage(f"encode.{modality}"):
            if modality == "text":
                return self._sentence_vectors(batch.inputs["text"], batch.mask["text"])
            pixels = (batch.inputs["image"].to(self.names.dtype) - 127.0) / 128.0
            chance, classes = self.classifier(pixels).float().softmax(dim=1).topk(_CLASSES, dim=1)
            return F.normalize((chance.unsqueeze(2) * self.names[classes].float()).sum(dim=1), dim=-1)

    def stored_config(self) -> dict[str, Any]:
        """What its vectors depend on, as plain JSON."""
        return {"classes": _CLASSES, "prompt": _PROMPT, "packages": package_versions()}


class ConSEFactory:
    """Opens ConSE, which is taught elsewhere."""

    def open(self, name: str) -> ConSE:
        """With its pretrained parts.

        Raises:
            UsageError: a package is missing.
        """
        check_installed(name)
        return ConSE(name)

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> ConSE:
        """Refuse: there is nothing that it could learn here.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"model {name!r} is not trained: it asks pretrained parts, and is ready as it is")

    def restore(self, name: str, config: Mapping[str, Any]) -> ConSE:
        """As `open`: what was stored says what it was, not what it could be.

        Raises:
            UsageError: a package is missing.
        """
        return self.open(name)


conse = ConSEFactory()
"""ConSE: zero-shot, the classes that EfficientNet sees in an image, and texts, as MiniLM sentence vectors."""
