"""Image encoder: a small strided convolutional network."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from mmbench_baselines.checks import require_positive

from .pixels import ImageEncoder, map_tokens


class CNN(ImageEncoder):
    """Small CNN: four 3 x 3 convolutions of stride 2, batch norm and ReLU; a 64 x 64 image gives 16 tokens.

    The last feature map [B, D, size / 16, size / 16] is read as tokens [B, T, D], row by row. With `coordinates`, the
    last convolution also sees where it is, x and y from -1 to 1 in two further channels (Santoro et al. 2017 give them
    to each object), so that what follows can compare positions.
    """

    def __init__(
        self, width: int, size: int = 64, channels: Sequence[int] = (16, 32, 64), coordinates: bool = False
    ) -> None:
        """Args:
        width: D of the tokens, the channels of the last convolution.
        size: images are resized to `size` x `size` pixels where they are not.
        channels: of the convolutions before the last.
        coordinates: whether the last convolution sees them.

        Raises:
            ValueError: `size` or a number of channels is below 1.
        """
        super().__init__(width, size)
        require_positive(size=size, **{f"channels[{index}]": count for index, count in enumerate(channels)})
        self.coordinates = coordinates
        counts = [3, *channels, width]
        blocks = [_block(before, after) for before, after in pairwise(counts[:-1])]
        self.layers = nn.Sequential(*blocks, _block(counts[-2] + 2 * coordinates, width))

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, size, size] -> tokens [B, T, D]."""
        *early, last = self.layers
        maps = pixels
        for block in early:
            maps = block(maps)
        return map_tokens(last(torch.cat([maps, _positions(maps)], dim=1) if self.coordinates else maps))


def _positions(maps: Tensor) -> Tensor:
    """Of each place in [B, C, H, W], x and y: [B, 2, H, W]."""
    height, width = (torch.linspace(-1.0, 1.0, n, dtype=maps.dtype, device=maps.device) for n in maps.shape[-2:])
    y, x = torch.meshgrid(height, width, indexing="ij")
    return torch.stack([x, y]).expand(len(maps), -1, -1, -1)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )
