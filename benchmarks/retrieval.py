"""What ranking costs over chunked matrix products and top-k written by hand, for the same vectors and threads.

Both run in one process, alternating in the order ABBA, so that a drift of the machine falls on both; each ABBA round
gives one ratio. The ranking also runs once in a fresh process, whose peak memory counts the vectors too. Must hold: the
median ratio is at most 1.3, the peak at most 3 GB. Where other programs run too, the ratio of CPU time on one thread is
steadier: a thread that waits for another, which has lost its core, spins.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
import torch

from mmbench.metrics.ranking import Positions, Relevance, rank_vectors
from mmbench.metrics.similarity import MEMORY, Scores
from mmbench.profile.memory import PeakMemory

_TOP = 10
_BLOCK = 1 << 16  # vectors a product; of the sizes tried on two threads, the fastest by hand


class Problem(NamedTuple):
    """Vectors [Q, D] and [N, D], and the position of the one relevant item of each query, [Q]."""

    queries: Scores
    gallery: Scores
    relevant: Positions


def main() -> None:
    """Measure and print."""
    options = ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--queries", type=int, default=1024)
    options.add_argument("--gallery", type=int, default=1_000_000)
    options.add_argument("--dimension", type=int, default=256)
    options.add_argument("--rounds", type=int, default=1, help="rounds of four passes")
    options.add_argument("--threads", type=int, default=2, help="PyTorch threads")
    chosen = options.parse_args()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        peak, method = process.submit(peak_memory, chosen).result()
    torch.set_num_threads(chosen.threads)
    problem = make(chosen)
    few = problem._replace(queries=problem.queries[:64], relevant=problem.relevant[:64])
    by_hand(few), of_mmbench(few)  # warm-up: first calls choose kernels and touch memory
    ratios = []
    for number in range(1, chosen.rounds + 1):
        a1, b1, b2, a2 = (measure(run, problem) for run in (by_hand, of_mmbench, of_mmbench, by_hand))
        ratios.append((b1.wall + b2.wall) / (a1.wall + a2.wall))
        print(
            f"round {number}: by hand {a1.wall:.2f} {a2.wall:.2f} s, mmbench {b1.wall:.2f} {b2.wall:.2f} s, "
            f"ratio {ratios[-1]:.3f}, of CPU time {(b1.cpu + b2.cpu) / (a1.cpu + a2.cpu):.3f}",
            flush=True,
        )
    print(
        f"{chosen.queries:,} queries, {chosen.gallery:,} vectors of {chosen.dimension} dimensions, "
        f"threads {chosen.threads}"
    )
    print(f"ratio {median(ratios):.3f} (all {min(ratios):.3f} to {max(ratios):.3f})")
    print(f"peak memory {peak / 1e9:.2f} GB, vectors included ({method})")


def make(options: Namespace) -> Problem:
    """Seeded normal vectors."""
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((options.gallery, options.dimension), dtype=np.float32)
    queries = rng.standard_normal((options.queries, options.dimension), dtype=np.float32)
    return Problem(queries, gallery, rng.integers(options.gallery, size=options.queries))


class Seconds(NamedTuple):
    """What one pass took."""

    wall: float
    cpu: float


def measure(run: Callable[[Problem], None], problem: Problem) -> Seconds:
    """Time one pass."""
    wall, cpu = perf_counter(), process_time()
    run(problem)
    return Seconds(perf_counter() - wall, process_time() - cpu)


def by_hand(problem: Problem) -> None:
    """The ten best candidates of each query: what people write when they need R@10 and no ties occur."""
    queries, gallery, relevant = map(torch.from_numpy, problem)
    hits = 0
    size = MEMORY // (4 * len(gallery))
    for start in range(0, len(queries), size):
        best = []
        for left in range(0, len(gallery), _BLOCK):
            top = (queries[start : start + size] @ gallery[left : left + _BLOCK].T).topk(_TOP)
            best.append((top.values, top.indices + left))
        values, indices = (torch.cat(parts, dim=1) for parts in zip(*best, strict=True))
        found = indices.gather(1, values.topk(_TOP).indices)
        hits += (found == relevant[start : start + size, None]).any(dim=1).sum().item()
    assert 0 <= hits <= len(queries)


def of_mmbench(problem: Problem) -> None:
    """The exact rank of every relevant item."""
    relevance = Relevance(problem.relevant, np.ones(len(problem.queries), dtype=np.int64))
    ranking = rank_vectors(problem.queries, problem.gallery, relevance)
    assert len(ranking.first_hit()) == len(problem.queries)


def peak_memory(options: Namespace) -> tuple[int, str]:
    """Bytes at the peak of one pass with its vectors, and how they were measured."""
    torch.set_num_threads(options.threads)
    memory = PeakMemory(torch.device("cpu"))
    of_mmbench(make(options))
    return memory.read(), memory.method


if __name__ == "__main__":
    main()
