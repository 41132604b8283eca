"""A loaded model that can be timed in small pieces: what a worker of the gate holds."""

import gc
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from mmbench.engine.ask import had
from mmbench.engine.cost_options import CostOptions
from mmbench.engine.cost_passes import CostPasses
from mmbench.engine.cost_subject import Subject, make_subject, shape_of, whole_batches
from mmbench.engine.evaluate import evaluate
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.options import EvalOptions
from mmbench.engine.run import model_info
from mmbench.errors import HarnessError, UsageError
from mmbench.gate.workload import Parts, Workload
from mmbench.model import Batch, Remote
from mmbench.profile.clock import make_clock
from mmbench.profile.malloc import settle_malloc
from mmbench.profile.stage import observed, stage
from mmbench.profile.stage_times import StageTimes, record_stages, settling, whole
from mmbench.profile.steady import warm_up
from mmbench.record.environment import versions
from mmbench.registry import load_plugin_file, registry

_DATA_BATCHES = 8
"""Batches that the data pipeline prepares again and again."""


class Live:
    """The model of a workload, warm, with input that lies ready on its device.

    Attributes:
        facts: what the other side must share, and what starting took.
    """

    def __init__(self, workload: Workload, *, least_s: float, most_s: float) -> None:
        """Load and warm up.

        Args:
            workload: what to load.
            least_s, most_s: seconds of warm-up, over all shapes of input, and a quarter as many of single samples.

        Raises:
            UsageError: a name, an option or a file is wrong.
            HarnessError: no sample could be prepared.
        """
        begun = perf_counter()
        for file in workload.plugins:
            load_plugin_file(Path(file))
        self._workload = workload
        self._options = EvalOptions(
            batch_size=workload.batch_size,
            workers=0,
            device=workload.device,
            dtype=workload.dtype,  # type: ignore[arg-type]  # EvalOptions refuses others
            threads=workload.threads,
            seed=workload.seed,
            limit=workload.limit,
            settings=workload.settings,
        )
        run = load_run(workload.model, workload.task, self._where(), self._weights(), self._options)
        if isinstance(run.model, Remote):
            raise UsageError(f"{run.model.name!r} answers on another machine, whose speed no code here decides")
        if workload.batch_size > len(run.samples):
            raise UsageError(f"--batch-size {workload.batch_size} is above the {len(run.samples):,} samples there are")
        settle_malloc()
        loaded = perf_counter()
        self._subject = make_subject(run, workload.batch_size)
        self._batches = self._subject.placed(self._subject.batches)
        self._requests = self._subject.placed(self._subject.requests)
        warm = self._warm(self._batches, least_s, most_s)
        self._warm(self._requests, least_s / 4, most_s / 4)
        self._turn: dict[str, Iterator[Any]] = {}
        self.facts: dict[str, Any] = {
            "load_s": loaded - begun,
            **warm,
            "parameters": model_info(run.loaded).parameters,
            "weights": run.loaded.sha256,
            "task": run.task.card.name,
            "dataset": run.dataset.name,
            "revision": run.revision,
            "split": run.split,
            "samples": len(run.samples),
            "batch_size": self._subject.batch_size,
            "batches": len(self._batches),
            "requests": len(self._requests),
            "device": str(run.device),
            "files": _files(),
            "model_file": _file(type(run.model).__module__),
            "versions": versions(),
        }
        gc.collect()
        gc.freeze()  # what is loaded stays: collections in the middle of a chunk need not look at it

    def chunk(self, kind: str, iterations: int, *, settle: bool = False) -> Parts:
        """Time so many iterations; seconds of one, by part.

        With `settle` the first of them is made once before, untimed: caches may hold what another process used last.

        `throughput`: a batch of the workload's size through the model. `latency`: a single sample. `data`: a batch from
        files to what the model takes, by step. `stages`: a batch through the model, by stage, with marks set.

        Raises:
            UsageError: there is no such kind.
        """
        kinds: Mapping[str, Callable[[int, bool], Parts]] = {
            "throughput": partial(self._ask, "throughput", self._batches),
            "latency": partial(self._ask, "latency", self._requests),
            "data": self._data,
            "stages": self._stages,
        }
        if kind not in kinds:
            raise UsageError(f"this mmbench cannot time {kind!r}")
        return kinds[kind](iterations, settle)

    def answers(self) -> list[dict[str, Any]]:
        """What the model answers to the samples of its batches: text, and scores or vector as far as there are any.

        Raises:
            HarnessError: it answers more or fewer samples than it was asked.
        """
        found = []
        for batch in self._batches:
            predictions = self._subject.run.task.ask(self._subject.run.model, batch)
            if len(predictions) != batch.size:
                raise HarnessError(f"gave {len(predictions)} answers to {batch.size} samples")
            for prediction in map(had, predictions):
                numbers = prediction.vector if prediction.vector is not None else prediction.scores
                found.append(
                    {
                        "value": prediction.value,
                        "numbers": None if numbers is None else np.asarray(numbers, dtype=np.float64).tolist(),
                        "embeds": prediction.vector is not None,
                    }
                )
        return found

    def static(self) -> dict[str, Any]:
        """What needs no statistics: FLOPs a sample, bytes of the model and a batch.

        FLOPs are `None` where not all operators are counted; `not_counted` names those that are not.

        The memory pass changes how malloc works, so that nothing is to be timed after it.
        """
        passes = CostPasses(self._subject, CostOptions("quick"))
        static, flops, memory = passes.static_memory(), passes.flops(), passes.model_memory()
        held = 0 if static is None else static.parameter_bytes + static.buffer_bytes
        return {
            "flops_per_sample": None if flops is None or flops.not_counted else flops.flops_per_sample,
            "not_counted": [] if flops is None else list(flops.not_counted),
            "memory_bytes": held + memory.delta_bytes,
        }

    def evaluate(self, output: str, metrics: Sequence[str]) -> str:
        """Evaluate on all samples, by the data set's metrics and these, without cost passes; the folder of the run."""
        workload, where = self._workload, self._where()
        found = evaluate(
            workload.model,
            workload.task,
            dataset=where.dataset,
            split=where.split,
            data=where.data,
            weights=self._weights(),
            options=replace(self._options, metrics=tuple(set(metrics) - set(self._subject.run.metrics))),
            output=Path(output),
        )
        return str(found.folder)

    def _where(self) -> Where:
        data = self._workload.data
        return Where(self._workload.dataset, self._workload.split, Path(data) if data else None)

    def _weights(self) -> Path | None:
        return Path(self._workload.weights) if self._workload.weights else None

    def _warm(self, batches: Sequence[Batch], least_s: float, most_s: float) -> dict[str, Any]:
        """Call each shape until it is steady."""
        shapes = list({shape_of(batch): batch for batch in batches}.values())
        found = [
            warm_up(
                partial(self._subject.work, batch),
                wait=self._subject.wait,
                least_s=least_s / len(shapes),
                most_s=most_s / len(shapes),
            )
            for batch in shapes
        ]
        return {
            "first_s": found[0].first_s,
            "warm_s": sum(each.first_s + each.seconds for each in found),
            "first_calls_s": sum(each.first_s for each in found),
            "shapes": len(found),
            "iterations": sum(1 + each.iterations for each in found),
        }

    def _next(self, kind: str, items: Sequence[Any]) -> Any:
        """The next of them, going round; each kind of chunk has a turn of its own, the same on both sides."""
        return next(self._turn.setdefault(kind, cycle(items)))

    def _ask(self, kind: str, batches: Sequence[Batch], iterations: int, settle: bool) -> Parts:
        chosen = [self._next(kind, batches) for _ in range(iterations)]
        work, wait = self._subject.work, self._subject.wait
        if settle:
            work(chosen[0])
        wait()
        begun = perf_counter()
        for batch in chosen:
            work(batch)
        wait()
        return {kind: (perf_counter() - begun) / iterations}

    def _data(self, iterations: int, settle: bool) -> Parts:
        run = self._subject.run
        plan = whole_batches(run, self._subject.batch_size)
        numbers = range(min(len(plan), _DATA_BATCHES))
        chosen = [plan[self._next("data", numbers)] for _ in range(iterations)]
        if settle:
            _prepare(self._subject, chosen[0])
        with record_stages() as times:
            for indices in chosen:
                _prepare(self._subject, indices)
        return {name: found.seconds / iterations for name, found in times.self_times.items()}

    def _stages(self, iterations: int, settle: bool) -> Parts:
        clock = make_clock(self._subject.run.device)
        chosen = [self._next("stages", self._batches) for _ in range(iterations)]
        times = StageTimes(clock)
        if settle:
            self._subject.work(chosen[0])
        with settling(clock), observed(times):
            for batch in chosen:
                with whole(times):
                    self._subject.work(batch)
        return {name: found.seconds / iterations for name, found in times.self_times.items()}


def _files() -> list[str]:
    """Where all the code is that was loaded, and the files that were run."""
    found = {file for name, module in list(sys.modules.items()) if module and (file := _file(name))}
    return sorted({*found, *(str(file.resolve()) for file in registry.files)})


def _file(module: str) -> str | None:
    """Where a loaded module is; `None` where it is in no file."""
    # To ask the module itself would wake those that load on first use.
    found = getattr(sys.modules[module], "__dict__", {}).get("__file__")
    return None if found is None else str(found)


def _prepare(subject: Subject, indices: Sequence[int]) -> None:

    with stage("data.load"):
        samples = [subject.run.samples[index] for index in indices]
    with stage("data.collate"):
        subject.run.model.collate(samples)
