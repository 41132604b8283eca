"""What the cost passes work on: real batches and requests of a run, prepared on the host."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mmbench.engine.loader import Plan, make_loader, plan_batches
from mmbench.engine.run import Run
from mmbench.errors import HarnessError
from mmbench.model import Batch
from mmbench.profile.device import synchronize

BATCHES = 8
"""Batches of the run's own size, spread over the data, that the passes go through again and again."""

REQUESTS = 64
"""Single samples, spread over the data, of the passes that ask one by one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A run's model, with input for it.

    Input lies on the host: a pass places what it needs, so that the memory of one holds no input of another.

    Attributes:
        batches: all of `batch_size` samples.
        requests: single samples.
    """

    run: Run
    batches: list[Batch] = field(repr=False)
    requests: list[Batch] = field(repr=False)

    @property
    def batch_size(self) -> int:
        """Samples of each of `batches`."""
        return self.batches[0].size

    def work(self, batch: Batch) -> object:
        """Put a batch to the model as the quality pass does."""
        return self.run.task.ask(self.run.model, batch)

    def wait(self) -> None:
        """Until the device has done all queued work."""
        synchronize(self.run.device)

    def placed(self, batches: Sequence[Batch]) -> list[Batch]:
        """Batches on the device."""
        return [batch.to(self.run.device) for batch in batches]


def make_subject(run: Run, batch_size: int) -> Subject:
    """Prepare input; samples that cannot be decoded are passed over.

    Samples are taken as they were before any alteration, whose making is no cost of the model.

    Raises:
        HarnessError: none could be prepared.
    """
    run = replace(run, samples=run.unaltered)
    return Subject(run, prepare(run, min(batch_size, len(run.samples)), BATCHES), prepare(run, 1, REQUESTS))


def prepare(run: Run, size: int, most: int) -> list[Batch]:
    """Batches of so many samples, at most so many of them, spread over the data; of a stream the first.

    A batch whose samples cannot all be decoded is passed over, unless there is no whole one.

    Raises:
        HarnessError: there is none.
    """
    plan = whole_batches(run, size)
    numbers = range(min(len(plan), most)) if run.stream else spread(len(plan), most)
    loader = make_loader(run.samples, run.model, plan, numbers=numbers, workers=0, pin_memory=False)
    found = [loaded.batch for loaded in loader if loaded.batch is not None]
    largest = max((batch.size for batch in found), default=0)
    if not largest:
        raise HarnessError(f"no batch of {size} samples could be prepared to measure cost with")
    return [batch for batch in found if batch.size == largest]


def whole_batches(run: Run, size: int) -> Plan:
    """The run's batches of that size, without the last one where it is smaller."""
    order = plan_batches(run.samples, run.model, size, in_order=run.stream).order
    return Plan(order[: len(order) // size * size], size)


def spread(total: int, most: int) -> list[int]:
    """At most so many of `range(total)`, evenly apart."""
    chosen: list[int] = np.unique(np.linspace(0, total - 1, min(total, most)).astype(int)).tolist()
    return chosen


def shape_of(batch: Batch) -> tuple[object, ...]:
    """What compilation and tuning depend on."""
    return batch.size, *((name, tuple(value.shape)) for name, value in batch.inputs.items())
