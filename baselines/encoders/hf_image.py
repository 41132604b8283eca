"""Image encoder: any image model of the transformers library."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmbench.attention import Grid, Places
from mmbench.data.decode import load_image
from mmbench.errors import UsageError
from mmbench_baselines.encoders.hf_encoder import HFEncoder, read_processor

_USUAL_SIZE = 224  # pixels
_MOST_BEFORE = 10  # class token, registers, a teacher's token: fewer than these


class HFImage(HFEncoder):
    """Image backbone by name: ViT, DINOv2, Swin, ResNet, ConvNeXt, the image tower of CLIP, ...

    Tokens are the last hidden states: of a Transformer all, the class token included; of a convolutional network the
    last feature map, row by row. Images are resized and normalised as the model's own image processor does.
    """

    modality = "image"
    tower = "vision_model"
    reads = ("pixel_values",)

    @classmethod
    def load_processor(cls, source: str, revision: str | None) -> Any:
        """The image processor; that of Pillow, since torchvision's gives slightly other pixels where it is there."""
        from transformers import AutoImageProcessor  # noqa: PLC0415  # transformers takes seconds to import

        return read_processor(source, revision, "image processor", AutoImageProcessor, backend="pil")

    def hidden_size(self) -> int:
        """Width of what the backbone gives; a convolutional one does not tell, and is asked with an empty image."""
        config: Any = self.pretrained.config
        if getattr(config, "hidden_size", None):
            return int(config.hidden_size)
        size = getattr(config, "image_size", None) or _USUAL_SIZE
        height, width = size if isinstance(size, list | tuple) else (size, size)
        training = self.pretrained.training
        self.pretrained.eval()  # batch norm would refuse a feature map of one pixel
        with torch.no_grad():
            hidden = self._last_hidden(torch.zeros(1, config.num_channels, height, width))
        self.pretrained.train(training)
        return hidden.shape[-1]

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Images to float32 [B, 3, height, width]; a black one and a false mask [B] where one is missing."""
        images = [Image.new("RGB", (_USUAL_SIZE,) * 2) if value is None else load_image(value) for value in values]
        pixels = [torch.as_tensor(self.processor(image, return_tensors="pt")["pixel_values"]) for image in images]
        if len({tensor.shape for tensor in pixels}) > 1:
            raise UsageError(f"hf:{self.source}: its image processor makes images of unequal sizes; one size is needed")
        return torch.cat(pixels), torch.tensor([value is not None for value in values])

    def places(self, value: Any, count: int) -> Places | None:
        """The grid of patches or of the last feature map, class token and registers before it.

        `None` where the image processor reads a part of the image, or where `count` is no such grid.
        """
        if getattr(self.processor, "do_center_crop", False):
            return None
        height, width = self.prepare([value])[0].shape[-2:]
        patch = getattr(self.pretrained.config, "patch_size", None)
        if isinstance(patch, int) and 0 <= count - (height // patch) * (width // patch) < _MOST_BEFORE:
            rows, columns = height // patch, width // patch
            return Grid(rows, columns, count - rows * columns)
        scale = math.sqrt(height * width / count)  # what a network that merges patches, or convolves, has for a patch
        rows, columns = round(height / scale), round(width / scale)
        return Grid(rows, columns) if rows * columns == count else None

    def encode(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels [B, 3, height, width] and mask [B] -> hidden states [B, T, H] and mask [B, T]."""
        hidden = self._last_hidden(inputs.to(next(self.pretrained.parameters()).dtype))
        return hidden, mask.unsqueeze(1).expand(-1, hidden.shape[1])

    def _last_hidden(self, pixels: Tensor) -> Tensor:
        hidden: Tensor = self.pretrained(pixel_values=pixels).last_hidden_state
        return hidden.flatten(2).transpose(1, 2) if hidden.dim() == 4 else hidden
