"""Training by name: validation by group, best weights kept, resumable, the same for the same seed."""

from collections.abc import Sequence
from pathlib import Path

from mmbench.engine.models import WEIGHTS_FOLDER, weights_path
from mmbench.engine.progress import TrainProgress
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.train_run import TrainingRun
from mmbench.engine.train_source import On
from mmbench.engine.trained import Trained
from mmbench.errors import UsageError
from mmbench.model import BuildOptions


def train(
    model: str,
    task: str,
    *,
    dataset: str | None = None,
    data: Path | None = None,
    build: BuildOptions | None = None,
    options: TrainOptions | None = None,
    output: Path | None = None,
    resume: bool = False,
    progress: TrainProgress | None = None,
) -> Trained:
    """Train a model and write its best weights; no other split than the data set's training one is opened.

    Args:
        model: name of a registered model or fusion.
        task: name of the task.
        dataset: name of one of the task's data sets; its default one if `None`.
        data: where the files of the data set are, if not where its card says.
        build: encoders and sizes, where not the model's own.
        options: how to train.
        output: the weights file; if `None`, where `evaluate` finds it. Checkpoints lie beside it until training ends.
        resume: go on from the last checkpoint of an interrupted run with the same options.
        progress: told of steps and epochs.

    Raises:
        UsageError: a name is wrong, the model cannot be trained or built so, does not fit the task, or samples are too
            few.
        HarnessError: the loss is not finite, a sample cannot be read, or the weights cannot be written.
    """
    on = On(task, dataset, data)
    (trained,) = TrainingRun(model, [on], build, options, [output], progress).go(resume)
    return trained


def train_together(
    model: str,
    on: Sequence[On],
    *,
    build: BuildOptions | None = None,
    options: TrainOptions | None = None,
    output: Path = WEIGHTS_FOLDER,
    resume: bool = False,
    progress: TrainProgress | None = None,
) -> list[Trained]:
    """Train one set of encoders on several tasks at once, each with a fusion and head of its own.

    A step is a batch of one task, and an epoch has every sample of every task once. The epoch with the best mean of the
    main metrics is kept. Each task's weights stand in a file of its own below `output`, which `evaluate` takes as any
    other.

    Raises:
        UsageError, HarnessError: as `train`; or the model's encoders cannot be shared, or a task is named twice on the
            same data set.
    """
    cards = [resolve_dataset(resolve_task(each.task), each.dataset, each.data).name for each in on]
    paths = [weights_path(output, each.task, card, model) for each, card in zip(on, cards, strict=True)]
    for first, each in enumerate(on):
        if paths.index(paths[first]) != first:
            raise UsageError(f"task {each.task} on {cards[first]} is named twice")
    return TrainingRun(model, on, build, options, paths, progress).go(resume)
