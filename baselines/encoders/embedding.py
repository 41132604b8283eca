"""Text encoder: a bag of word embeddings."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmbench_baselines.encoders.words import WordEncoder


class Embedding(WordEncoder):
    """Bag of words: a word's token is its embedding, whatever its place and its neighbours."""

    def __init__(self, width: int, vocabulary: Sequence[str]) -> None:
        """Args:
        width: D, that of the word embedding.
        vocabulary: known words; any other word shares one embedding.
        """
        super().__init__(width, vocabulary)
        self.embedding = nn.Embedding(self.entries, width, padding_idx=0)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Indices [B, T] -> embeddings [B, T, D] and the same mask."""
        return self.embedding(inputs), mask
