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
    own = [known for known in registry.names("dataset") if registry.load("dataset", known).task == task.card.name]
    wanted = name or task.card.default_dataset
    if wanted not in registry.names("dataset"):
        raise unknown_name(f"data set of task {task.card.name}", wanted, own)
    card: DatasetCard = registry.load("dataset", wanted)
    if card.task != task.card.name:
        raise UsageError(
            f"data set {wanted!r} belongs to task {card.task!r}; task {task.card.name!r} has {', '.join(own)}"
        )
    return card
