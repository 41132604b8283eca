"""What is asked of a model and how an answer is scored: `TaskCard` and `Task`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError, unknown_name
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Classifies, Generates, Model, abilities
from mmbench.sample import Answers, Dataset, Prediction, Sample

Ability = Literal["classify", "generate", "embed"]


@dataclass(frozen=True, slots=True)
class TaskCard:
    """The declaration of a task; everything that can be known before a sample is loaded.

    Attributes:
        name: what `--task` takes.
        title: one line for people.
        modalities: inputs that every sample of the task has, unless a data set's card says otherwise.
        abilities: what the task can ask of a model; one of them is enough, the first that it has is asked.
        metrics: names of its metrics in the registry, the main one first, unless a data set's card says otherwise.
        datasets: names of its data sets in the registry, the default one first.
        floors: names of registered models that every comparison includes: what a model must beat to have learned
            anything, and to have learned from more than one modality.
        breakdowns: keys of `Sample.meta` by which metrics are also reported.
        target_field: where a line of predictions made elsewhere has the target (`mmbench score`).
        many_targets: several answers can be right, so that the target is a list of them.
        prompt: what a model is told that is told in words what to do, unless a data set's card says otherwise; `{text}`
            stands for the sample's text, `{labels}` for the classes.
        citation: where the task was defined.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    abilities: tuple[Ability, ...]
    metrics: tuple[str, ...]
    datasets: tuple[str, ...]
    floors: tuple[str, ...] = ()
    breakdowns: tuple[str, ...] = ()
    target_field: str = "target"
    many_targets: bool = False
    prompt: str = ""
    citation: str = ""

    @property
    def default_dataset(self) -> str:
        """The data set that runs when none is named."""
        return self.datasets[0]

    def metrics_on(self, dataset: DatasetCard | None) -> tuple[str, ...]:
        """The metrics of a data set, the main one first: the one that ranks models on it."""
        return (dataset.metrics if dataset is not None else ()) or self.metrics

    def modalities_of(self, dataset: DatasetCard) -> tuple[str, ...]:
        """The inputs that the samples of a data set have."""
        return dataset.modalities or self.modalities


@runtime_checkable
class Task(Protocol):
    """A task plugin: a card, and three methods."""

    card: TaskCard

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split of a data set, lazily."""
        ...

    def ask(self, model: Model, batch: Batch) -> Answers:
        """Put a batch to the model; one prediction a sample, in order."""
        ...

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """One row of `metric`'s sufficient statistics for one sample."""
        ...


@runtime_checkable
class Teaches(Protocol):
    """A task whose samples are not what a model learns from: items to find each other, an image of five texts."""

    def training(self, samples: Dataset) -> Dataset:
        """What to learn from the training part: pairs of items, or one sample a caption. Validation asks as always."""
        ...


Reader = Callable[[DatasetCard, str], Dataset]
"""Opens one split of a data set."""


def open_split(readers: Mapping[str, Reader], dataset: DatasetCard, split: str) -> Dataset:
    """Open one split with the reader of the card's format: one of the task's own, or `package.module:Reader`.

    Raises:
        UsageError: there is no such reader; and what the reader refuses.
    """
    name = dataset.format
    if name in readers:
        return readers[name](dataset, split)
    module, colon, attribute = name.partition(":")
    if not colon:
        raise unknown_name(f"format of data set {dataset.name}", name, readers)
    try:
        reader: Reader = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"reader {name!r} of data set {dataset.name!r} cannot be imported: {error}") from error
    return reader(dataset, split)


def check_fit(card: TaskCard, dataset: DatasetCard, model: Model) -> None:
    """Refuse a model that cannot do the task on a data set, before anything is loaded.

    Raises:
        UsageError: the model lacks the ability, takes a modality that the data set does not have, or cannot embed one
            that it has.
    """
    able = abilities(model)
    if not set(card.abilities) & set(able):
        raise UsageError(
            f"task {card.name!r} needs a model that can {' or '.join(card.abilities)}; "
            f"{model.name!r} can {', '.join(able) or 'do none of classify, generate, embed'}"
        )
    offered = card.modalities_of(dataset)
    unread = [m for m in offered if m not in model.modalities]
    if unread and set(card.abilities) == {"embed"}:  # what is compared must all have a vector
        raise UsageError(
            f"task {card.name!r} needs a model that embeds {', '.join(offered)}; {model.name!r} does not take "
            f"{', '.join(unread)}"
        )
    foreign = [m for m in model.modalities if m not in offered]
    if foreign:
        where = f"data set {dataset.name!r}" if dataset.modalities else f"task {card.name!r}"
        raise UsageError(
            f"model {model.name!r} takes {', '.join(model.modalities)}; "
            f"{where} offers {', '.join(offered)}, no {', '.join(foreign)}"
        )


def answers(model: Model, batch: Batch) -> Answers:
    """What a model that classifies or generates answers: its most probable label, or its text.

    Raises:
        ValueError: a logit is NaN, or the model gave another number of texts than there are samples.
        TypeError: the model can do neither, which `check_fit` refuses before.
    """
    if isinstance(model, Classifies):
        return argmax_labels(model.classify(batch), model.labels)
    if isinstance(model, Generates):
        return generated_texts(model, batch)
    raise TypeError(f"model {model.name!r} can neither classify nor generate")


def generated_texts(model: Generates, batch: Batch) -> Answers:
    """One text a sample.

    Raises:
        ValueError: the model gave another number of texts than there are samples.
    """
    found = model.generate(batch)
    if len(found) != batch.size:
        raise ValueError(f"the model gave {len(found)} texts for {batch.size} samples")
    return [text if isinstance(text, Exception) else Prediction(text) for text in found]


def argmax_labels(logits: Tensor, labels: Sequence[str]) -> list[Prediction]:
    """Logits [B, C] to the label with the greatest; the first label wins a tie.

    Raises:
        ValueError: a logit is NaN, so that the sample fails and is not scored by chance.
    """
    scores = logits.float().log_softmax(dim=1).cpu().numpy()
    if np.isnan(scores).any():
        raise ValueError("the model gave NaN logits, which are no answer")
    best = scores.argmax(axis=1).tolist()
    return [Prediction(labels[index], row, labels) for index, row in zip(best, scores, strict=True)]
