"""Text encoder: a word embedding and a GRU."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmbench.fusion import Encoder

_WORD = re.compile(r"\w+|[^\w\s]")
_UNKNOWN = 1  # index 0 is padding


class GRU(Encoder):
    """Word embedding and a GRU (Cho et al. 2014) over the vocabulary of the training texts; one token a word.

    Texts are padded on the right, so no word's output depends on padding or on other texts of the batch.
    """

    modality = "text"

    def __init__(self, width: int, vocabulary: Sequence[str], embedding: int = 32) -> None:
        """Args:
        width: D, the GRU's hidden width.
        vocabulary: known words; any other word shares one embedding.
        embedding: width of the word embedding.
        """
        super().__init__(width)
        self._index = {word: index for index, word in enumerate(vocabulary, start=_UNKNOWN + 1)}
        self.embedding = nn.Embedding(len(vocabulary) + _UNKNOWN + 1, embedding, padding_idx=0)
        self.gru = nn.GRU(embedding, width, batch_first=True)

    @classmethod
    def learn_options(cls, values: Iterable[Any]) -> dict[str, Any]:
        """All words of the training texts."""
        return {"vocabulary": sorted({word for text in set(values) if text is not None for word in _words(text)})}

    def length(self, value: Any) -> int:
        """Its words, punctuation included."""
        return len(_words(value))

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Texts to word indices int64 [B, T], T the longest (at least 1), and mask [B, T]."""
        rows = [[self._index.get(word, _UNKNOWN) for word in _words(text or "")] for text in values]
        indices = torch.zeros(len(rows), max(1, *map(len, rows)), dtype=torch.int64)
        for row, words in zip(indices, rows, strict=True):
            row[: len(words)] = torch.tensor(words, dtype=torch.int64)
        return indices, indices > 0

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Indices [B, T] -> the GRU's outputs [B, T, D] and the same mask."""
        tokens, _ = self.gru(self.embedding(inputs))
        return tokens, mask


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
