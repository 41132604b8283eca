"""Text encoder: a word embedding and an LSTM."""

from collections.abc import Sequence

from torch import Tensor, nn

from mmbench_baselines.encoders.words import WordEncoder


class LSTM(WordEncoder):
    """Word embedding and an LSTM (Hochreiter and Schmidhuber 1997) over the training texts' words; one token a word.

    Texts are padded on the right, so no word's output depends on padding or on other texts of the batch.
    """

    def __init__(self, width: int, vocabulary: Sequence[str], embedding: int = 32) -> None:
        """Args:
        width: D, the LSTM's hidden width.
        vocabulary: known words; any other word shares one embedding.
        embedding: width of the word embedding.
        """
        super().__init__(width, vocabulary)
        self.embedding = nn.Embedding(self.entries, embedding, padding_idx=0)
        self.lstm = nn.LSTM(embedding, width, batch_first=True)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Indices [B, T] -> the LSTM's outputs [B, T, D] and the same mask."""
        tokens, _ = self.lstm(self.embedding(inputs))
        return tokens, mask
