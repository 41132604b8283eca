"""What the cost passes work on: real batches and requests of a run, ready on its device."""

from collections.abc import Sequence
from dataclasses import dataclass

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

    Attributes:
        batches: on the device, all of `batch_size` samples where there are so many.
        requests: single samples on the device.
    """

    run: Run
    batch_size: int
    batches: list[Batch]
    requests: list[Batch]

    def work(self, batch: Batch) -> object:
        """Put a batch to the model as the quality pass does."""
        return self.run.task.ask(self.run.model, batch)

    def wait(self) -> None:
        """Until the device has done all queued work."""
        synchronize(self.run.device)


def make_subject(run: Run, batch_size: int) -> Subject:
    """Prepare input; samples that cannot be decoded are passed over.

    Raises:
        HarnessError: none could be prepared.
    """
    size = min(batch_size, len(run.samples))
    plan = plan_batches(run.samples, run.model, size)
    whole = Plan(plan.order[: len(plan.order) // size * size], size)
    batches = prepare(run, whole, spread(len(whole), BATCHES))
    requests = prepare(run, Plan(plan.order, 1), spread(len(plan.order), REQUESTS))
    if not batches or not requests:
        raise HarnessError("no sample could be prepared to measure cost with")
    return Subject(run, size, batches, requests)


def prepare(run: Run, plan: Plan, numbers: Sequence[int]) -> list[Batch]:
    """The planned batches with these numbers, on the run's device."""
    loader = make_loader(run.samples, run.model, plan, numbers=numbers, workers=0, pin_memory=False)
    return [loaded.batch.to(run.device) for loaded in loader if loaded.batch is not None]


def spread(total: int, most: int) -> list[int]:
    """At most so many of `range(total)`, evenly apart."""
    chosen: list[int] = np.unique(np.linspace(0, total - 1, min(total, most)).astype(int)).tolist()
    return chosen


def shapes(batches: Sequence[Batch]) -> list[Batch]:
    """One batch of each shape of input among `batches`, in order of first appearance."""
    found: dict[object, Batch] = {}
    for batch in batches:
        found.setdefault(_shape(batch), batch)
    return list(found.values())


def _shape(batch: Batch) -> tuple[object, ...]:
    return batch.size, *((name, tuple(value.shape)) for name, value in batch.inputs.items())
