"""Batches from samples: planned once, decoded and collated in loader workers, failures caught one by one."""

import ctypes
import math
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from mmbench.data.annotations import shown
from mmbench.model import Batch, Model
from mmbench.sample import Alters, Dataset, Sample

_WINDOW = 32  # batches that are sorted by length together: enough to cut padding, few enough to keep reads near
PREFETCH = 2
"""Batches that each loader process prepares ahead; `DataLoader`'s default."""

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Failure:
    """A sample that could not be scored.

    Attributes:
        index: its position in the data set.
        id: its name; `#INDEX` where the sample itself could not be made.
        stage: `load`, `decode`, `model` or `score`.
        reason: the exception, in one line.
    """

    index: int
    id: str
    stage: str
    reason: str

    @classmethod
    def of(cls, index: int, sample_id: str, stage: str, error: Exception) -> Self:
        """From the exception that was raised; a file is shown by the end of its path."""
        text = str(error)
        if isinstance(error, OSError) and error.filename is not None:
            text = f"{shown(Path(str(error.filename)))}: {error.strerror}"
        return cls(index, sample_id, stage, " ".join(f"{type(error).__name__}: {text}".split()))


@dataclass(frozen=True, slots=True)
class Loaded:
    """One planned batch as a worker hands it over.

    Attributes:
        number: its position in the plan.
        indices: positions in the data set of the samples that made it.
        samples: those samples, without their inputs (which the batch holds) unless a metric reads them.
        batch: tensors; `None` if no sample made it.
        failures: the samples that did not.
    """

    number: int
    indices: list[int]
    samples: list[Sample]
    batch: Batch | None
    failures: list[Failure] = field(default_factory=list)

    def pin_memory(self) -> Self:
        """With the batch in page-locked memory; called by `DataLoader`."""
        return self if self.batch is None else replace(self, batch=self.batch.pin_memory())


@dataclass(frozen=True, slots=True)
class Plan:
    """Which samples go into which batch; the same for the same data, model and batch size."""

    order: NDArray[np.int64]
    batch_size: int

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, number: int) -> list[int]:
        start = number * self.batch_size
        indices: list[int] = self.order[start : start + self.batch_size].tolist()
        return indices


def plan_batches(dataset: Dataset, model: Model, batch_size: int, *, in_order: bool = False) -> Plan:
    """Batches in data set order, or bucketed by length where the model says how long its samples are.

    A model says so with a method `length(sample) -> int`. Within a window of batches the longest come first, unless
    samples must be taken `in_order`, as they come in a stream. Altered samples are planned as the clean ones are.
    """
    n = len(dataset)
    sample_at = dataset.unaltered if isinstance(dataset, Alters) else dataset.__getitem__
    length: Callable[[Sample], int] | None = getattr(model, "length", None)
    if length is None or in_order:
        return Plan(np.arange(n), batch_size)
    lengths = np.fromiter((length(sample_at(index)) for index in range(n)), dtype=np.int64, count=n)
    window = np.arange(n) // (_WINDOW * batch_size)
    return Plan(np.lexsort((np.arange(n), -lengths, window)), batch_size)


class _Batches:
    """The planned batches as a map-style data set, so that a worker makes a whole batch at a time."""

    def __init__(self, dataset: Dataset, model: Model, plan: Plan, keep_inputs: bool) -> None:
        self._dataset = dataset
        self._keep_inputs = keep_inputs
        self._collate = model.collate
        self._plan = plan

    def __len__(self) -> int:
        return len(self._plan)

    def __getitem__(self, number: int) -> Loaded:
        failures: list[Failure] = []
        found: list[tuple[int, Sample]] = []
        for index in self._plan[number]:
            try:
                found.append((index, self._dataset[index]))
            except Exception as error:  # data may be broken in any way; the policy decides what follows
                failures.append(Failure.of(index, f"#{index}", "load", error))
        good, batch = self._collated(found, failures)
        indices = [index for index, _ in good]
        samples = [replace(sample, inputs=self._kept(index, sample)) for index, sample in good]
        return Loaded(number, indices, samples, batch, failures)

    def _collated(
        self, found: list[tuple[int, Sample]], failures: list[Failure]
    ) -> tuple[list[tuple[int, Sample]], Batch | None]:
        """The samples that make a batch, and the batch; the others are added to the failures."""
        with suppress(Exception):  # some sample is bad: find which, and keep the others
            return found, self._collate([sample for _, sample in found]) if found else None
        good: list[tuple[int, Sample]] = []
        for index, sample in found:
            try:
                self._collate([sample])
                good.append((index, sample))
            except Exception as error:  # data may be broken in any way, as above
                failures.append(Failure.of(index, sample.id, "decode", error))
        try:
            return good, self._collate([sample for _, sample in good]) if good else None
        except Exception as error:  # each can be had alone, but not together: a batch of unequal images
            failures += [Failure.of(index, sample.id, "decode", error) for index, sample in good]
            return [], None

    def _kept(self, index: int, sample: Sample) -> Mapping[str, Any]:
        """What metrics may read of the inputs: those that the answer is about, however altered the model got them."""
        if not self._keep_inputs:
            return {}
        return self._dataset.unaltered(index).inputs if isinstance(self._dataset, Alters) else sample.inputs


def default_workers() -> int:
    """Loader processes: half of the cores, at most eight; none where processes cannot be forked cheaply."""
    return min(8, _cores() // 2) if _can_fork() else 0


def default_threads(workers: int) -> int:
    """PyTorch threads: the cores that the loader processes leave. More than that, and both wait for each other."""
    return max(1, _cores() - workers)


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_method(workers: int) -> str | None:
    """How loader processes are started: forked where that is sound, else in the platform's own way; `None` for that."""
    return "fork" if workers and _can_fork() else None


def _can_fork() -> bool:
    # Forking after threads have started is unsafe on macOS; on Linux it is what PyTorch does.
    return sys.platform == "linux" and "fork" in get_all_start_methods()


def make_loader(
    dataset: Dataset,
    model: Model,
    plan: Plan,
    *,
    numbers: Sequence[int],
    workers: int,
    pin_memory: bool,
    keep_inputs: bool = False,
) -> "DataLoader[Loaded]":
    """A loader of the planned batches with these numbers, in that order."""
    return DataLoader(
        _Batches(dataset, model, plan, keep_inputs),  # type: ignore[arg-type]  # map-style by duck typing, as DataLoader allows
        batch_size=None,
        sampler=numbers,
        collate_fn=_identity,  # type: ignore[arg-type]  # without batching it is given one item, not a list
        num_workers=workers,
        pin_memory=pin_memory,
        prefetch_factor=PREFETCH if workers else None,
        multiprocessing_context=start_method(workers),
        worker_init_fn=partial(die_with, os.getpid()),
    )


def die_with(parent: int, _worker: int) -> None:
    """Let the kernel kill this worker as soon as its parent is gone, however that died.

    A parent killed while it held a queue's lock would leave its workers waiting for that for ever, and with them
    whatever they inherited, such as the lock of a journal.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before that was set
        os.kill(os.getpid(), signal.SIGKILL)


def _identity(loaded: Loaded) -> Loaded:
    return loaded
