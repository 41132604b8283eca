"""The contract of an adapter: how `--model SCHEME:ARGUMENT` opens a model from elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import torch

from mmbench.data.card import DatasetCard
from mmbench.model import Model
from mmbench.task import TaskCard

TRANSPORT = "transport"
"""Where a configuration keeps what changes no answer: how many requests at a time, how often again, at what price."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a model from elsewhere is opened for.

    Attributes:
        name: what the user wrote, `SCHEME:ARGUMENT`.
        argument: what stands after the first colon.
        task, dataset: what it will be asked.
        labels: the classes of the data set, in the order of its card, else sorted; called only by what needs them,
            since it may have to go through a split.
        settings: `OPTION=VALUE` as the user gave them; the adapter reads them by `read_settings`.
        device: where a model that runs here shall lie.
        dtype: of its weights and arithmetic, a name of torch.
    """

    name: str
    argument: str
    task: TaskCard
    dataset: DatasetCard
    labels: Callable[[], tuple[str, ...]]
    settings: tuple[str, ...] = field(default=(), repr=False)  # an address may hold a password
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: str = "float32"

    @property
    def modalities(self) -> tuple[str, ...]:
        """The inputs that the samples have, in the task's order."""
        return self.task.modalities_of(self.dataset)

    @property
    def prompt(self) -> str | None:
        """What a model that is told in words what to do is told; `{text}` stands for the sample's text, `{labels}` for
        the classes. `None` where neither data set nor task has one.
        """
        return self.dataset.prompt or self.task.prompt or None


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model that can be asked, and where it came from.

    Attributes:
        config: plain JSON: how it was built or opened, every setting included, and nothing secret.
        source: the weights file, relative to the working directory or to the package that ships it, or the name on a
            hub; `None` for a model that has none, or has them elsewhere.
        sha256: of the weights; of several files the hash of their hashes.
        training: what a weights file's header says of its training.
        parameters: how many it has, where that is no `torch.nn.Module` that can be counted.
        placed: it lies on its device in its dtype already, and must not be moved.
    """

    model: Model
    config: dict[str, Any] = field(default_factory=dict)
    source: str | None = None
    sha256: str | None = None
    training: dict[str, Any] = field(default_factory=dict)
    placed: bool = False
    parameters: int | None = None


F = TypeVar("F", bound=Callable[[Opening], LoadedModel])


def takes(options: type) -> Callable[[F], F]:
    """Decorator of an adapter: its options are the fields of that dataclass, as `mmbench show SCHEME` tells them."""

    def declare(adapter: F) -> F:
        adapter.options = options  # type: ignore[attr-defined]  # functions have attributes
        return adapter

    return declare


class Adapter(Protocol):
    """What the registry holds under a scheme: a function that opens a model that was not made here."""

    def __call__(self, opening: Opening) -> LoadedModel:
        """The model, ready to be asked, on its device and in its dtype.

        Raises:
            UsageError: there is no such model, it cannot do the task, or a setting is wrong.
        """
        ...
