"""Image encoder: a residual network of 18 layers."""

from torch import Tensor
from transformers import ResNetConfig, ResNetModel

from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.parts import projection
from mmbench_baselines.encoders.pixels import ImageEncoder, map_tokens


class ResNet18(ImageEncoder):
    """ResNet-18 (He et al. 2016), transformers' `ResNetModel`: a 64 x 64 image gives 4 tokens of 512 channels.

    The last feature map [B, 8 base, size / 32, size / 32], size / 32 rounded up, is read as tokens, row by row, and
    projected to D where 8 base is not D. Its 11,176,512 parameters (and the projection's) start at random.
    """

    def __init__(self, width: int, size: int = 64, base: int = 64) -> None:
        """Args:
            width: D of the tokens.
            size: images are resized to `size` x `size` pixels where they are not.
            base: channels of the first stage, each later one has twice those of the one before; 64 is ResNet-18.

        Raises:
            ValueError: `size` or `base` is below 1.
        """
        super().__init__(width, size)
        require_positive(size=size, base=base)
        stages = [base, 2 * base, 4 * base, 8 * base]
        self.network = ResNetModel(
            ResNetConfig(embedding_size=base, hidden_sizes=stages, depths=[2, 2, 2, 2], layer_type="basic")
        )
        self.project = projection(stages[-1], width)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, size, size] -> tokens [B, T, D]."""
        tokens: Tensor = self.project(map_tokens(self.network(pixels).last_hidden_state))
        return tokens
