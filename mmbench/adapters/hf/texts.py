"""Texts to what a model of the transformers library reads."""

from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any

import torch
from torch import Tensor

_UNLIMITED = 100_000
"""Tokenizers that do not know how much their model reads say some huge number."""


class TextReader:
    """Makes tensors of texts by the model's own tokenizer, cut to what the model reads."""

    def __init__(self, tokenizer: Any, longest: int | None, reads: Callable[..., Any], *, full: bool = False) -> None:
        """Args:
        tokenizer: of the library.
        longest: tokens that the model reads; `None` where it says nothing.
        reads: the function that gets the tensors; those that it does not name are left out.
        full: pad all texts to `longest`.
        """
        limits = [limit for limit in (longest, tokenizer.model_max_length) if limit and limit < _UNLIMITED]
        self.tokenizer = tokenizer
        self.longest = min(limits, default=None)
        self._full = full and self.longest is not None
        self._reads = tuple(signature(reads).parameters)

    def __call__(self, texts: Sequence[str | None]) -> tuple[dict[str, Tensor], Tensor]:
        """Tensors [B, T] by the names of the model's arguments, padded on the right; which texts are there, [B].

        A missing text is an empty one.
        """
        found = self.tokenizer(
            [text or "" for text in texts],
            padding="max_length" if self._full else True,
            truncation=self.longest is not None,
            max_length=self.longest,
            return_tensors="pt",
        )
        tensors = {name: each for name, each in found.items() if name in self._reads}
        return tensors, torch.tensor([text is not None for text in texts])
