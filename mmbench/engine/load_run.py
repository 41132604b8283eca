"""From names to the parts of a run, loaded: task, data set, metrics, model, device."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from mmbench.data.alteration import altered
from mmbench.engine.loader import default_threads, default_workers
from mmbench.engine.open_model import open_model
from mmbench.engine.options import EvalOptions
from mmbench.engine.resolve import metrics_for, resolve_dataset, resolve_metrics, resolve_task, revision_of
from mmbench.engine.run import Run
from mmbench.errors import UsageError
from mmbench.model import Model, TriesOut
from mmbench.profile.device import pick_device
from mmbench.sample import head
from mmbench.task import check_fit

_TRIED = 2
"""Samples of the first batch that an unchecked model is asked; with one alone, a batch dimension is easily missed."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which data.

    Attributes:
        dataset: name of one of the task's data sets; its default one if `None`.
        split: the data set's default one if `None`.
        data: where the files of the data set are, if not where its card says.
        stream: read the data set from the hub as it comes, without downloading all of it first.
    """

    dataset: str | None = None
    split: str | None = None
    data: Path | None = None
    stream: bool = False


def load_run(model: str | Model, task_name: str, where: Where, weights: Path | None, options: EvalOptions) -> Run:
    """Resolve every name and load every part, cheapest refusals first.

    Raises:
        UsageError: a name, an option or a file is wrong.
    """
    task = resolve_task(task_name)
    dataset = resolve_dataset(task, where.dataset, where.data, stream=where.stream)
    options.alteration.check(task.card.modalities_of(dataset))
    if where.stream and options.alteration.shuffle:
        raise UsageError("--shuffle takes values from samples that a stream has not come to; leave out --stream")
    metrics = resolve_metrics(task, dataset, options.metrics, options.protocol)
    split = where.split or dataset.default_split
    dataset.check_split(split)
    device = pick_device(options.device)
    # A stream is read in order: each of several workers would have to read all of it.
    workers = options.workers if options.workers is not None else 0 if where.stream else default_workers()
    torch.set_num_threads(options.threads or default_threads(workers))
    torch.manual_seed(options.seed)
    loaded = open_model(
        model,
        task,
        dataset,
        weights=weights,
        settings=options.settings,
        split=split,
        device=device,
        dtype=options.dtype,
    )
    check_fit(task.card, dataset, loaded.model)
    metrics = metrics_for(loaded.model, metrics, options.metrics)
    if isinstance(loaded.model, nn.Module) and not loaded.placed:
        loaded.model.to(device=device, dtype=getattr(torch, options.dtype)).eval()
    samples = task.load(dataset, split)
    revision = revision_of(dataset, samples)
    samples = head(samples, options.limit)
    if not len(samples):
        raise UsageError(f"{dataset.name} {split} has no samples")
    if isinstance(loaded.model, TriesOut):
        loaded.model.try_out([samples[index] for index in range(min(_TRIED, len(samples)))], device)
    asked = altered(samples, options.alteration)
    return Run(task, dataset, split, revision, asked, samples, loaded, metrics, options, device, workers, where.stream)
