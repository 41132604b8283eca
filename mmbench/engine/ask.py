"""Putting a batch to a model that may fail on it."""

from collections.abc import Sequence

import torch

from mmbench.errors import HarnessError
from mmbench.model import Batch, Model
from mmbench.sample import Prediction
from mmbench.task import Task


def ask_in_parts(task: Task, model: Model, batch: Batch) -> Sequence[Prediction | Exception]:
    """Predictions; where the model fails, out of memory or otherwise, halves until the culprit stands alone.

    Raises:
        HarnessError: the task made another number of predictions than there are samples.
    """
    try:
        predictions = task.ask(model, batch)
    except Exception as error:  # models are foreign code
        if batch.size == 1:
            return [error]
    else:
        if len(predictions) != batch.size:
            raise HarnessError(f"task {task.card.name!r} made {len(predictions)} predictions for {batch.size} samples")
        return predictions
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = batch.size // 2
    return [
        *ask_in_parts(task, model, batch.part(0, middle)),
        *ask_in_parts(task, model, batch.part(middle, batch.size)),
    ]
