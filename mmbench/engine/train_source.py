"""What a training run learns from: a task's data, opened and parted."""

from dataclasses import dataclass
from pathlib import Path

from mmbench.checkpoint import check_folder
from mmbench.data.card import DatasetCard
from mmbench.data.split import split_by_group
from mmbench.engine.models import WEIGHTS_FOLDER, weights_path
from mmbench.engine.resolve import resolve_dataset, resolve_metrics, resolve_task, revision_of
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError
from mmbench.metrics.metric import Metric
from mmbench.sample import Dataset, Subset, head
from mmbench.task import Task, Teaches


@dataclass(frozen=True, slots=True)
class On:
    """A task, on one of its data sets.

    Attributes:
        task: its name.
        dataset: name of the data set; the task's default one if `None`.
        data: where the files of the data set are, if not where its card says.
    """

    task: str
    dataset: str | None = None
    data: Path | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """One task of a training run.

    Attributes:
        samples: the training split, or its first samples.
        training, held_out: its two parts.
        output: where the weights go.
    """

    task: Task
    card: DatasetCard
    metrics: dict[str, Metric]
    samples: Dataset
    training: Subset
    held_out: Subset
    output: Path

    @property
    def name(self) -> str:
        """Task and data set."""
        return f"{self.task.card.name}/{self.card.name}"

    @property
    def modalities(self) -> tuple[str, ...]:
        """What a model may read."""
        return self.task.card.modalities_of(self.card)

    @property
    def data(self) -> dict[str, str]:
        """Which data, for whoever must know whether they are the same."""
        split = self.card.train_split or ""
        return {"name": self.card.name, "revision": revision_of(self.card, self.samples), "split": split}

    def taught(self, samples: Dataset) -> Dataset:
        """Samples as the task teaches them."""
        return self.task.training(samples) if isinstance(self.task, Teaches) else samples


def open_source(on: On, model: str, output: Path | None, options: TrainOptions) -> Source:
    """Open the training split, and no other, and take a validation part from it.

    Raises:
        UsageError: a name is wrong, there is no training split, too few samples, or `output` cannot be written.
    """
    task = resolve_task(on.task)
    card = resolve_dataset(task, on.dataset, on.data)
    if card.train_split is None:
        raise UsageError(f"data set {card.name!r} has no training split")
    metrics = resolve_metrics(task, card, (), {})
    output = output or weights_path(WEIGHTS_FOLDER, on.task, card.name, model)
    if output.is_dir():
        raise UsageError(f"cannot write weights to {output}: it is a folder, and a file is expected")
    check_folder(output.parent)
    samples = head(task.load(card, card.train_split), options.limit)
    training, held_out = split_by_group(samples, options.validation)
    if not len(samples):
        raise UsageError(f"{card.name} {card.train_split} has no samples")
    if not len(training) or not len(held_out):
        raise UsageError(
            f"{card.name} {card.train_split} gives {len(training)} training and {len(held_out)} validation samples, "
            f"and both need at least one: raise --limit or {'raise' if len(training) else 'lower'} --validation"
        )
    return Source(task, card, dict(metrics), samples, training, held_out, output)


def beside(weights: Path, suffix: str) -> Path:
    """The file or folder of that kind beside a weights file: `film.history.jsonl` beside `film.safetensors`."""
    return weights.with_name(weights.name.removesuffix(".safetensors") + suffix)
