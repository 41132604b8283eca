"""Names to parts: a task, one of its data sets, and a split of that."""

from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError, unknown_name
from mmbench.registry import registry
from mmbench.task import Task


def resolve_task(name: str) -> Task:
    """The task of that name.

    Raises:
        UsageError: no such task.
    """
    task: Task = registry.load("task", name)()
    return task


def resolve_dataset(task: Task, name: str | None) -> DatasetCard:
    """The data set of that name, or the task's default one.

    Raises:
        UsageError: no such data set, or it belongs to another task.
    """
    wanted = name or task.card.default_dataset
    if wanted not in registry.names("dataset"):
        raise unknown_name(f"data set of task {task.card.name}", wanted, _datasets_of(task))
    card = registry.load("dataset", wanted)
    if not isinstance(card, DatasetCard):
        raise UsageError(f"data set {wanted!r} is registered as a {type(card).__name__}; expected a DatasetCard")
    if card.task != task.card.name:
        raise UsageError(
            f"data set {wanted!r} belongs to task {card.task!r}; "
            f"task {task.card.name!r} has {', '.join(_datasets_of(task))}"
        )
    return card


def _datasets_of(task: Task) -> list[str]:
    """Names of the task's data sets; one that cannot be loaded warns, and is nobody's."""
    cards = registry.load_all("dataset")
    return [name for name, card in cards.items() if isinstance(card, DatasetCard) and card.task == task.card.name]
