"""The contract of a model: what it takes, and which of three abilities it has.

A model is a protocol, not a base class: anything with these members can be evaluated.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Protocol, Self, get_args, runtime_checkable

import torch
from torch import Tensor

from mmbench.errors import UsageError, unknown_name
from mmbench.profile.usage import Usage
from mmbench.sample import Dataset, Sample


@dataclass(frozen=True, slots=True)
class Batch:
    """B samples as tensors.

    Attributes:
        size: B.
        inputs: tensor by modality, [B, ...].
        mask: true where `inputs` holds data: [B] for one value a sample (an image), [B, T] for a sequence.
            A sample without the modality is false throughout.
        targets: what a loss needs (class indices [B], -100 where unknown); `None` where there is no target.
    """

    size: int
    inputs: Mapping[str, Tensor]
    mask: Mapping[str, Tensor]
    targets: Tensor | None = None

    def __len__(self) -> int:
        return self.size

    def _map(self, move: Any) -> Self:
        return replace(
            self,
            inputs={name: move(tensor) for name, tensor in self.inputs.items()},
            mask={name: move(tensor) for name, tensor in self.mask.items()},
            targets=None if self.targets is None else move(self.targets),
        )

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The batch on `device`; dtypes stay as they are, since a model casts what it reads."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def part(self, start: int, stop: int) -> Self:
        """Samples `start` to `stop`, with the padding that they have."""
        return replace(self._map(lambda tensor: tensor[start:stop]), size=stop - start)

    def pin_memory(self) -> Self:
        """The batch in page-locked memory; a `DataLoader` with `pin_memory=True` calls this."""
        return self._map(lambda tensor: tensor.pin_memory())


@runtime_checkable
class Model(Protocol):
    """What every model has, whatever it can do.

    Attributes:
        name: what records call it.
        modalities: the inputs it reads.
    """

    name: str
    modalities: tuple[str, ...]

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Decode and batch samples; runs in loader workers, so it must not touch a device."""
        ...


@runtime_checkable
class Classifies(Protocol):
    """Scores a closed set of labels."""

    labels: tuple[str, ...]

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C] in the order of `labels`."""
        ...


@runtime_checkable
class Decides(Protocol):
    """A classifier in two steps, so that parts of different samples can be put together without being encoded again."""

    def encode(self, batch: Batch) -> Batch:
        """Tokens [B, T, D] by modality and their masks [B, T] in place of the inputs."""
        ...

    def decide(self, encoded: Batch) -> Tensor:
        """Logits [B, C] of what `encode` gave."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Answers with text."""

    def generate(self, batch: Batch) -> Sequence[str | Exception]:
        """One text a sample; an exception in place of one that could not be had, where the others could."""
        ...


@runtime_checkable
class Remote(Protocol):
    """A model that answers on another machine: nothing of its cost can be measured here, and no answer comes free.

    No cost pass asks it, and none of its answers is asked for again to see whether batching changes it.
    """

    def usage(self) -> Usage:
        """What answering took until now."""
        ...


@runtime_checkable
class KeepsMemory(Protocol):
    """A model whose engine keeps the memory of a batch for the next, where what counts memory does not see it."""

    def releasing(self) -> AbstractContextManager[None]:
        """A context in which the engine gives memory back after each batch."""
        ...


@runtime_checkable
class Embeds(Protocol):
    """Puts modalities into one space."""

    def embed(self, batch: Batch, modality: str) -> Tensor:
        """Vectors [B, D] of one modality; dot products compare across modalities."""
        ...


@runtime_checkable
class Trains(Protocol):
    """Learns by gradient descent; the model is also a `torch.nn.Module`."""

    def loss(self, batch: Batch) -> Tensor:
        """Mean loss of a batch with targets, a scalar."""
        ...


@runtime_checkable
class Fits(Protocol):
    """Learns in closed form, by one pass over samples (priors, counts)."""

    def fit(self, samples: Dataset) -> None:
        """Set the parameters from training samples."""
        ...


