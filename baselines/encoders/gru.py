"""Text encoder: a word embedding and a GRU."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmbench_baselines.encoders.words import WordEncoder


class GRU(WordEncoder):
    """Word embedding and a GRU (Cho et al. 2014) over the vocabulary of the training texts; one token a word.

    Texts are padded on the right, so no word's output depends on padding or on other texts of the batch.
    """

    def __init__(self, width: int, vocabulary: Sequence[str], embedding: int = 32) -> None:
        """Args:
        width: D, the GRU's hidden width.
        vocabulary: known words; any other word shares one embedding.
        embedding: width of the word embedding.
        """
        super().__init__(width, vocabulary)
        self.embedding = nn.Embedding(self.entries, embedding, padding_idx=0)
        self.gru = nn.GRU(embedding, width, batch_first=True)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Indices [B, T] -> the GRU's outputs [B, T, D] and the same mask."""
        tokens, _ = self.gru(self.embedding(inputs))
        return tokens, mask
