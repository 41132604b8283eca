"""Attention weights told while a model runs, and what the tokens are that they lie on.

Where nobody records, telling is one global read: weights are computed only for a listener.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

FUSED = "fused"
"""Name of the token, or the vector, that a fusion gives to the head."""

MODALITIES = "modalities"
"""Name of keys that are whole modalities, one token each, in the order in which the model reads them."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Tokens that lie over a whole image, row by row.

    Attributes:
        rows, columns: equal parts of its height and width.
        before: tokens that stand before those of the grid and have no place (a class token).
    """

    rows: int
    columns: int
    before: int = 0


@dataclass(frozen=True, slots=True)
class Steps:
    """Tokens that follow one another in a sound, one every so many `seconds`."""

    seconds: float


Places = Sequence[str] | Grid | Steps
"""What a modality's tokens are: a text for each, or where they lie."""


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """One softmax of a model over the tokens of one or several modalities.

    Attributes:
        name: where in the model (`layer 1`).
        query: masks [B, T] of the tokens that ask, in their order, by modality or by the name of learned tokens.
        key: the same of the tokens that answer.
        weights: [B, H, Tq, Tk] for H heads, Tq and Tk the sums over `query` and `key`. A row sums to 1, or to 0 where
            nothing can answer; rows of masked queries mean nothing.
    """

    name: str
    query: Mapping[str, Tensor]
    key: Mapping[str, Tensor]
    weights: Tensor


_records: list[list[Attention]] = []


@contextmanager
def record_attention() -> Iterator[list[Attention]]:
    """A list that is filled, in order, with what models tell within the context; in this process.

    Contexts nest: only the one that was entered last is told.
    """
    found: list[Attention] = []
    _records.append(found)
    try:
        yield found
    finally:
        _records.pop()


def tell_attention(
    name: str, query: Mapping[str, Tensor], key: Mapping[str, Tensor], weights: Callable[[], Tensor]
) -> None:
    """Tell who attends to whom, if anybody records; see `Attention` for the arguments.

    Args:
        name: where in the model.
        query: masks of the tokens that ask.
        key: masks of the tokens that answer.
        weights: gives the weights; called, without gradients, only if anybody records.

    Raises:
        ValueError: the weights are not [B, H, Tq, Tk].
    """
    if not _records:
        return
    with torch.no_grad():
        found = weights()
    asking, answering = (sum(mask.shape[1] for mask in masks.values()) for masks in (query, key))
    batch = len(next(iter(key.values())))
    if found.dim() != 4 or (found.shape[0], *found.shape[2:]) != (batch, asking, answering):
        raise ValueError(
            f"attention {name!r} is {list(found.shape)}; expected [B, H, Tq, Tk] = [{batch}, H, {asking}, {answering}]"
        )
    _records[-1].append(Attention(name, dict(query), dict(key), found))


def tell_shares(name: str, there: Tensor, weights: Callable[[], Tensor]) -> None:
    """Tell how much each modality has in what a fusion gives to the head, if anybody records.

    Args:
        name: where in the model.
        there: [B, M], which modalities each sample has.
        weights: gives [B, H, M], the shares under each of H heads.
    """
    if _records:
        asks = there.any(dim=1, keepdim=True)
        tell_attention(name, {FUSED: asks}, {MODALITIES: there}, lambda: weights().unsqueeze(2))
