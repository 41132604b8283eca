"""Image encoder: a vision transformer."""

from torch import Tensor
from transformers import ViTConfig, ViTModel

from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.parts import projection
from mmbench_baselines.encoders.pixels import ImageEncoder
from mmbench_baselines.fusions.transformer_block import fitting_heads


class ViT(ImageEncoder):
    """Vision transformer (Dosovitskiy et al. 2021), transformers' `ViTModel`: a 64 x 64 image gives 64 tokens.

    One token a patch, row by row, projected to D where `hidden` is not D. The class token takes part inside and is left
    out of the result, since the fusion does the pooling. Feed-forward layers are 4 x `hidden` wide; weights start at
    random.
    """

    def __init__(
        self, width: int, size: int = 64, patch: int = 8, layers: int = 4, hidden: int = 64, heads: int = 4
    ) -> None:
        """Args:
            width: D of the tokens.
            size: images are resized to `size` x `size` pixels where they are not.
            patch: a patch is `patch` x `patch` pixels; it divides `size`.
            layers: number of layers.
            hidden: their width.
            heads: of attention at most; the largest number that divides `hidden` is taken.

        Raises:
            ValueError: an option is below 1, or `patch` does not divide `size`.
        """
        super().__init__(width, size)
        require_positive(size=size, patch=patch, layers=layers, hidden=hidden, heads=heads)
        if size % patch:
            raise ValueError(f"patch must divide size, and {patch} does not divide {size}")
        config = ViTConfig(
            image_size=size,
            patch_size=patch,
            num_hidden_layers=layers,
            hidden_size=hidden,
            num_attention_heads=fitting_heads(hidden, heads),
            intermediate_size=4 * hidden,
        )
        self.network = ViTModel(config, add_pooling_layer=False)
        self.project = projection(hidden, width)

    def encode(self, pixels: Tensor) -> Tensor:
        """Pixels [B, 3, size, size] -> tokens [B, T, D]."""
        patches = self.network(pixels).last_hidden_state[:, 1:]
        tokens: Tensor = self.project(patches)
        return tokens