Representation = Literal["independent", "joint"]


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What the user may choose of a new model's construction; where nothing is chosen, the model's own default holds.

    Attributes:
        encoders: `NAME[:ARGUMENT][,OPTION=VALUE...]` by modality; `from:FILE` is the encoder of a weights file.
        freeze: modalities whose encoders do not learn.
        width: of the tokens and of everything after them; `None` for that of an encoder from a file, else the model's.
        parameters: about how many the whole model shall have, within 5 %: what comes after the encoders is made wider
            or narrower.
        options: of the fusion, `OPTION=VALUE`.
        representation: `independent`, each modality in a space of its own; or `joint`, all in a shared one.
        modalities: what the model reads of the task's, in this order; `None` for all, as the task orders them.
    """

    encoders: Mapping[str, str] = field(default_factory=dict)
    freeze: tuple[str, ...] = ()
    width: int | None = None
    parameters: int | None = None
    options: tuple[str, ...] = ()
    representation: Representation = "independent"
    modalities: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        for name in ("width", "parameters"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.representation not in get_args(Representation):
            raise unknown_name("representation", self.representation, get_args(Representation))
        if self.modalities == ():
            raise UsageError("modalities must name at least one, or be None for all")
        for name in self.modalities or ():
            if self.modalities and self.modalities.count(name) > 1:
                raise UsageError(f"modality {name} is named twice")


DEFAULT_BUILD = BuildOptions()
"""Nothing chosen."""

_FLAGS = {
    "encoders": "--encoder",
    "freeze": "--freeze",
    "width": "--budget equal-width=D",
    "parameters": "--budget equal-params=N",
    "options": "--option",
    "representation": "--representation",
    "modalities": "--modality",
}
"""How the command line calls the fields of `BuildOptions`."""


def only(kind: str, build: BuildOptions, *allowed: str) -> None:
    """Refuse what models of a kind would not heed.

    Args:
        kind: what the user is told of, with its article: `a captioner`.
        build: what the user chose.
        allowed: fields of `BuildOptions` that these models heed.

    Raises:
        UsageError: another field is not at its default; names all such.
    """
    chosen = [each.name for each in fields(build) if getattr(build, each.name) != getattr(DEFAULT_BUILD, each.name)]
    refused = [_FLAGS[name] for name in chosen if name not in allowed]
    if refused:
        rest = f"it takes {', '.join(_FLAGS[name] for name in allowed)}" if allowed else "its parts are fixed"
        raise UsageError(f"{kind} takes no {' or '.join(refused)}; {rest}")


@runtime_checkable
class Configurable(Protocol):
    """A factory whose models take `BuildOptions`."""

    def configured(self, build: BuildOptions) -> "ModelFactory":
        """The factory of models that are built so.

        Raises:
            UsageError: these models have nothing that an option of `build` could set.
        """
        ...


@runtime_checkable
class Shares(Protocol):
    """A factory that makes models of several tasks around the same encoders."""

    def create_together(self, name: str, tasks: "Sequence[tuple[tuple[str, ...], Dataset]]") -> Sequence[Model]:
        """One untrained model for each task's modalities and training samples; each encoder is in all that use it."""
        ...


@runtime_checkable
class Smooths(Protocol):
    """A model whose loss can smooth its labels (Szegedy et al. 2016): the share of probability spread over all."""

    label_smoothing: float


@runtime_checkable
class TriesOut(Protocol):
    """A model that nobody has checked: it is asked a few samples before a run begins."""

    def try_out(self, samples: Sequence[Sample], device: torch.device) -> None:
        """Raises UsageError: it fails on them, or answers in another form than is expected; says which."""
        ...


class ModelFactory(Protocol):
    """What the registry holds under a model's name: how to make it, new or from a stored configuration."""

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> Model:
        """An untrained model for a task with these modalities, sized for the training samples (labels, words)."""
        ...

    def restore(self, name: str, config: Mapping[str, Any]) -> Model:
        """The model of a stored configuration, its weights not loaded yet."""
        ...


@runtime_checkable
class Ready(Protocol):
    """A factory whose model needs no weights file: it brings its own, or has none."""

    def open(self, name: str) -> Model:
        """The model, ready to be asked."""
        ...


@runtime_checkable
class Stored(Protocol):
    """A model whose weights can be saved: a `torch.nn.Module` that says how to build it again."""

    def stored_config(self) -> dict[str, Any]:
        """Plain JSON that `ModelFactory.restore` takes."""
        ...


_ABILITIES = {"classify": Classifies, "generate": Generates, "embed": Embeds}


def abilities(model: object) -> tuple[str, ...]:
    """Names of the abilities that `model` has."""
    return tuple(name for name, protocol in _ABILITIES.items() if isinstance(model, protocol))
