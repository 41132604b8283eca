"""Images to what a vision model of the transformers library reads."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmbench.data.decode import load_image
from mmbench.errors import UsageError, first_line

_USUAL_SIZE = 224  # pixels
_GREY = 0.5


class ImageReader:
    """Makes tensors of images, by the model's own image processor.

    A missing image is one of the colour that the processor takes for the mean, which is no information.
    """

    def __init__(self, processor: Any, called: str) -> None:
        """Args:
        processor: an image processor of the library.
        called: what an error calls the model.
        """
        self.processor = processor
        self._called = called

    def __call__(self, values: Sequence[Any]) -> tuple[dict[str, Tensor], Tensor]:
        """Tensors [B, ...] by the names of the model's arguments, and which images are there, [B].

        Raises:
            DecodeError: a file cannot be decoded.
            UsageError: the processor makes images of unequal sizes.
        """
        there = torch.tensor([value is not None for value in values])
        if not there.any():
            return {name: each.expand(len(values), *each.shape[1:]) for name, each in self._nothing.items()}, there
        images = [None if value is None else load_image(value) for value in values]
        size = next(image.size for image in images if image is not None)
        return self._tensors([self.grey(size) if image is None else image for image in images]), there

    def grey(self, size: tuple[int, int] = (_USUAL_SIZE, _USUAL_SIZE)) -> Image.Image:
        """An image of the mean colour."""
        means = getattr(self.processor, "image_mean", None) or _GREY
        red, green, blue = means if isinstance(means, list | tuple) and len(means) == 3 else [_GREY] * 3
        return Image.new("RGB", size, (round(255 * red), round(255 * green), round(255 * blue)))

    @cached_property
    def _nothing(self) -> dict[str, Tensor]:
        return self._tensors([self.grey()])

    def _tensors(self, images: list[Image.Image]) -> dict[str, Tensor]:
        try:
            found = self.processor(images=images, return_tensors="pt")
        except ValueError as error:  # of tensors that cannot be stacked
            raise UsageError(
                f"{self._called}: its image processor fails on {len(images)} images: {first_line(error)}; "
                "if they have unequal sizes, give --batch-size 1"
            ) from error
        return {name: each for name, each in found.items() if isinstance(each, Tensor)}
