"""A Transformer decoder: the next word from the words so far and the tokens of an encoder."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench_baselines.fusions.transformer_block import attend, fitting_heads

KeysValues = tuple[Tensor, Tensor]
"""Keys and values of each head, [B, H, N, D / H] each."""


class Attention(nn.Module):
    """Multi-head attention of some tokens to others."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = fitting_heads(width, heads)
        self.query = nn.Linear(width, width)
        # No bias: one added to every key shifts all scores of a query alike, which the softmax undoes.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def read(self, source: Tensor) -> KeysValues:
        """What can be attended to, of tokens [B, N, D]."""
        return self._split(self.key(source)), self._split(self.value(source))

    def forward(self, tokens: Tensor, source: KeysValues, mask: Tensor) -> Tensor:
        """Answers [B, T, D] to tokens [B, T, D]; the mask [B or 1, T or 1, N] is true where one may look."""
        answer = attend(self._split(self.query(tokens)), *source, mask.unsqueeze(1))
        merged: Tensor = self.merge(answer.transpose(1, 2).flatten(2))
        return merged


class DecoderBlock(nn.Module):
    """One pre-norm layer: attention to the words so far, attention to the memory, and a feed-forward layer."""

    def __init__(self, width: int, heads: int, expansion: int, dropout: float) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = Attention(width, heads)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = Attention(width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, expansion * width), nn.ReLU(), nn.Linear(expansion * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, past: KeysValues | None, causal: Tensor, memory: KeysValues, memory_mask: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """Words [B, T, D] after those of `past` -> [B, T, D], and the past with them."""
        normed = self.self_norm(x)
        seen = self.self_attention.read(normed)
        if past is not None:
            seen = (torch.cat([past[0], seen[0]], dim=2), torch.cat([past[1], seen[1]], dim=2))
        x = x + self.dropout(self.self_attention(normed, seen, causal))
        x = x + self.dropout(self.cross_attention(self.cross_norm(x), memory, memory_mask))
        return x + self.dropout(self.feed(self.feed_norm(x))), seen


@dataclass
class DecoderState:
    """What a decoder has read: the memory, and the words so far.

    Attributes:
        memory: keys and values of each layer.
        mask: of the memory, [B, 1, N].
        past: keys and values of the words, of each layer; empty before the first word.
        length: words so far.
    """

    memory: list[KeysValues]
    mask: Tensor
    past: list[KeysValues] = field(default_factory=list)
    length: int = 0

    def repeat(self, times: int) -> "DecoderState":
        """The state before the first word with every row so many times, one after the other."""
        memory = [(k.repeat_interleave(times, dim=0), v.repeat_interleave(times, dim=0)) for k, v in self.memory]
        return DecoderState(memory, self.mask.repeat_interleave(times, dim=0))

    def go_on(self, rows: Tensor) -> None:
        """Put other words so far before the next: of each row those of another row that has the same memory."""
        self.past = [(keys[rows], values[rows]) for keys, values in self.past]


class CaptionDecoder(nn.Module):
    """Words and positions embedded, decoder layers, and logits by the embedding's own weights.

    Source: Vaswani et al. 2017, "Attention Is All You Need", with the layer norms inside the residual branches as in
    Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture".
    Parameters: with W words of at most L in a caption and e = `expansion`, (W + L + 1)·D for the embeddings and
    (8 + 2e)·D² + (13 + e)·D a layer, and 2·D for the last norm.
    """

    def __init__(
        self, words: int, longest: int, width: int, layers: int, heads: int, expansion: int, dropout: float
    ) -> None:
        """Args: words: numbers in use; longest: words of a caption at most; heads: at most so many."""
        super().__init__()
        self.words = nn.Embedding(words, width)
        self.positions = nn.Embedding(longest + 1, width)
        for embedding in (self.words, self.positions):
            nn.init.normal_(embedding.weight, std=width**-0.5)  # so that logits start small
        self.blocks = nn.ModuleList(DecoderBlock(width, heads, expansion, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def start(self, memory: Tensor, mask: Tensor) -> DecoderState:
        """The state before the first word; every row of the memory [B, N, D] has a token by its mask [B, N]."""
        return DecoderState([block.cross_attention.read(memory) for block in self._layers()], mask.unsqueeze(1))

    def _layers(self) -> Iterable[DecoderBlock]:
        return cast("Iterable[DecoderBlock]", self.blocks)

    def forward(self, words: Tensor, state: DecoderState) -> Tensor:
        """Words [B, T] after those of the state, which takes them in -> logits [B, T, W] of the word after each."""
        start, stop = state.length, state.length + words.shape[1]
        order = torch.arange(stop, device=words.device)
        x = self.dropout(self.words(words) + self.positions(order[start:]))
        causal = (order[start:, None] >= order).unsqueeze(0)
        past: Sequence[KeysValues | None] = state.past or [None] * len(self.blocks)
        state.past, state.length = [], stop
        for block, before, memory in zip(self._layers(), past, state.memory, strict=True):
            x, seen = block(x, before, causal, memory, state.mask)
            state.past.append(seen)
        return F.linear(self.norm(x), self.words.weight)
