"""Two live workers that take turns: what else the machine does falls on both.

A block is four chunks of work, base head head base or head base base head in turn, so that a steady drift cancels
within it. Between its chunks a worker waits for its next request and takes no time from the other.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.gate.link import Link
from mmbench.gate.workload import Parts
from mmbench.stats.ratio import without_order

_FEWEST = 2
_MOST_ITERATIONS = 1000
_SETTLED_FROM_S = 0.05
"""Iterations from which on it does not matter that the first finds the other process's data in the caches: that was
measured to take 2 ms."""

_ORDERS = (["base", "head", "head", "base"], ["head", "base", "base", "head"])


@dataclass(frozen=True, slots=True)
class Block:
    """Two chunks of each side, in the order in which they ran."""

    base: tuple[Parts, Parts]
    head: tuple[Parts, Parts]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a worker does in one turn.

    Attributes:
        iterations: that are timed.
        settle: whether one is made before, untimed.
        seconds: that all of it takes, about.
    """

    iterations: int
    settle: bool
    seconds: float

    @classmethod
    def lasting(cls, seconds: float, iteration_s: float) -> "Chunk":
        """About so many seconds of iterations that take so many each."""
        iterations = math.ceil(seconds / iteration_s) if iteration_s > 0 else _MOST_ITERATIONS
        iterations = max(1, min(_MOST_ITERATIONS, iterations))
        settle = iteration_s < _SETTLED_FROM_S
        return cls(iterations, settle, (iterations + settle) * iteration_s)

    def request(self, kind: str) -> dict[str, Any]:
        """For a worker."""
        return {"do": "chunk", "kind": kind, "iterations": self.iterations, "settle": self.settle}

    def blocks(self, least: int, seconds: float) -> int:
        """How many blocks of four such chunks fill so many seconds, at least so many."""
        return max(least, math.ceil(seconds / (4 * self.seconds))) if self.seconds > 0 else least


def play(
    base: Link, head: Link, kind: str, chunk: Chunk, blocks: int, timeout_s: float, until: float = math.inf
) -> list[Block]:
    """Let both time chunks of that kind.

    Args:
        base, head: ready workers.
        kind: of the chunks; see `Live.chunk`.
        chunk: what is in each.
        blocks: of four chunks.
        timeout_s: seconds that a chunk may take.
        until: as `in_time`.

    Raises:
        SideError, HarnessError: as `Link.ask`.
    """
    links = {"base": base, "head": head}
    request = chunk.request(kind)
    found = []
    for number in in_time(blocks, until):
        chunks: dict[str, list[Parts]] = {"base": [], "head": []}
        for side in _ORDERS[number % 2]:
            chunks[side].append(links[side].ask(request, timeout_s))
        found.append(Block((chunks["base"][0], chunks["base"][1]), (chunks["head"][0], chunks["head"][1])))
    return found


def in_time(blocks: int, until: float) -> Iterator[int]:
    """The numbers of the blocks that there is time for.

    Args:
        blocks: that are wanted.
        until: time of `monotonic` after which no further block is begun; two are made in any case.
    """
    for number in range(blocks):
        if number >= _FEWEST and monotonic() > until:
            break
        yield number


def log_ratios(blocks: Iterable[Block], part: str | None = None) -> NDArray[np.float64]:
    """Natural logarithm of head's seconds by base's, [blocks], less the effect of their order; of a part or of all.

    Blocks in which a side took no time in that part are left out.
    """
    pairs = [(_seconds(block.base, part), _seconds(block.head, part)) for block in blocks]
    ratios = [head / base if base > 0 and head > 0 else math.nan for base, head in pairs]
    return without_order(np.log(ratios))


def seconds(blocks: Iterable[Block], side: str, part: str | None = None) -> NDArray[np.float64]:
    """Mean seconds of an iteration of one side, [blocks]."""
    return np.array([_seconds(getattr(block, side), part) for block in blocks])


def parts(blocks: Sequence[Block]) -> list[str]:
    """Names of the parts, in the order in which they were met, of either side."""
    return list(dict.fromkeys(name for block in blocks for chunk in (*block.base, *block.head) for name in chunk))


def _seconds(chunks: Sequence[Parts], part: str | None) -> float:
    return sum(sum(chunk.values()) if part is None else chunk.get(part, 0.0) for chunk in chunks) / len(chunks)
