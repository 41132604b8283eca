"""Image encoder: the convolutions of VGG-16."""

from torch import Tensor, nn

from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.parts import projection
from mmbench_baselines.encoders.pixels import ImageEncoder, map_tokens

_STAGES = ((1, 2), (2, 2), (4, 3), (8, 3), (8, 3))
"""Channels in multiples of `base`, and convolutions, of each stage."""
_REDUCTION = 2 ** len(_STAGES)


class VGG16(ImageEncoder):
    """VGG-16's thirteen convolutions with batch norm (Simonyan and Zisserman 2015, configuration D).

    A 64 x 64 image gives 4 tokens of 512 channels: each of five stages of 3 x 3 convolutions, batch norm and ReLU ends
    in a 2 x 2 max-pooling, the last feature map [B, 8 base, size // 32, size // 32] is read as tokens, row by row, and
    projected to D where 8 base is not D. Its 14,723,136 parameters (and the projection's) start at random, the
    convolutions as He et al. 2015. The classifier's three layers of the paper are left out.
    """

    def __init__(self, width: int, size: int = 64, base: int = 64) -> None:
        """Args:
            width: D of the tokens.
            size: images are resized to `size` x `size` pixels where they are not; 32 at least.
            base: channels of the first stage, 64 is VGG-16; the others have 2, 4, 8 and 8 times as many.

        Raises:
            ValueError: `size` is below 32, or `base` below 1.
        """
        super().__init__(width, size)
        require_positive(base=base)
        if size < _REDUCTION:
            raise ValueError(f"size must be at least {_REDUCTION}, which five poolings make one pixel, not {size}")
        layers: list[nn.Module] = []
        before = 3
        for multiple, convolutions in _STAGES:
            for _ in range(convolutions):
                layers += _layer(before, multiple * base)
                before = multiple * base
            layers.append(nn.MaxPool2d(2))
        self.network = nn.Sequential(*layers)
        self.project = projection(before, width)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, size, size] -> tokens [B, T, D]."""
        tokens: Tensor = self.project(map_tokens(self.network(pixels)))
        return tokens


def _layer(before: int, after: int) -> list[nn.Module]:
    # The bias does nothing before batch norm; it is there as in every published VGG-16 with batch norm.
    convolution = nn.Conv2d(before, after, kernel_size=3, padding=1)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(convolution.bias)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]
