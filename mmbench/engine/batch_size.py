"""`--batch-size auto`: the smallest batch that is about as fast as any larger one."""

from collections.abc import Sequence
from time import perf_counter

import torch

from mmbench.model import Model
from mmbench.profile.device import synchronize
from mmbench.profile.estimate import LEVEL
from mmbench.profile.results import Estimate
from mmbench.profile.sweep import find_knee
from mmbench.sample import Dataset, Sample
from mmbench.task import Task

_LARGEST = 1024
_REPEATS = 3
_PATIENCE = 2  # doublings that leave the knee before the search ends; one alone may be a neighbour's noise


def find_batch_size(model: Model, task: Task, dataset: Dataset, device: torch.device) -> int:
    """Double from 1 until throughput stops growing or the model fails, out of memory say; then take the knee.

    A sample that fails by itself is the run's to report, so here it only ends the search.
    """
    rates: dict[int, Estimate] = {}
    samples: list[Sample] = []
    size, best = 1, 1
    with torch.inference_mode():
        while size <= min(_LARGEST, len(dataset)) and size < best << (1 + _PATIENCE):
            try:
                samples += [dataset[index] for index in range(len(samples), size)]
                rates[size] = _samples_per_second(model, task, samples, device)
            except Exception:  # whatever it is, a smaller batch is the answer here
                break
            best = find_knee(rates) or best
            size *= 2
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return best


def _samples_per_second(model: Model, task: Task, samples: Sequence[Sample], device: torch.device) -> Estimate:
    """The best of a few goes, after one that warms up; decoding is the workers' and does not count."""
    batch = model.collate(samples).to(device)
    seconds = []
    for _ in range(1 + _REPEATS):
        synchronize(device)
        start = perf_counter()
        task.ask(model, batch)
        synchronize(device)
        seconds.append(perf_counter() - start)
    rate = len(samples) / min(seconds[1:])
    return Estimate(value=rate, low=None, high=None, level=LEVEL, n=_REPEATS, method="best of a few goes")
