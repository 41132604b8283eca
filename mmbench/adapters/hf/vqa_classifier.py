"""Models of the transformers library that choose the answer to a question about an image from a list: ViLT."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmbench.adapters.hf.images import ImageReader
from mmbench.adapters.hf.labels import class_names, named_by
from mmbench.adapters.hf.model import HFModel, Parts
from mmbench.adapters.hf.texts import TextReader
from mmbench.model import Batch
from mmbench.sample import Modality, Sample


class VQAClassifier(HFModel):
    """A network that scores a closed set of answers to a question about an image; classifies.

    Questions are cut to the positions that the model has (ViLT 40).

    Attributes:
        labels: the answers in the order of the logits.
    """

    modalities = (Modality.IMAGE.value, Modality.TEXT.value)

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a classifier.

        Raises:
            UsageError: its answers have no names and are not as many as those of the data set.
        """
        super().__init__(parts)
        self.labels = class_names(parts)
        self._named_by = named_by(parts)
        images, tokenizer = parts.processor
        self._images = ImageReader(images, parts.name)
        longest = getattr(parts.pretrained.config, "max_position_embeddings", None)
        self._texts = TextReader(tokenizer, longest, parts.pretrained.forward)

    def settings(self) -> dict[str, Any]:
        """Whose names the answers have, and how much of a question is read."""
        return {"labels": self._named_by, "longest_text": self._texts.longest}

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Pixels and tokens as the model's processors make them.

        Raises:
            DecodeError: a file cannot be decoded.
        """
        pixels, seen = self._images([sample.inputs.get(Modality.IMAGE) for sample in samples])
        tokens, told = self._texts([sample.inputs.get(Modality.TEXT) for sample in samples])
        return Batch(len(samples), {**pixels, **tokens}, {Modality.IMAGE: seen, Modality.TEXT: told})

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        logits: Tensor = self.pretrained(**self.arguments(batch)).logits
        return logits
