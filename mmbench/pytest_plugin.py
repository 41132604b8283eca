"""Fixtures for other projects' tests: a ratio of two throughputs that noise does not decide, and a model on a task.

Loaded by pytest wherever mmbench is installed; nothing heavy is imported before a fixture is used.
"""

import gc
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

        sides = _chunk(base), _chunk(head)
        return ratio_of([without_order(_round(*sides, blocks)) for _ in range(rounds)])

    return measure


@pytest.fixture
def benchmark_model(request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Let pytest-benchmark time a model on a task: `benchmark_model("film", "vqa", batch_size=8)`.

    Options are those of `mmbench.gate.workload.Workload`: dataset, split, data, weights, limit, device, dtype, threads.
    A round is one batch that lies ready. `samples_per_s` (of the median round), model and task go into `extra_info`.

    Threads and random states are afterwards what they were before. Thresholds of glibc's malloc stay where mmbench sets
    them, which is where their own adaptation ends: what they were cannot be read.
    """
    benchmark = request.getfixturevalue("benchmark")  # not an argument: pytest-benchmark may not be installed

    def run(model: str, task: str, **options: Any) -> None:
        import torch  # noqa: PLC0415  # heavy: only where a fixture is used

        from mmbench.gate.live import Live  # noqa: PLC0415  # heavy: only where a fixture is used
        from mmbench.gate.workload import Workload  # noqa: PLC0415  # heavy: only where a fixture is used

        workload = Workload(model, task, **options)
        with _restored(), torch.inference_mode():
            live = Live(workload, least_s=0.5, most_s=5.0)
            benchmark(live.chunk, "throughput", 1)
        size = live.facts["batch_size"]
        benchmark.extra_info |= {"model": model, "task": task, "batch_size": size, "device": live.facts["device"]}
        if benchmark.stats:  # none with --benchmark-disable
            benchmark.extra_info["samples_per_s"] = size / benchmark.stats.stats.median

    yield run
    gc.unfreeze()  # what a live model keeps out of collections


@contextmanager
def _restored() -> Iterator[None]:
    """Undo after the context what a run sets for the whole process: the number of threads, and seeds."""
    import numpy as np  # noqa: PLC0415  # heavy: only where a fixture is used
    import torch  # noqa: PLC0415  # heavy: only where a fixture is used

    threads, of_python, of_numpy = torch.get_num_threads(), random.getstate(), np.random.get_state()
    # A GPU that nobody has used has no state yet, and to ask for it would start the driver.
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        torch.set_num_threads(threads)
        random.setstate(of_python)
        np.random.set_state(of_numpy)


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Calls of one side that are timed together; `settle` makes one before them, untimed."""

    work: Callable[[], object]
    calls: int
    settle: bool

    def seconds(self) -> float:
        """Of a call, on average."""
        work = self.work  # found once, not in the time that is taken
        if self.settle:
            work()
        begun = perf_counter()
        for _ in range(self.calls):
            work()
        return (perf_counter() - begun) / self.calls


def _chunk(work: Callable[[], object]) -> _Chunk:
    """A chunk that is long enough, by what a call took."""
    work()  # the first may load and compile
    begun = perf_counter()
    work()
    took = perf_counter() - begun
    calls = _MOST_CALLS if took <= 0 else max(1, min(_MOST_CALLS, math.ceil(CHUNK_S / took)))
    return _Chunk(work, calls, settle=took < SETTLED_FROM_S)


def _round(base: _Chunk, head: _Chunk, blocks: int) -> Any:
    """Log-ratios of blocks, by seconds of a call."""
    import numpy as np  # noqa: PLC0415  # heavy: only where a fixture is used

    gc.collect()
    found = []
    for number in range(blocks):
        base_begins = number % 2 == 0  # not by comparing callables: both sides may be the same
        outer, inner = (base, head) if base_begins else (head, base)
        took = [chunk.seconds() for chunk in (outer, inner, inner, outer)]
        ratio = (took[1] + took[2]) / (took[0] + took[3])
        found.append(math.log(ratio) if base_begins else -math.log(ratio))
    return np.array(found)
