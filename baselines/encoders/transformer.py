"""Text encoder: a Transformer over words."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mmbench.fusion import present
from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.words import WordEncoder
from mmbench_baselines.fusions.transformer_block import TransformerBlock


class Transformer(WordEncoder):
    """Word and position embeddings, pre-norm Transformer layers and a layer norm; one token a word.

    The encoder of Vaswani et al. 2017 with learned positions: there are `positions` of them, and of a longer text the
    words after the last are left out. Padding answers no query, so no word's output depends on it.

    Parameters: (words + 2 + positions)·D, layers·((4 + 2e)·D² + (8 + e)·D) with e = `expansion`, and 2·D.
    """

    def __init__(
        self,
        width: int,
        vocabulary: Sequence[str],
        layers: int = 2,
        heads: int = 4,
        expansion: int = 2,
        positions: int = 256,
    ) -> None:
        """Args:
            width: D, that of the layers.
            vocabulary: known words; any other word shares one embedding.
            layers: number of layers.
            heads: of attention at most; the largest number that divides `width` is taken.
            expansion: hidden width of the feed-forward layers in multiples of `width`.
            positions: words that are read of a text.

        Raises:
            ValueError: an option is below 1.
        """
        super().__init__(width, vocabulary)
        require_positive(layers=layers, heads=heads, expansion=expansion, positions=positions)
        self.embedding = nn.Embedding(self.entries, width, padding_idx=0)
        self.position = nn.Embedding(positions, width)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, expansion) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def indices(self, text: str) -> list[int]:
        """Its words, punctuation included, up to the last position."""
        return super().indices(text)[: self.position.num_embeddings]

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Indices [B, T] -> the last layer's outputs [B, T, D] and the same mask."""
        places = torch.arange(inputs.shape[1], device=inputs.device)
        tokens = self.embedding(inputs) + self.position(places)
        # A softmax over no token at all is NaN, so where the text is missing every (masked) token answers.
        answers = mask | ~present(mask).unsqueeze(1)
        for block in self.blocks:
            tokens = block(tokens, answers)
        return self.norm(tokens), mask
