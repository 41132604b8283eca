"""Dot products of many vectors with many, a chunk of queries at a time, such that equal vectors get equal scores."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Scores = NDArray[np.float32]

MEMORY = 1 << 29
"""Bytes for the scores that are held at a time: 128 queries by a million candidates."""

_BLOCK = 1 << 12  # vectors of the gallery at most: their product with a chunk of queries fits the cache of a core
_TILE = 64


def score_chunks(queries: Scores, gallery: Scores, memory: int) -> Iterator[Scores]:
    """Dot products of some queries [Q, D] at a time with the whole gallery [N, D].

    Args:
        queries, gallery: vectors; a gallery that cannot be written to is copied.
        memory: bytes for a chunk of scores; it is exceeded where those of 64 queries need more.

    Yields:
        Scores of the next q queries, [q, blocks, B]: those of the gallery in its order, then NaN up to the end of the
        last block. They are valid until the next chunk is asked for.

    Raises:
        ValueError: the vectors differ in length.
    """
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(f"queries have {queries.shape[1]} numbers each, the gallery has {gallery.shape[1]}")
    # BLAS rounds by the place of a number in its tiles, and tiles at an edge differ: a product whose sides are whole
    # tiles has none, so that a score depends on its two vectors only. Zeros fill the last ones up.
    block = _up(_ceil(len(gallery), max(1, _ceil(len(gallery), _BLOCK))))
    full, rest = divmod(len(gallery), block)
    blocks = full + bool(rest)
    whole = _tensor(gallery[: full * block]).view(full, block, gallery.shape[1])
    last = _tensor(_filled(gallery[full * block :], block))[None]
    size = min(memory // max(1, 4 * blocks * block) // _TILE * _TILE, _up(len(queries))) or _TILE
    buffer = torch.empty(blocks * size * block)
    for start in range(0, len(queries), size):
        rows = min(size, len(queries) - start)
        chunk = _tensor(_filled(queries[start : start + rows], _up(rows)))
        scores = buffer[: blocks * len(chunk) * block].view(blocks, len(chunk), block)
        # One batch of products: threads take a block each, and wait for each other once.
        torch.bmm(chunk.expand(full, -1, -1), whole.transpose(1, 2), out=scores[:full])
        if rest:
            torch.bmm(chunk[None], last.transpose(1, 2), out=scores[full:])
            scores[-1, :, rest:] = torch.nan
        yield scores.numpy().transpose(1, 0, 2)[:rows]


def _ceil(number: int, by: int) -> int:
    return -(-number // by)


def _up(count: int) -> int:
    """The number of vectors in whole tiles, one at least."""
    return max(1, _ceil(count, _TILE)) * _TILE


def _filled(vectors: Scores, rows: int) -> Scores:
    """Vectors with zeros below them up to a number of rows."""
    if len(vectors) == rows:
        return vectors
    filled = np.zeros((rows, vectors.shape[1]), dtype=np.float32)
    filled[: len(vectors)] = vectors
    return filled


def _tensor(vectors: Scores) -> Tensor:
    return torch.from_numpy(np.require(vectors, np.float32, ["C", "W"]))  # PyTorch takes what can be written to
