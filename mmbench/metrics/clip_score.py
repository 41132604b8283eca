"""CLIPScore: how well a caption fits its image, without references.

Hessel et al.: CLIPScore, a Reference-free Evaluation Metric for Image Captioning, EMNLP 2021,
https://arxiv.org/abs/2104.08718: 2.5 * max(cos(image, caption), 0), with "A photo depicts" before the caption.
"""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from mmbench.data.annotations import shown
from mmbench.data.decode import load_image
from mmbench.errors import UsageError
from mmbench.metrics.mean import MeanMetric
from mmbench.metrics.metric import Columns, FloatArray
from mmbench.sample import Prediction, Sample

_WEIGHT = 2.5
_PROMPT = "A photo depicts "


class CLIPScore(MeanMetric):
    """Mean over images of the weighted cosine of image and caption under a CLIP model, 0 to 2.5.

    Scores by different CLIP models do not compare; the paper's is ViT-B/32 of OpenAI. It runs on the CPU in float32.
    """

    most: ClassVar[float] = 2.5

    name: ClassVar[str] = "clip_score"
    columns: ClassVar[tuple[str, ...]] = ("cosine",)
    reads_inputs: ClassVar[bool] = True
    options: ClassVar[Mapping[str, tuple[str, ...]]] = {"clip": ()}

    def __init__(self, **chosen: str) -> None:
        """Args:
        chosen: `clip`, the name or folder of a CLIP model of transformers, with weights as safetensors.

        Raises:
            UsageError: it is not chosen, or there is no such model, or it is of another kind.
        """
        super().__init__(**chosen)
        if "clip" not in chosen:
            raise UsageError("metric clip_score needs a CLIP model of transformers: --protocol clip=NAME_OR_FOLDER")
        self._clip = _CLIP(chosen["clip"])

    def row(self, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """The cosine of the image and the prompted caption.

        Raises:
            ValueError: the sample has no image, or one that cannot be decoded.
        """
        image = sample.inputs.get("image")
        if image is None:
            raise ValueError("the sample has no image, which clip_score compares with the caption")
        return (self._clip.cosine(load_image(image), _PROMPT + prediction.value),)

    def per_sample(self, rows: Columns) -> FloatArray:
        """The score of each image, [n]."""
        return np.asarray(_WEIGHT * np.maximum(np.asarray(rows["cosine"], dtype=np.float64), 0))

    def settings(self) -> dict[str, Any]:
        """The model with its commit on the hub, or the SHA-256 of a folder's weights; the weight and the prompt."""
        model = {"clip": self._clip.name, "clip_revision": self._clip.revision}
        return super().settings() | model | {"weight": _WEIGHT, "prompt": _PROMPT}


class _CLIP:
    """A loaded model with what prepares its inputs.

    Attributes:
        name: on the hub, or the last two parts of its folder's path.
        revision: its commit on the hub, or the SHA-256 of the weights in its folder.
    """

    def __init__(self, name: str) -> None:
        import torch  # noqa: PLC0415  # as the next
        from transformers import (  # noqa: PLC0415  # their import takes seconds
            AutoConfig,
            AutoImageProcessor,
            AutoTokenizer,
            CLIPConfig,
            CLIPModel,
        )

        try:
            config = AutoConfig.from_pretrained(name, trust_remote_code=False)
            if not isinstance(config, CLIPConfig):
                raise UsageError(f"clip={name}: expected a CLIP model, found one of kind {config.model_type!r}")
            self._model = CLIPModel.from_pretrained(name, use_safetensors=True, dtype=torch.float32)
            self._pixels = AutoImageProcessor.from_pretrained(name, trust_remote_code=False)  # type: ignore[no-untyped-call]
            self._tokens = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise UsageError(f"clip={name}: not a CLIP model of transformers: {reason:.200}") from error
        self._longest = self._model.text_model.config.max_position_embeddings
        folder = Path(name)
        local = folder.is_dir()
        self.name = shown(folder) if local else name
        self.revision: str | None = _hash(folder) if local else getattr(config, "_commit_hash", None)

    def cosine(self, image: Image.Image, text: str) -> float:
        import torch  # noqa: PLC0415  # takes a second

        tokens = self._tokens([text], truncation=True, max_length=self._longest, return_tensors="pt")
        pixels = self._pixels(images=[image], return_tensors="pt")
        with torch.inference_mode():
            found = self._model(**tokens, **pixels)
        return float((found.image_embeds * found.text_embeds).sum())  # both come normalised


def _hash(folder: Path) -> str:
    """SHA-256 of the weights in a folder, file after file by name."""
    found = sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as weights:
            while block := weights.read(1 << 20):
                found.update(block)
    return found.hexdigest()
