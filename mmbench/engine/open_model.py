"""Any model that can be asked: a registered one with its weights, one from elsewhere by its adapter, or one at hand."""

from functools import partial
from pathlib import Path

import torch

from mmbench.adapter import Adapter, LoadedModel, Opening
from mmbench.data.card import DatasetCard
from mmbench.engine.models import load_model
from mmbench.errors import UsageError
from mmbench.model import Model, Stored
from mmbench.registry import registry
from mmbench.task import Task


def open_model(
    model: str | Model,
    task: Task,
    dataset: DatasetCard,
    *,
    weights: Path | None = None,
    settings: tuple[str, ...] = (),
    split: str | None = None,
    device: torch.device | None = None,
    dtype: str = "float32",
) -> LoadedModel:
    """The model, with its weights.

    Args:
        model: the name of a registered model or fusion, `SCHEME:ARGUMENT`, `FILE.py:FACTORY`, or a model itself.
        task, dataset: what it will be asked.
        weights: of a registered model: a file that `train` wrote; else what was trained here or is shipped.
        settings: of one from elsewhere: `OPTION=VALUE` for its adapter.
        split: where the classes are looked up, if neither the card nor a training split tells them.
        device, dtype: of one from elsewhere; others are moved by the caller.

    Raises:
        UsageError: there is no such model, it cannot do the task, or it takes no such weights or settings.
    """
    if not isinstance(model, str):
        if weights is not None or settings:
            raise UsageError(f"{model.name!r} is given as it is: it takes neither weights nor options")
        return LoadedModel(model, model.stored_config() if isinstance(model, Stored) else {})
    elsewhere = _elsewhere(model)
    if elsewhere is None:
        if settings:
            schemes = ", ".join(f"{scheme}:" for scheme in registry.names("adapter"))
            option = settings[0].partition("=")[0]
            raise UsageError(f"model {model!r} has no option {option!r}; models from elsewhere have: {schemes}")
        return load_model(model, task.card.name, dataset.name, weights)
    if weights is not None:
        raise UsageError(f"model {model!r} brings its own weights; leave out --weights")
    scheme, argument = elsewhere
    adapter: Adapter = registry.load("adapter", scheme)
    return adapter(
        Opening(
            name=model,
            argument=argument,
            task=task.card,
            dataset=dataset,
            labels=partial(labels_of, task, dataset, split),
            settings=settings,
            device=device or torch.device("cpu"),
            dtype=dtype,
        )
    )


def _elsewhere(name: str) -> tuple[str, str] | None:
    """Scheme and argument; `FILE.py:FACTORY` stands for `python:FILE.py:FACTORY`."""
    scheme, colon, argument = name.partition(":")
    if colon and scheme in registry.names("adapter"):
        return scheme, argument
    return ("python", name) if name.rpartition(":")[0].endswith(".py") else None


def labels_of(task: Task, dataset: DatasetCard, split: str | None = None) -> tuple[str, ...]:
    """The classes of a data set: as its card orders them, else those of its training split, else of `split`, sorted.

    Files of the user's may have no training split: then those of `split` are all that there is to know.

    Raises:
        UsageError: the data cannot be opened.
    """
    if dataset.labels:
        return dataset.labels
    asked = split or dataset.default_split
    try:
        samples = task.load(dataset, dataset.train_split or asked)
    except UsageError:
        samples = task.load(dataset, asked)
    return tuple(sorted({samples[index].label for index in range(len(samples))}))
