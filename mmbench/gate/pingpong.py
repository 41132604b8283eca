"""Two live workers that take turns: what else the machine does falls on both.

A block is four chunks of work, base head head base or head base base head in turn, so that a steady drift cancels
within it. Between its chunks a worker waits for its next request and takes no time from the other.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from mmbench.gate.link import Link

Parts = dict[str, float]
"""Seconds of one iteration, by part of the work."""

_FEWEST = 2
_ORDERS = (["base", "head", "head", "base"], ["head", "base", "base", "head"])


@dataclass(frozen=True, slots=True)
class Block:
    """Two chunks of each side, in the order in which they ran."""

    base: tuple[Parts, Parts]
    head: tuple[Parts, Parts]


def play(
    base: Link, head: Link, kind: str, iterations: int, blocks: int, timeout_s: float, until: float = math.inf
) -> list[Block]:
    """Let both time chunks of that kind, so many iterations each.

    Args:
        base, head: ready workers.
        kind: of the chunks; see `Live.chunk`.
        iterations: of a chunk.
        blocks: of four chunks.
        timeout_s: seconds that a chunk may take.
        until: time of `monotonic` after which no further block is begun; two are made in any case.

    Raises:
        SideError, HarnessError: as `Link.ask`.
    """
    links = {"base": base, "head": head}
    request = {"do": "chunk", "kind": kind, "iterations": iterations}
    found = []
    for number in range(blocks):
        if number >= _FEWEST and monotonic() > until:
            break
        chunks: dict[str, list[Parts]] = {"base": [], "head": []}
        for side in _ORDERS[number % 2]:
            chunks[side].append(links[side].ask(request, timeout_s))
        found.append(Block((chunks["base"][0], chunks["base"][1]), (chunks["head"][0], chunks["head"][1])))
    return found


def log_ratios(blocks: Iterable[Block], part: str | None = None) -> NDArray[np.float64]:
    """Natural logarithm of head's seconds by base's, [blocks]; of one part of the work, or of all.

    Blocks in which a side took no time in that part are left out.
    """
    pairs = [(_seconds(block.base, part), _seconds(block.head, part)) for block in blocks]
    return np.log([head / base for base, head in pairs if base > 0 and head > 0])


def seconds(blocks: Iterable[Block], side: str, part: str | None = None) -> NDArray[np.float64]:
    """Mean seconds of an iteration of one side, [blocks]."""
    return np.array([_seconds(getattr(block, side), part) for block in blocks])


def parts(blocks: Sequence[Block]) -> list[str]:
    """Names of the parts, in the order in which they were met, of either side."""
    return list(dict.fromkeys(name for block in blocks for chunk in (*block.base, *block.head) for name in chunk))


def _seconds(chunks: Sequence[Parts], part: str | None) -> float:
    return sum(sum(chunk.values()) if part is None else chunk.get(part, 0.0) for chunk in chunks) / len(chunks)
