"""What the image encoders share: images as square pixels, prepared in loader workers, and feature maps as tokens."""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmbench.attention import Grid, Places
from mmbench.collective import sum_over_processes
from mmbench.data.decode import load_image
from mmbench.encoder import Encoder


class ImageEncoder(Encoder):
    """Base of the encoders that read `size` x `size` pixels and give every image as many tokens."""

    modality = "image"

    def __init__(self, width: int, size: int) -> None:
        """Args:
        width: D of the tokens.
        size: images are resized to `size` x `size` pixels where they are not, whatever their shape.
        """
        super().__init__(width)
        self.size = size

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Images to uint8 [B, 3, size, size]; zeros and a false mask [B] where one is missing.

        Raises:
            DecodeError: a file is missing, truncated or no image.
        """
        return load_pixels(values, self.size)

    def places(self, value: Any, count: int) -> Places | None:
        """As many rows as columns, since all read squares; images are resized whole."""
        side = math.isqrt(count)
        return Grid(side, side) if side * side == count else None

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [B, 3, size, size] and mask [B] -> [B, T, D] and [B, T]."""
        dtype = next(self.parameters()).dtype
        pixels = inputs.to(dtype, copy=True).div_(127.5).sub_(1.0)  # in place: no tensor is larger
        tokens = self._encode_in_training(pixels, mask) if self.training else self.encode(pixels)
        return tokens, mask.unsqueeze(1).expand(-1, tokens.shape[1])

    def _encode_in_training(self, pixels: Tensor, mask: Tensor) -> Tensor:
        """Tokens [B, T, D]; images that are missing get zeros and do not enter the statistics of batch norm."""
        # Of several processes all take the statistics of batch norm together, or none does.
        count = int(sum_over_processes(mask.sum()))
        if count == 0:
            with _evaluating(self):  # its tokens count for nothing, but give every parameter a gradient, of zero
                return (self.encode(pixels[:1]) * 0.0).expand(len(mask), -1, -1)
        if mask.all():
            return self._encode_present(pixels, count)
        there = self._encode_present(pixels[mask], count)
        return there.new_zeros(len(mask), *there.shape[1:]).index_put((mask,), there)

    def _encode_present(self, pixels: Tensor, count: int) -> Tensor:
        """Tokens of this process's images, which may be none of the `count` in all."""
        if count == 1:
            with _evaluating(self):
                tokens = self.encode(pixels)
            if tokens.shape[1] == 1:  # a feature map of one pixel, of which there is no variance
                return tokens
        return self.encode(pixels)

    @abstractmethod
    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, size, size] from -1 to 1 -> tokens [B, T, D]."""


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Batch norm as in evaluation, by the statistics that it has and without taking new ones."""
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def load_pixels(values: Sequence[Any], size: int) -> tuple[Tensor, Tensor]:
    """Images as `load_image` takes them, `None` where missing -> RGB uint8 [B, 3, size, size] and mask [B].

    Raises:
        DecodeError: an image cannot be decoded.
    """
    pixels = np.zeros((len(values), size, size, 3), dtype=np.uint8)
    for index, value in enumerate(values):
        if value is not None:
            image = load_image(value)
            pixels[index] = image if image.size == (size, size) else image.resize((size, size))
    mask = torch.tensor([value is not None for value in values], dtype=torch.bool)
    # Left in channels-last memory: the convolutions are up to twice as fast on it, on CPU and GPU.
    return torch.from_numpy(pixels).permute(0, 3, 1, 2), mask


def map_tokens(maps: Tensor) -> Tensor:
    """A feature map [B, C, H, W] as tokens [B, H W, C], row by row."""
    return maps.flatten(2).transpose(1, 2)
