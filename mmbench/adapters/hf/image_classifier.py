"""Image classifiers of the transformers library: ViT, DeiT, Swin, ConvNeXt, ResNet, DINOv2, ..."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmbench.adapters.hf.images import ImageReader
from mmbench.adapters.hf.labels import class_names, named_by
from mmbench.adapters.hf.model import HFModel, Parts
from mmbench.model import Batch
from mmbench.sample import Modality, Sample


class ImageClassifier(HFModel):
    """A network that tells the class of an image; classifies.

    Attributes:
        labels: the classes in the order of the logits.
    """

    modalities = (Modality.IMAGE.value,)

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a classifier.

        Raises:
            UsageError: its classes have no names and are not as many as those of the data set.
        """
        super().__init__(parts)
        self.labels = class_names(parts)
        self._named_by = named_by(parts)
        self._images = ImageReader(parts.processor, parts.name)

    def settings(self) -> dict[str, Any]:
        """Whose names the classes have."""
        return {"labels": self._named_by}

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Pixels as the model's image processor makes them.

        Raises:
            DecodeError: a file cannot be decoded.
        """
        inputs, there = self._images([sample.inputs.get(Modality.IMAGE) for sample in samples])
        return Batch(len(samples), inputs, {Modality.IMAGE: there})

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        logits: Tensor = self.pretrained(**self.arguments(batch)).logits
        return logits
