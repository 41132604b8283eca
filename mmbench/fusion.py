"""Fusion models: encoders -> fusion -> head.

A user who writes one `Fusion` and registers it gets encoders, a head, training, evaluation, cost and a leaderboard row.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.profile.stage import stage
from mmbench.registry import registry
from mmbench.sample import Dataset, Sample

Features = Mapping[str, Tensor]
Masks = Mapping[str, Tensor]

IGNORE = -100
"""Target of a sample whose answer is not among the labels; cross-entropy leaves it out."""


def masked_mean(features: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens that are there: [B, T, D] and [B, T] -> [B, D]; zeros where none is."""
    weight = mask.unsqueeze(-1).to(features.dtype)
    # where() and not a product alone: a masked token may hold anything, infinities included.
    total = torch.where(mask.unsqueeze(-1), features, 0.0).sum(dim=1)
    return total / weight.sum(dim=1).clamp(min=1.0)


def present(mask: Tensor) -> Tensor:
    """Which samples have the modality at all: [B, T] -> [B]."""
    return mask.any(dim=1)


class Fusion(nn.Module, ABC):
    """Base of every fusion strategy.

    Class attributes:
        level: `"feature"`: tokens of encoders in, one vector for the head out. `"decision"`: each modality has gone
            through a head of its own, so D is the number of classes, T is 1, and the result is logits.
        arity: least and greatest number of modalities; `None` for no upper bound.
    """

    level: ClassVar[Literal["feature", "decision"]] = "feature"
    arity: ClassVar[tuple[int, int | None]] = (1, None)

    def __init__(self, modalities: Sequence[str], width: int) -> None:
        """Args:
            modalities: names, in the order that an asymmetric strategy reads them.
            width: D, equal for every modality and for the output.

        Raises:
            ValueError: the strategy does not take that many modalities.
        """
        super().__init__()
        least, most = self.arity
        if len(modalities) < least or (most is not None and len(modalities) > most):
            bounds = (
                f"at least {least}" if most is None else f"{least} to {most}" if most > least else f"exactly {least}"
            )
            raise ValueError(f"{type(self).__name__} fuses {bounds} modalities, not {', '.join(modalities)}")
        self.modalities = tuple(modalities)
        self.width = width

    @abstractmethod
    def forward(self, features: Features, mask: Masks) -> Tensor:
        """Fuse {modality: [B, T, D]} under {modality: [B, T]} (true where there is a token) into [B, D].

        A modality that a sample lacks is all false in its mask; what stands there must not matter.
        """


class Encoder(nn.Module, ABC):
    """Base of every encoder of one modality: raw values in, tokens of the common width out."""

    modality: ClassVar[str]

    def __init__(self, width: int) -> None:
        """Args: width: D of the tokens that come out."""
        super().__init__()
        self.width = width

    @classmethod
    def learn_options(cls, values: Iterable[Any]) -> dict[str, Any]:
        """Options that must be known from the training values before construction (a vocabulary)."""
        return {}  # an encoder of fixed shape needs none

    def length(self, value: Any) -> int:
        """How many tokens a value gives, so that like is batched with like; 0 where all give as many."""
        return 0

    @abstractmethod
    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Batch B raw values, `None` where missing, in a loader worker -> inputs [B, ...] and mask [B] or [B, T]."""

    @abstractmethod
    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs and mask as `prepare` made them -> tokens [B, T, D] and their mask [B, T]."""


