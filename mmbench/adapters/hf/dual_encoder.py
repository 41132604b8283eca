"""Models of the transformers library that put images and texts into one space: CLIP, SigLIP, ALIGN, ..."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from mmbench.adapters.hf.images import ImageReader
from mmbench.adapters.hf.model import HFModel, Parts
from mmbench.adapters.hf.texts import TextReader
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.profile.stage import stage
from mmbench.sample import Modality, Sample

_FULL = ("siglip", "siglip2")
"""Kinds of models that were taught texts padded to full length, and look at the last token, whatever it is."""

_TEMPLATE = "a photo of a {label}."
"""Where neither the user nor the data set says another (Radford et al. 2021, https://arxiv.org/abs/2103.00020)."""

_AT_ONCE = 256  # sentences


class DualEncoder(HFModel):
    """An encoder of images and one of texts; embeds.

    Vectors have length 1. Texts are cut to the positions that the model has.
    """

    modalities: tuple[str, ...] = (Modality.IMAGE.value, Modality.TEXT.value)

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts)
        images, tokenizer = parts.processor
        self._images = ImageReader(images, parts.name)
        config = parts.pretrained.config
        positions = getattr(getattr(config, "text_config", None), "max_position_embeddings", None)
        full = config.model_type in _FULL
        self._texts = TextReader(tokenizer, positions, parts.pretrained.get_text_features, full=full)

    def settings(self) -> dict[str, Any]:
        """How much of a text is read."""
        return {"longest_text": self._texts.longest}

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Both towers, since the library's model as a whole is never called."""
        for name in ("vision_model", "text_model"):
            tower = getattr(self.pretrained, name, None)
            if tower is not None:
                tower.compile(*args, **kwargs)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Pixels and tokens as the model's processors make them.

        Raises:
            DecodeError: a file cannot be decoded.
        """
        inputs: dict[str, Tensor] = {}
        mask: dict[str, Tensor] = {}
        for modality, reader in ((Modality.IMAGE, self._images), (Modality.TEXT, self._texts)):
            if modality in self.modalities:
                found, there = reader([sample.inputs.get(modality) for sample in samples])
                # The two encoders may have an argument of the same name, such as `attention_mask`.
                inputs |= {f"{modality}.{name}": each for name, each in found.items()}
                mask[modality] = there
        return Batch(len(samples), inputs, mask)

    def embed(self, batch: Batch, modality: str) -> Tensor:
        """Vectors [B, D] of length 1, float32; zeros where the modality is missing."""
        rows = batch.mask[modality].nonzero().flatten()
        chosen = rows if len(rows) else rows.new_zeros(1)  # of any, for the width
        prefix = f"{modality}."
        arguments = {n.removeprefix(prefix): each for n, each in self.arguments(batch).items() if n.startswith(prefix)}
        if len(chosen) < batch.size:
            arguments = {name: each[chosen] for name, each in arguments.items()}
        found = self._encode(modality, arguments)
        if len(rows) == batch.size:
            return found
        return found.new_zeros(batch.size, found.shape[1]).index_copy(0, rows, found[: len(rows)])

    def _encode(self, modality: str, arguments: dict[str, Any]) -> Tensor:
        encode = self.pretrained.get_image_features if modality == Modality.IMAGE else self.pretrained.get_text_features
        with stage(f"encode.{modality}"):
            found = encode(**arguments)
            vectors: Tensor = getattr(found, "pooler_output", found)
            return F.normalize(vectors.float(), dim=-1)


class ZeroShotClassifier(DualEncoder):
    """An image's class is the one whose sentences are nearest; classifies.

    A class's vector is the mean of those of its sentences, brought to length 1 (Radford et al. 2021). Logits have the
    model's own scale, and its bias where it has one.

    Attributes:
        labels: the classes of the data set, in its order.
        templates: sentences around a class.
    """

    modalities = (Modality.IMAGE.value,)
    heeds = ("template",)

    def __init__(self, parts: Parts) -> None:
        """Embed the classes.

        Raises:
            UsageError: a template has no place for the class.
        """
        super().__init__(parts)
        self.labels = parts.opening.labels()
        given = (parts.options.template,) if parts.options.template else parts.opening.dataset.templates
        self.templates = given or (_TEMPLATE,)
        for template in self.templates:
            if "{label}" not in template:
                raise UsageError(f"a template needs {{label}}, where the class stands; {template!r} has none")
        self.classes: Tensor
        self.register_buffer("classes", self._classes(parts.pretrained.device), persistent=False)

    def settings(self) -> dict[str, Any]:
        """The sentences."""
        return {**super().settings(), "templates": list(self.templates)}

    @torch.no_grad()
    def _classes(self, device: torch.device) -> Tensor:
        """Vectors [C, D] of length 1, float32."""
        sentences = [template.replace("{label}", label) for label in self.labels for template in self.templates]
        found = []
        for start in range(0, len(sentences), _AT_ONCE):
            tokens, _ = self._texts(sentences[start : start + _AT_ONCE])
            found.append(self._encode(Modality.TEXT, {name: each.to(device) for name, each in tokens.items()}))
        by_class = torch.cat(found).reshape(len(self.labels), len(self.templates), -1)
        return F.normalize(by_class.mean(dim=1), dim=-1)

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C], float32."""
        vectors = self.embed(batch, Modality.IMAGE)
        with stage("head"):
            logits = vectors @ self.classes.to(vectors.device).T
            return logits * self._scale() + getattr(self.pretrained, "logit_bias", 0.0)

    def _scale(self) -> Tensor | float:
        """What cosines are multiplied by."""
        if hasattr(self.pretrained, "logit_scale"):
            scale: Tensor = self.pretrained.logit_scale.float().exp()
            return scale
        temperature = getattr(self.pretrained, "temperature", None)  # of ALIGN
        return 1.0 if temperature is None else 1.0 / temperature.float()
