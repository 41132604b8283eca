"""Throughput: the model alone on batches that lie ready, without hooks.

The device is waited for before and after a block, never within one; work that reads its answers back waits by itself.
"""

import math
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Generic, TypeVar

from mmbench.profile.estimate import median_estimate
from mmbench.profile.results import ThroughputPass, WarmUp

B = TypeVar("B")

BLOCK_S = 0.05
"""Shortest block in seconds; a wait for the device and two readings of the clock are nothing beside it."""

LEAST_BLOCKS = 10


class Throughput(Generic[B]):
    """A throughput pass that may run in rounds: two that lie apart see more of a shared machine than one twice as long.

    Args:
        work: puts a batch to the model.
        batches: at least one, on the device and of shapes that are warm; taken in turn again and again.
        sizes: samples of each batch.
        wait: waits until the device has done all queued work.
        block_s: seconds that a block takes at least.
        now: the clock, in seconds.

    Raises:
        ValueError: there is no batch, or `sizes` are not as many.
    """

    def __init__(
        self,
        work: Callable[[B], object],
        batches: Sequence[B],
        sizes: Sequence[int],
        *,
        wait: Callable[[], None],
        block_s: float = BLOCK_S,
        now: Callable[[], float] = perf_counter,
    ) -> None:
        if not batches or len(batches) != len(sizes):
            raise ValueError(f"{len(batches)} batches and {len(sizes)} sizes; there must be as many, and at least one")
        self._work, self._batches, self._sizes = work, batches, sizes
        self._wait, self._block_s, self._now = wait, block_s, now
        self._length: int | None = None  # batches a block, known once a round has begun
        self._next = 0
        self._samples: list[int] = []
        self._seconds: list[float] = []

    def run(self, seconds: float, *, least_blocks: int = 1, most_s: float = math.inf) -> None:
        """One round: blocks until `seconds` and `least_blocks` are reached or `most_s` have passed, at least one."""
        begun, before = self._now(), len(self._seconds)
        if self._length is None:
            self._length = self._calibrate(seconds / max(1, least_blocks), begun + most_s)
        while True:
            passed, blocks = self._now() - begun, len(self._seconds) - before
            if blocks and (passed >= most_s or (passed >= seconds and blocks >= least_blocks)):
                return
            self._keep(*self._block(self._length))

    def result(self, warm_up: Sequence[WarmUp] = ()) -> ThroughputPass:
        """What all rounds together found; samples/s is the median of the blocks.

        Args:
            warm_up: what the caller ran before, by shape.
        """
        return ThroughputPass(
            batch_size=max(self._sizes),
            samples_per_s=median_estimate([n / s for n, s in zip(self._samples, self._seconds, strict=True)]),
            block_samples=self._samples,
            block_s=self._seconds,
            warm_up=list(warm_up),
        )

    def _block(self, length: int) -> tuple[int, float]:
        chosen = [(self._next + offset) % len(self._batches) for offset in range(length)]
        self._next = (self._next + length) % len(self._batches)
        todo, work = [self._batches[index] for index in chosen], self._work
        self._wait()
        start = self._now()
        for batch in todo:
            work(batch)
        self._wait()
        return sum(self._sizes[index] for index in chosen), self._now() - start

    def _keep(self, samples: int, seconds: float) -> None:
        self._samples.append(samples)
        self._seconds.append(seconds)

    def _calibrate(self, share_s: float, until: float) -> int:
        """Batches that take `block_s`, in whole turns through all batches where such blocks fit into `share_s`.

        Blocks of whole turns have the same work, so that they differ by the machine alone. The last trial is kept as a
        block where it is as long as those to come, or there is no time for any after it: no new one begins at `until`.
        """
        length = 1
        while True:
            samples, elapsed = self._block(length)
            over = self._now() >= until
            if over or elapsed >= self._block_s:
                break
            # Aim a little past the mark, but grow at most tenfold: the first blocks may be slower than the rest.
            length = max(length + 1, min(10 * length, math.ceil(1.2 * length * self._block_s / max(elapsed, 1e-9))))
        whole = math.ceil(length / len(self._batches)) * len(self._batches)
        chosen = whole if whole * elapsed / length <= max(share_s, self._block_s) else length
        if over or chosen == length:
            self._keep(samples, elapsed)
        return chosen


def measure_throughput(
    work: Callable[[B], object],
    batches: Sequence[B],
    sizes: Sequence[int],
    *,
    wait: Callable[[], None],
    seconds: float,
    warm_up: Sequence[WarmUp] = (),
    most_s: float = math.inf,
    block_s: float = BLOCK_S,
    now: Callable[[], float] = perf_counter,
) -> ThroughputPass:
    """A throughput pass of one round of at least ten blocks; see `Throughput` for the arguments.

    Args:
        work: puts a batch to the model.
        batches: on the device, warm.
        sizes: samples of each batch.
        wait: waits until the device has done all queued work.
        seconds: to measure for; longer where ten blocks take longer.
        warm_up: what the caller ran before, by shape.
        most_s: seconds after which no new block begins, however few there are.
        block_s: seconds that a block takes at least.
        now: the clock, in seconds.

    Raises:
        ValueError: there is no batch, or `sizes` are not as many.
    """
    meter = Throughput(work, batches, sizes, wait=wait, block_s=block_s, now=now)
    meter.run(seconds, least_blocks=LEAST_BLOCKS, most_s=most_s)
    return meter.result(warm_up)
