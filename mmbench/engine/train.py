"""Training by name: validation by group, best weights kept, resumable, the same for the same seed."""

import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from mmbench.checkpoint import Header, check_folder, save_weights
from mmbench.data.card import DatasetCard
from mmbench.data.split import split_by_group
from mmbench.engine.models import WEIGHTS_FOLDER, model_factory, weights_path
from mmbench.engine.options import TrainOptions
from mmbench.engine.progress import Epoch, TrainProgress
from mmbench.engine.resolve import metrics_for, resolve_dataset, resolve_metrics, resolve_task, revision_of
from mmbench.engine.validation import Validation
from mmbench.errors import UsageError
from mmbench.model import Fits, Stored, Trains
from mmbench.profile.device import pick_device
from mmbench.sample import Dataset, head
from mmbench.task import Task, check_fit


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gave.

    Attributes:
        path: the weights file.
        best: the epoch whose weights it holds.
        history: all epochs.
        parameters: trained numbers in the model.
    """

    path: Path
    best: Epoch
    history: list[Epoch]
    parameters: int


def train(
    model: str,
    task: str,
    *,
    dataset: str | None = None,
    data: Path | None = None,
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
        options: how to train.
        output: the weights file; if `None`, where `evaluate` finds it. Checkpoints lie beside it until training ends.
        resume: go on from the last checkpoint of an interrupted run with the same options.
        progress: told of steps and epochs.

    Raises:
        UsageError: a name is wrong, the model cannot be trained, does not fit the task, or samples are too few.
        HarnessError: the loss is not finite, a sample cannot be read, or the weights cannot be written.
    """
    options = options or TrainOptions()
    progress = progress or TrainProgress()
    the_task = resolve_task(task)
    card = resolve_dataset(the_task, dataset, data)
    if card.train_split is None:
        raise UsageError(f"data set {card.name!r} has no training split")
    metrics = resolve_metrics(the_task, card, (), {})
    modalities = the_task.card.modalities_of(card)
    device = pick_device(options.device)
    options = replace(options, device=str(device))
    output = output or weights_path(WEIGHTS_FOLDER, task, card.name, model)
    factory = model_factory(model)
    check_folder(output.parent)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    samples = _training_samples(the_task, card, card.train_split, options)
    training, held_out = split_by_group(samples, options.validation)
    if not len(training) or not len(held_out):
        raise UsageError(
            f"{card.name} {card.train_split} gives {len(training)} training and {len(held_out)} validation samples, "
            "and both need at least one: raise --limit or --validation"
        )
    learner = factory.create(model, modalities, training)
    check_fit(the_task.card, card, learner)
    if not isinstance(learner, Fits | Trains):
        raise UsageError(f"model {model!r} cannot be trained: it has neither loss(batch) nor fit(samples)")
    if not (isinstance(learner, nn.Module) and isinstance(learner, Stored)):
        raise UsageError(f"model {model!r} cannot be stored: it must be a torch.nn.Module with stored_config()")
    validation = Validation(the_task, metrics_for(learner, metrics, ()), held_out, options)
    data_info = {"name": card.name, "revision": revision_of(card, samples), "split": card.train_split}
    checkpoints = output.with_name(f".{output.stem}.training")
    if isinstance(learner, Fits):
        learner.fit(training)
        learner.to(device)
        history = [Epoch(1, None, validation(learner), is_best=True)]
        progress.epoch(history[0])
        # Nothing was chosen by validation, so in the end it counts the whole split, as priors are defined.
        learner = factory.create(model, modalities, samples)
        # Made by the same factory, so it is what the first one was.
        assert isinstance(learner, nn.Module) and isinstance(learner, Stored) and isinstance(learner, Fits)  # noqa: S101, PT018
        learner.fit(samples)
    else:
        from mmbench.engine.trainer import descend  # noqa: PLC0415  # transformers' Trainer takes seconds to import

        learner.to(device)
        history = descend(learner, training, validation, options, data_info, checkpoints, resume, progress)
    best = next(epoch for epoch in history if epoch.is_best)
    provenance = {
        "task": task,
        "dataset": data_info,
        "samples": {"training": len(training), "validation": len(held_out)},
        "options": asdict(options),
        "epoch": best.number,
        "validation": best.metrics,
        "torch": torch.__version__,
    }
    save_weights(output, learner, Header(model, learner.stored_config(), provenance))
    shutil.rmtree(checkpoints, ignore_errors=True)
    return Trained(output, best, history, sum(p.numel() for p in learner.parameters()))


def _training_samples(task: Task, card: DatasetCard, split: str, options: TrainOptions) -> Dataset:
    return head(task.load(card, split), options.limit)
