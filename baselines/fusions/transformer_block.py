"""What the strategies that attend over tokens share: a Transformer layer, its weights, and heads that fit any width."""

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def fitting_heads(width: int, most: int) -> int:
    """The largest number of heads, at most `most`, that divides the width.

    Raises:
        ValueError: `most` is less than one.
    """
    if most < 1:
        raise ValueError(f"attention needs at least one head, not {most}")
    return max(heads for heads in range(1, most + 1) if width % heads == 0)


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
    """`scaled_dot_product_attention`, in mixed precision on the CPU in float32.

    There a training step of a bottleneck model took 205 ms with it in bfloat16, and 131 ms so: the backward pass.

    Args:
        query: [B, H, Tq, d].
        key, value: [B, H, Tk, d].
        mask: of the keys that may answer, each row with one at least; broadcast to [B, H, Tq, Tk].
    """
    if query.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        with torch.autocast("cpu", enabled=False):
            return F.scaled_dot_product_attention(query.float(), key.float(), value.float(), attn_mask=mask)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor) -> Tensor:
    """What `scaled_dot_product_attention` weighs values with, softmax(Q Kᵀ / √d): it does not give them away.

    Args:
        query: [B, H, Tq, d].
        key: [B, H, Tk, d].
        mask: of the keys that may answer, each row with one at least; broadcast to [B, H, Tq, Tk], which is returned.
    """
    scores = query @ key.transpose(-2, -1) / sqrt(query.shape[-1])
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


class TransformerBlock(nn.Module):
    """One pre-norm Transformer layer without dropout: Y = X + SA(norm(X)), then Y + FF(norm(Y)).

    Source: Vaswani et al. 2017, "Attention Is All You Need", with the layer norms moved inside the residual branches
    as in Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture".
    Parameters: with e = `expansion`, (4 + 2e)·D² + (8 + e)·D.
    Cost: (4 + 2e)·N·D² + 2·N²·D multiplications for N tokens.
    """

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        """Args: heads: at most so many (`fitting_heads`); expansion: hidden width of FF in multiples of `width`."""
        super().__init__()
        self.heads = fitting_heads(width, heads)
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        # No bias: one added to every key shifts all scores of a query alike, which the softmax undoes.
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.merge = nn.Linear(width, width)
        self.feed_norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Tokens [B, N, D] and mask [B, N], with a token in every row -> [B, N, D]; a masked token answers none."""
        normed = self.norm(tokens)
        query, key, value = (
            layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )
        answer = attend(query, key, value, mask[:, None, None, :])
        tokens = tokens + self.merge(answer.transpose(1, 2).flatten(2))
        result: Tensor = tokens + self.feed(self.feed_norm(tokens))
        return result

    def weights(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Attention weights [B, H, N, N] of the same arguments."""
        normed = self.norm(tokens)
        query, key = (layer(normed).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key))
        return attention_weights(query, key, mask[:, None, None, :])
