"""What the text encoders share: a text as indices into a vocabulary, padded on the right in loader workers."""

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmbench.attention import Places
from mmbench.encoder import Encoder

UNKNOWN = 1
"""Index of what the vocabulary lacks; the vocabulary begins after it, and 0 is padding."""

_WORD = re.compile(r"\w+|[^\w\s]")


class TextEncoder(Encoder):
    """Base of the encoders that read a text as a row of indices, one a token."""

    modality = "text"

    @abstractmethod
    def indices(self, text: str) -> list[int]:
        """The text's tokens, each an index from `UNKNOWN` on."""

    def length(self, value: Any) -> int:
        """Its number of tokens."""
        return len(self.indices(value))

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Texts to indices int64 [B, T], T the longest (at least 1), and mask [B, T]; no token where one is missing."""
        rows = [self.indices(text or "") for text in values]
        indices = torch.zeros(len(rows), max(1, *map(len, rows)), dtype=torch.int64)
        for row, tokens in zip(indices, rows, strict=True):
            row[: len(tokens)] = torch.tensor(tokens, dtype=torch.int64)
        return indices, indices > 0


class WordEncoder(TextEncoder):
    """Base of the encoders over the words of the training texts, case folded; a punctuation mark is a word."""

    def __init__(self, width: int, vocabulary: Sequence[str]) -> None:
        """Args:
        width: D of the tokens.
        vocabulary: known words; any other word shares one embedding.
        """
        super().__init__(width)
        self._index = {word: index for index, word in enumerate(vocabulary, start=UNKNOWN + 1)}

    @classmethod
    def learn_options(cls, values: Iterable[Any]) -> dict[str, Any]:
        """All words of the training texts."""
        return {"vocabulary": sorted({word for text in set(values) if text is not None for word in _words(text)})}

    @property
    def entries(self) -> int:
        """Rows that an embedding needs: the vocabulary, the unknown word, padding."""
        return len(self._index) + UNKNOWN + 1

    def indices(self, text: str) -> list[int]:
        """Its words, punctuation included."""
        return [self._index.get(word, UNKNOWN) for word in _words(text)]

    def places(self, value: Any, count: int) -> Places:
        """The words, unknown ones too."""
        return _words(value)[:count]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
