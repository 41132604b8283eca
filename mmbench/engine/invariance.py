"""Does batching change an answer? Samples asked in batches and again one by one."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmbench.engine.ask import ask_in_parts
from mmbench.model import Model
from mmbench.sample import Dataset, Prediction
from mmbench.task import Task

_ROUNDING = 1e-4
"""Of the largest number of a vector; sums in another order differ by a hundredth of that in float32."""


def check_invariance(
    model: Model,
    task: Task,
    dataset: Dataset,
    device: torch.device,
    batch_size: int,
    positions: NDArray[np.int64],
    count: int,
) -> dict[str, Any]:
    """Ask `count` of the samples at `positions`, evenly spread, both ways.

    A sample of the run unless `count` covers it: nothing is claimed of the rest.

    Returns:
        {"samples": how many could be asked, "batch_size", "differ": how many predictions are not the same,
        "max_score_difference": of log-probabilities, or of numbers of a vector, `None` for a model that gives none}.
        Vectors are the same where no number differs by more than rounding explains.
    """
    chosen = np.linspace(0, len(positions) - 1, min(count, len(positions))).round().astype(int)
    samples = [dataset[int(index)] for index in positions[chosen]]
    asked, differ, largest = 0, 0, None
    with torch.inference_mode():
        for start in range(0, len(samples), batch_size):
            part = samples[start : start + batch_size]
            together = ask_in_parts(task, model, model.collate(part).to(device))
            for sample, batched in zip(part, together, strict=True):
                (alone,) = ask_in_parts(task, model, model.collate([sample]).to(device))
                if isinstance(alone, Exception) or isinstance(batched, Exception):
                    continue
                asked += 1
                differ += alone.value != batched.value or not _same_vector(alone, batched)
                difference = _score_difference(alone, batched)
                if difference is not None:
                    largest = max(largest or 0.0, difference)
    return {"samples": asked, "batch_size": batch_size, "differ": differ, "max_score_difference": largest}


def _same_vector(one: Prediction, other: Prediction) -> bool:
    if one.vector is None or other.vector is None:
        return True
    scale = float(np.abs(one.vector).max(initial=0.0))
    return one.vector.shape == other.vector.shape and bool(
        (np.abs(one.vector - other.vector) <= _ROUNDING * scale).all()
    )


def _score_difference(one: Prediction, other: Prediction) -> float | None:
    if one.vector is not None and other.vector is not None and one.vector.shape == other.vector.shape:
        return float(np.abs(one.vector - other.vector).max(initial=0.0))
    if one.scores is None or other.scores is None:
        return None
    # Equal infinities (a class that cannot be) do not differ.
    difference = np.where(one.scores == other.scores, 0.0, np.abs(one.scores - other.scores))
    return float(difference.max())
