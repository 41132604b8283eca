"""Image encoder: a small strided convolutional network."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmbench.data.decode import load_image
from mmbench.fusion import Encoder


class CNN(Encoder):
    """Small CNN: four 3 x 3 convolutions of stride 2, batch norm and ReLU; a 64 x 64 image gives 16 tokens.

    The last feature map [B, D, size / 16, size / 16] is read as tokens [B, T, D], row by row.
    """

    modality = "image"

    def __init__(self, width: int, size: int = 64, channels: Sequence[int] = (16, 32, 64)) -> None:
        """Args:
        width: D of the tokens, the channels of the last convolution.
        size: images are resized to `size` x `size` pixels where they are not.
        channels: of the convolutions before the last.
        """
        super().__init__(width)
        self.size = size
        self.layers = nn.Sequential(*(_block(before, after) for before, after in pairwise([3, *channels, width])))

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Images to uint8 [B, 3, size, size]; zeros and a false mask [B] where one is missing."""
        pixels = np.zeros((len(values), self.size, self.size, 3), dtype=np.uint8)
        for index, value in enumerate(values):
            if value is not None:
                image = load_image(value)
                pixels[index] = image if image.size == (self.size, self.size) else image.resize((self.size, self.size))
        mask = torch.tensor([value is not None for value in values])
        # Left in channels-last memory: the convolutions are up to twice as fast on it, on CPU and GPU.
        return torch.from_numpy(pixels).permute(0, 3, 1, 2), mask

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 [B, 3, size, size] and mask [B] -> [B, T, D] and [B, T]."""
        dtype = self.layers[0][0].weight.dtype
        maps = self.layers(inputs.to(dtype) / 127.5 - 1.0)
        tokens = maps.flatten(2).transpose(1, 2)
        return tokens, mask.unsqueeze(1).expand(-1, tokens.shape[1])


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )
