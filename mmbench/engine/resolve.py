"""Names to parts: a task, one of its data sets, and its metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmbench.data.card import DatasetCard
from mmbench.data.source import fingerprint, located
from mmbench.errors import UsageError, unknown_name
from mmbench.metrics.load import load_metric
from mmbench.metrics.metric import Metric, check_options
from mmbench.model import Classifies, Model
from mmbench.registry import registry
from mmbench.sample import Dataset
from mmbench.task import Task

Metrics = dict[str, Metric]


def resolve_task(name: str) -> Task:
    """The task of that name.

    Raises:
        UsageError: no such task.
    """
    task: Task = registry.load("task", name)()
    return task


def resolve_dataset(task: Task, name: str | None, data: Path | None = None, *, stream: bool = False) -> DatasetCard:
    """The data set of that name, or the task's default one; in files at `data` if that is given; streamed if asked for.

    Raises:
        UsageError: no such data set, or it belongs to another task, `data` does not exist, or it cannot be streamed.
    """
    if data is not None and name is None:
        raise UsageError(f"--data needs --dataset: which of {', '.join(_datasets_of(task))} lies there?")
    wanted = name or task.card.default_dataset
    if wanted not in registry.names("dataset"):
        raise unknown_name(f"data set of task {task.card.name}", wanted, _datasets_of(task))
    card = registry.load("dataset", wanted)
    if not isinstance(card, DatasetCard):
        raise UsageError(f"data set {wanted!r} is registered as a {type(card).__name__}; expected a DatasetCard")
    if task.card.name not in card.tasks:
        raise UsageError(
            f"data set {wanted!r} belongs to task {' and '.join(map(repr, card.tasks))}; "
            f"task {task.card.name!r} has {', '.join(_datasets_of(task))}"
        )
    card = located(card, data)
    return card.streamed() if stream else card


def resolve_metrics(
    task: Task, dataset: DatasetCard | None, extra: Sequence[str], protocol: Mapping[str, str]
) -> Metrics:
    """The metrics of a data set, or of the task without one, and those named besides; each with the options it has.

    Args:
        task: whose metrics.
        dataset: its card may name metrics and options of its own.
        extra: further names; one with a colon, as in `evaluate:exact_match`, is loaded by the loader before the colon.
        protocol: options chosen by the user, which win over the card's.

    Raises:
        UsageError: no such metric, or no such option.
    """
    # By the metric's own name: what the user gave for one of another library may be a path.
    kinds: dict[str, type[Metric]] = {}
    for given in dict.fromkeys([*task.card.metrics_on(dataset), *extra]):
        kind = load_metric(given)
        if kinds.setdefault(kind.name, kind) is not kind:
            raise UsageError(f"two metrics are called {kind.name!r}; rename the file of one")
    check_options(kinds.values(), protocol)
    wanted = {**(dataset.protocol if dataset else {}), **protocol}
    return {name: kind(**{k: v for k, v in wanted.items() if k in kind.options}) for name, kind in kinds.items()}


def metrics_for(model: Model, metrics: Metrics, asked: Sequence[str]) -> Metrics:
    """The metrics that a model's answers allow: those that need scores go where it only generates.

    Raises:
        UsageError: the main metric, or one that the user asked for, needs scores that the model does not give.
    """
    if isinstance(model, Classifies):
        return metrics
    left = {name: metric for name, metric in metrics.items() if not metric.needs_scores}
    for name in [next(iter(metrics)), *asked]:
        if name in metrics and name not in left:
            raise UsageError(f"metric {name!r} needs a model that can classify; {model.name!r} cannot")
    return left


def revision_of(card: DatasetCard, samples: Dataset) -> str:
    """What names the data that are used: the card's revision, the hub's commit, or a hash of the user's files."""
    revision = getattr(samples, "revision", None) or card.revision
    return revision if card.local is None else f"{revision}+local.{fingerprint(card.local)}"


def _datasets_of(task: Task) -> list[str]:
    """Names of the task's data sets; one that cannot be loaded warns, and is nobody's."""
    cards = registry.load_all("dataset")
    return [name for name, card in cards.items() if isinstance(card, DatasetCard) and task.card.name in card.tasks]
