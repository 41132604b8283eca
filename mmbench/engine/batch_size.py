"""`--batch-size auto`: the smallest batch that is about as fast as any larger one."""

from collections.abc import Sequence
from time import perf_counter

import torch

from mmbench.model import Model
from mmbench.profile.device import synchronize
from mmbench.sample import Dataset, Sample
from mmbench.task import Task

_LARGEST = 1024
_REPEATS = 3
_KNEE = 1.1  # doubling must gain at least a tenth in samples/s to be worth its memory


def find_batch_size(model: Model, task: Task, dataset: Dataset, device: torch.device) -> int:
    """Double from 1 until the model's throughput stops growing or it fails, out of memory say.

    A sample that fails by itself is the run's to report, so here it only ends the search.
    """
    best, best_rate = 1, 0.0
    samples: list[Sample] = []
    with torch.inference_mode():
        while 2 * best <= min(_LARGEST, len(dataset)) or not best_rate:
            size = 2 * best if best_rate else 1
            try:
                samples += [dataset[index] for index in range(len(samples), size)]
                rate = _samples_per_second(model, task, samples, device)
            except Exception:  # whatever it is, a smaller batch is the answer here
                break
            if rate < _KNEE * best_rate:
                break
            best, best_rate = size, rate
    if device.type == "cuda":
        torch.cuda.empty_cache()
    return best


def _samples_per_second(model: Model, task: Task, samples: Sequence[Sample], device: torch.device) -> float:
    """The best of a few goes, after one that warms up; decoding is the workers' and does not count."""
    batch = model.collate(samples).to(device)
    seconds = []
    for _ in range(1 + _REPEATS):
        synchronize(device)
        start = perf_counter()
        task.ask(model, batch)
        synchronize(device)
        seconds.append(perf_counter() - start)
    return len(samples) / min(seconds[1:])