class ClassifierHead(nn.Module):
    """[B, D] -> logits [B, C] through one hidden layer."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.output = nn.Linear(width, classes)

    def forward(self, fused: Tensor) -> Tensor:
        """Logits [B, C]."""
        logits: Tensor = self.output(F.relu(self.hidden(fused)))
        return logits


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """An encoder by its registered name, with its options."""

    name: str
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """All that is needed to build a `FusionModel` again, as plain JSON."""

    fusion: str
    encoders: dict[str, EncoderConfig]
    labels: list[str]
    width: int = 64
    options: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain dicts and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "FusionConfig":
        """Inverse of `to_json`."""
        encoders = {modality: EncoderConfig(**encoder) for modality, encoder in data["encoders"].items()}
        return cls(**{**data, "encoders": encoders})


class FusionModel(nn.Module):
    """Encoders, a fusion and a classifier, with masks for what is missing; classifies and trains."""

    def __init__(self, name: str, config: FusionConfig) -> None:
        """Build from registered parts; weights are random until loaded or trained."""
        super().__init__()
        self.name = name
        self.config = config
        self.modalities = tuple(config.encoders)
        self.labels = tuple(config.labels)
        self._label_index = {label: index for index, label in enumerate(self.labels)}
        self.encoders = nn.ModuleDict(
            {
                modality: registry.load("encoder", encoder.name)(width=config.width, **encoder.options)
                for modality, encoder in config.encoders.items()
            }
        )
        fusion_class = registry.load("fusion", config.fusion)
        classes = len(self.labels)
        decides = fusion_class.level == "decision"
        try:
            self.fusion: Fusion = fusion_class(self.modalities, classes if decides else config.width, **config.options)
        except (TypeError, ValueError) as error:  # too many modalities, or an option it does not have
            raise UsageError(f"fusion {config.fusion!r} cannot be built: {error}") from error
        if decides:
            self.heads = nn.ModuleDict({m: ClassifierHead(config.width, classes) for m in self.modalities})
        else:
            self.heads = nn.ModuleDict({"fused": ClassifierHead(config.width, classes)})

    def length(self, sample: Sample) -> int:
        """Tokens of the sample's sequences, for batches of similar length."""
        return sum(
            encoder.length(sample.inputs[modality])
            for modality, encoder in self._by_modality()
            if sample.inputs.get(modality) is not None
        )

    def _by_modality(self) -> Iterable[tuple[str, Encoder]]:
        return cast("Iterable[tuple[str, Encoder]]", self.encoders.items())

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Decode and batch; a modality that a sample lacks is masked."""
        inputs, mask = {}, {}
        for modality, encoder in self._by_modality():
            inputs[modality], mask[modality] = encoder.prepare([s.inputs.get(modality) for s in samples])
        targets = torch.tensor([self._label_index.get(s.label, IGNORE) for s in samples])
        return Batch(len(samples), inputs, mask, targets)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        features, mask = {}, {}
        for modality, encoder in self._by_modality():
            with stage(f"encode.{modality}"):
                features[modality], mask[modality] = encoder(batch.inputs[modality], batch.mask[modality])
        if self.fusion.level == "decision":
            with stage("head"):
                logits = {m: head(masked_mean(features[m], mask[m])) for m, head in self.heads.items()}
            with stage("fuse"):
                fused: Tensor = self.fusion(
                    {m: value.unsqueeze(1) for m, value in logits.items()},
                    {m: present(mask[m]).unsqueeze(1) for m in logits},
                )
                return fused
        with stage("fuse"):
            vector = self.fusion(features, mask)
            if vector.shape != (batch.size, self.fusion.width):
                raise UsageError(
                    f"fusion {self.config.fusion!r} returned {list(vector.shape)}; "
                    f"expected [B, D] = {[batch.size, self.fusion.width]}"
                )
        with stage("head"):
            result: Tensor = self.heads["fused"](vector)
            return result

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C] in the order of `labels`."""
        return self(batch)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over the samples whose target is among the labels."""
        if batch.targets is None:
            raise ValueError("a batch without targets has no loss")
        return F.cross_entropy(self(batch).float(), batch.targets, ignore_index=IGNORE)

    def stored_config(self) -> dict[str, Any]:
        """The configuration as plain JSON."""
        return self.config.to_json()


@dataclass(frozen=True, slots=True)
class FusionFactory:
    """Makes fusion models around one registered fusion.

    Attributes:
        fusion: its registered name.
        modalities: what the model reads; `None` for all that the task offers.
    """

    fusion: str
    modalities: tuple[str, ...] | None = None

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> FusionModel:
        """Untrained, with each modality's default encoder: the one registered under the modality's own name."""
        encoders = {}
        for modality in self.modalities or modalities:
            encoder_name = registry.own_name("encoder", modality)
            encoder: type[Encoder] = registry.load("encoder", encoder_name)
            values = (samples[index].inputs.get(modality) for index in range(len(samples)))
            encoders[modality] = EncoderConfig(encoder_name, encoder.learn_options(values))
        labels = sorted({samples[index].label for index in range(len(samples))})
        return FusionModel(name, FusionConfig(self.fusion, encoders, labels))

    def restore(self, name: str, config: Mapping[str, Any]) -> FusionModel:
        """Built as stored.

        Raises:
            UsageError: the configuration is of another fusion or of other modalities.
        """
        try:
            stored = FusionConfig.from_json(config)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"the stored configuration is of no fusion model: {error}") from error
        if stored.fusion != self.fusion or (self.modalities and tuple(stored.encoders) != self.modalities):
            raise UsageError(
                f"the weights hold a {stored.fusion!r} fusion of {', '.join(stored.encoders)}; "
                f"model {name!r} is a {self.fusion!r} fusion of {', '.join(self.modalities or stored.encoders)}"
            )
        return FusionModel(name, stored)
