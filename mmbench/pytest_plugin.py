"""Fixtures for other projects' tests: a ratio of two throughputs that noise does not decide, and a model on a task.

Loaded by pytest wherever mmbench is installed; nothing heavy is imported before a fixture is used.
"""

import gc
import math
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from mmbench.stats.ratio import Ratio

ROUNDS = 3
"""What stands for the gate's pairs of processes within one process: rounds, between which garbage is collected."""

BLOCKS = 20
CHUNK_S = 0.01
"""Shortest chunk in seconds: many times what reading the clock takes."""

SETTLED_FROM_S = 0.05
"""Calls from which on it does not matter that the first finds the other callable's data in the caches."""

_MOST_CALLS = 100_000


@pytest.fixture
def slowdown() -> "Callable[..., Ratio]":
    """How many times as long `head` takes as `base`: `slowdown(base, head)`, of two callables without arguments.

    By the method of `mmbench gate`, within one process: chunks in the order ABBA and BAAB, the median over blocks, the
    mean over rounds, and a hierarchical bootstrap. `ratio.low` and `ratio.high` are its 95 % interval. To find a
    slowdown assert on the lower end, which noise seldom pushes above the truth:

        def test_new_is_not_slower(slowdown):
            assert slowdown(old, new).low <= 1.05

    Work that a device queues must be waited for by the callables. Between processes `mmbench gate` compares.
    """

    def measure(
        base: Callable[[], object], head: Callable[[], object], *, blocks: int = BLOCKS, rounds: int = ROUNDS
    ) -> "Ratio":
        from mmbench.stats.ratio import ratio_of, without_order  # noqa: PLC0415  # heavy: only where a fixture is used

        chunks = {base: _chunk(base), head: _chunk(head)}
        return ratio_of([without_order(_round(base, head, chunks, blocks)) for _ in range(rounds)])

    return measure


@pytest.fixture
def benchmark_model(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Let pytest-benchmark time a model on a task: `benchmark_model("film", "vqa", batch_size=8)`.

    Options are those of `mmbench.gate.workload.Workload`: dataset, split, data, weights, limit, device, dtype, threads.
    A round is one batch that lies ready. `samples_per_s` (of the median round), model and task go into `extra_info`.
    """
    benchmark = request.getfixturevalue("benchmark")  # not an argument: pytest-benchmark may not be installed

    def run(model: str, task: str, **options: Any) -> None:
        import torch  # noqa: PLC0415  # heavy: only where a fixture is used

        from mmbench.gate.live import Live  # noqa: PLC0415  # heavy: only where a fixture is used
        from mmbench.gate.workload import Workload  # noqa: PLC0415  # heavy: only where a fixture is used

        workload = Workload(model, task, **options)
        with torch.inference_mode():
            live = Live(workload, least_s=0.5, most_s=5.0)
            benchmark(live.chunk, "throughput", 1)
        size = live.facts["batch_size"]
        benchmark.extra_info |= {"model": model, "task": task, "batch_size": size, "device": live.facts["device"]}
        if benchmark.stats:  # none with --benchmark-disable
            benchmark.extra_info["samples_per_s"] = size / benchmark.stats.stats.median

    yield run
    gc.unfreeze()  # what a live model keeps out of collections


def _chunk(work: Callable[[], object]) -> tuple[int, bool]:
    """How many calls make a chunk, and whether one goes before them, untimed."""
    work()  # the first may load and compile
    begun = perf_counter()
    work()
    took = perf_counter() - begun
    calls = _MOST_CALLS if took <= 0 else max(1, min(_MOST_CALLS, math.ceil(CHUNK_S / took)))
    return calls, took < SETTLED_FROM_S


def _round(
    base: Callable[[], object],
    head: Callable[[], object],
    chunks: dict[Callable[[], object], tuple[int, bool]],
    blocks: int,
) -> Any:
    """Log-ratios of blocks, by seconds of a call."""
    import numpy as np  # noqa: PLC0415  # heavy: only where a fixture is used

    gc.collect()
    found = []
    for number in range(blocks):
        order = (base, head, head, base) if number % 2 == 0 else (head, base, base, head)
        took = [_timed(work, *chunks[work]) for work in order]
        outer, inner = took[0] + took[3], took[1] + took[2]
        found.append(math.log(inner / outer if order[0] is base else outer / inner))
    return np.array(found)


def _timed(work: Callable[[], object], calls: int, settle: bool) -> float:
    if settle:
        work()
    begun = perf_counter()
    for _ in range(calls):
        work()
    return (perf_counter() - begun) / calls
