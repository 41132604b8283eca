"""What is asked of a model and how an answer is scored: `TaskCard` and `Task`."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Model, abilities
from mmbench.sample import Dataset, Prediction, Sample

Ability = Literal["classify", "generate", "embed"]


@dataclass(frozen=True, slots=True)
class TaskCard:
    """The declaration of a task; everything that can be known before a sample is loaded.

    Attributes:
        name: what `--task` takes.
        title: one line for people.
        modalities: inputs that every sample of the task has.
        ability: what the task asks of a model.
        metrics: names of its metrics in the registry, the main one first.
        datasets: names of its data sets in the registry, the default one first.
        breakdowns: keys of `Sample.meta` by which metrics are also reported.
        citation: where the task was defined.
    """

    name: str
    title: str
    modalities: tuple[str, ...]
    ability: Ability
    metrics: tuple[str, ...]
    datasets: tuple[str, ...]
    breakdowns: tuple[str, ...] = ()
    citation: str = ""

    @property
    def main_metric(self) -> str:
        """The metric that ranks models on this task."""
        return self.metrics[0]

    @property
    def default_dataset(self) -> str:
        """The data set that runs when none is named."""
        return self.datasets[0]


@runtime_checkable
class Task(Protocol):
    """A task plugin: a card, and three methods."""

    card: TaskCard

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split of a data set, lazily."""
        ...

    def ask(self, model: Model, batch: Batch) -> list[Prediction]:
        """Put a batch to the model; one prediction a sample, in order."""
        ...

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """One row of `metric`'s sufficient statistics for one sample."""
        ...


def check_fit(card: TaskCard, model: Model) -> None:
    """Refuse a model that cannot do the task, before anything is loaded.

    Raises:
        UsageError: the model lacks the ability, or takes a modality that the task does not have.
    """
    able = abilities(model)
    if card.ability not in able:
        raise UsageError(
            f"task {card.name!r} needs a model that can {card.ability}; "
            f"{model.name!r} can {', '.join(able) or 'do none of classify, generate, embed'}"
        )
    foreign = [m for m in model.modalities if m not in card.modalities]
    if foreign:
        raise UsageError(
            f"model {model.name!r} takes {', '.join(model.modalities)}; "
            f"task {card.name!r} offers {', '.join(card.modalities)}, no {', '.join(foreign)}"
        )


def argmax_labels(logits: Tensor, labels: Sequence[str]) -> list[Prediction]:
    """Logits [B, C] to the label with the greatest; the first label wins a tie.

    Raises:
        ValueError: a logit is NaN, so that the sample fails and is not scored by chance.
    """
    scores = logits.float().log_softmax(dim=1).cpu().numpy()
    if np.isnan(scores).any():
        raise ValueError("the model gave NaN logits, which are no answer")
    return [Prediction(labels[best], row) for best, row in zip(scores.argmax(axis=1).tolist(), scores, strict=True)]
