"""Putting a batch to a model that may fail on it."""

from collections.abc import Callable

import torch

from mmbench.errors import HarnessError
from mmbench.model import Batch, Model
from mmbench.sample import Answers, Prediction
from mmbench.task import Task


def ask_in_parts(task: Task, model: Model, batch: Batch, note: Callable[[str], None] = lambda _: None) -> Answers:
    """Predictions; where the model fails, out of memory or otherwise, halves until the culprit stands alone.

    `note` is told of every batch that had to be halved, and why.

    Raises:
        HarnessError: the task made another number of predictions than there are samples.
    """
    try:
        predictions = task.ask(model, batch)
    except Exception as error:  # models are foreign code
        if batch.size == 1:
            return [error]
        note(f"a batch of {batch.size} failed ({type(error).__name__}); asking again in halves")
    else:
        if len(predictions) != batch.size:
            raise HarnessError(f"task {task.card.name!r} made {len(predictions)} predictions for {batch.size} samples")
        return predictions
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    middle = batch.size // 2
    return [
        *ask_in_parts(task, model, batch.part(0, middle), note),
        *ask_in_parts(task, model, batch.part(middle, batch.size), note),
    ]


def had(answer: Prediction | Exception) -> Prediction:
    """The answer of one sample, where it has one.

    Raises:
        Exception: what stands in its place.
    """
    if isinstance(answer, Exception):
        raise answer
    return answer
