"""Fusion models: encoders -> fusion -> head."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import combinations
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.collective import mean_over_processes
from mmbench.contrastive import contrastive_loss
from mmbench.encoder import Encoder, EncoderConfig
from mmbench.errors import UsageError
from mmbench.fusion import Fusion, masked_mean, present
from mmbench.model import Batch, Representation
from mmbench.profile.stage import stage
from mmbench.registry import registry
from mmbench.sample import Sample

IGNORE = -100
"""Target of a sample whose answer is not among the labels; cross-entropy leaves it out."""

WIDTH = 64
"""D where nothing else is said."""

_ALIGNMENT = 0.1  # share of the alignment loss of a joint representation: it must shape the space, not the answer
_TEMPERATURE = 0.07  # of the alignment loss, where Radford et al. 2021 start theirs


class ClassifierHead(nn.Module):
    """[B, D] -> logits [B, C] through one hidden layer."""

    def __init__(self, width: int, hidden: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden)
        self.output = nn.Linear(hidden, classes)

    def forward(self, fused: Tensor) -> Tensor:
        """Logits [B, C]."""
        logits: Tensor = self.output(F.relu(self.hidden(fused)))
        return logits


@dataclass(frozen=True, slots=True)
class FusionConfig:
    """All that is needed to build a `FusionModel` again, as plain JSON.

    Attributes:
        width: D of the encoders' tokens.
        hidden: width of what comes after the encoders, as an equal-parameter budget sets it; `None` for the same.
        representation: see `BuildOptions`.
        frozen: modalities whose encoders did not learn.
        options: of the fusion.
    """

    fusion: str
    encoders: dict[str, EncoderConfig]
    labels: list[str]
    width: int = WIDTH
    hidden: int | None = None
    representation: Representation = "independent"
    frozen: list[str] = field(default_factory=list)
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

    label_smoothing = 0.0

    def __init__(self, name: str, config: FusionConfig, encoders: nn.ModuleDict | None = None) -> None:
        """Build from registered parts; weights are random until loaded or trained.

        Args:
            name: what records call it.
            config: the parts.
            encoders: encoder by modality, if they are shared with another model; else they are built.
        """
        super().__init__()
        self.name = name
        self.config = config
        self.modalities = tuple(config.encoders)
        self.labels = tuple(config.labels)
        self._label_index = {label: index for index, label in enumerate(self.labels)}
        if encoders is None:
            encoders = nn.ModuleDict({m: config.encoders[m].build(config.width) for m in self.modalities})
        self.encoders = encoders
        fusion_class = registry.load("fusion", config.fusion)
        classes, hidden = len(self.labels), config.hidden or config.width
        decides = fusion_class.level == "decision"
        # Heads at decision level read the encoders' width themselves.
        inner = config.width if decides else hidden
        # With a width of its own always, so that the number of parameters grows steadily with it.
        adapted = () if decides or config.hidden is None else self.modalities
        self.adapters = nn.ModuleDict({m: nn.Linear(config.width, inner) for m in adapted})
        if config.representation == "joint":
            self.shared = nn.Linear(inner, inner)
        try:
            self.fusion: Fusion = fusion_class(self.modalities, classes if decides else hidden, **config.options)
        except (TypeError, ValueError) as error:  # too many modalities, or an option it does not have
            raise UsageError(f"fusion {config.fusion!r} cannot be built: {error}") from error
        heads = self.modalities if decides else ("fused",)
        self.heads = nn.ModuleDict({head: ClassifierHead(inner, hidden, classes) for head in heads})

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

    def encode(self, batch: Batch) -> Batch:
        """Tokens {m: [B, T, D]} and their masks {m: [B, T]} in place of the inputs."""
        features, mask = {}, {}
        for modality, encoder in self._by_modality():
            with stage(f"encode.{modality}"):
                tokens, mask[modality] = encoder(batch.inputs[modality], batch.mask[modality])
                if modality in self.adapters:
                    tokens = self.adapters[modality](tokens)
                features[modality] = self.shared(tokens) if self.config.representation == "joint" else tokens
        return replace(batch, inputs=features, mask=mask)

    def decide(self, encoded: Batch) -> Tensor:
        """Logits [B, C] of what `encode` gave; the samples of its modalities may be put together anew."""
        return self._decide(encoded.inputs, encoded.mask)[0]

    def _decide(self, features: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits [B, C] of all modalities together, and at decision level {m: [B, C]} of each."""
        if self.fusion.level == "decision":
            with stage("head"):
                logits = {m: head(masked_mean(features[m], mask[m])) for m, head in self.heads.items()}
            with stage("fuse"):
                alone = {m: value.unsqueeze(1) for m, value in logits.items()}
                return self._fuse(alone, {m: present(mask[m]).unsqueeze(1) for m in logits}), logits
        with stage("fuse"):
            vector = self._fuse(features, mask)
        with stage("head"):
            result: Tensor = self.heads["fused"](vector)
            return result, {}

    def _fuse(self, features: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
        """What the fusion gives, [B, D], where it keeps to its contract."""
        fused: Tensor = self.fusion(features, mask)
        expected = (len(mask[self.modalities[0]]), self.fusion.width)
        if fused.shape != expected:
            raise UsageError(
                f"fusion {self.config.fusion!r} returned {list(fused.shape)}; expected [B, D] = {list(expected)}"
            )
        return fused

    def forward(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        return self.decide(self.encode(batch))

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C] in the order of `labels`."""
        return self(batch)  # type: ignore[no-any-return]  # nn.Module.__call__ is untyped

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over the samples whose target is among the labels.

        At decision level each modality's own cross-entropy is added, averaged over modalities: the fused one alone
        lets the modality that learns first keep the others from learning (Wang et al. 2020, "What Makes Training
        Multi-modal Classification Networks Hard?"). A joint representation adds a contrastive loss between modalities.

        Of several processes, which must all call it, each finds the loss over the samples of all.
        """
        if batch.targets is None:
            raise ValueError("a batch without targets has no loss")
        encoded = self.encode(batch)
        features, mask = encoded.inputs, encoded.mask
        fused, alone = self._decide(features, mask)
        loss = self._cross_entropy(fused, batch.targets)
        if alone:
            own = [self._cross_entropy(x, batch.targets.where(present(mask[m]), IGNORE)) for m, x in alone.items()]
            loss = loss + torch.stack(own).mean()
        if self.config.representation == "joint" and len(features) > 1:
            loss = loss + _ALIGNMENT * _alignment(features, mask)
        return loss

    def _cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        count = (targets != IGNORE).sum()
        if count:
            own = F.cross_entropy(logits.float(), targets, ignore_index=IGNORE, label_smoothing=self.label_smoothing)
        else:
            own = logits.float().sum() * 0.0  # the mean over no sample is NaN
        return mean_over_processes(own, count)

    def stored_config(self) -> dict[str, Any]:
        """The configuration as plain JSON."""
        return self.config.to_json()


def _alignment(features: Mapping[str, Tensor], mask: Mapping[str, Tensor]) -> Tensor:
    """Contrastive loss between the modalities of each sample, averaged over pairs of modalities."""
    losses = []
    for one, other in combinations(features, 2):
        both = present(mask[one]) & present(mask[other])
        first, second = (masked_mean(features[m], mask[m])[both].float() for m in (one, other))
        losses.append(contrastive_loss(first, second, scale=1 / _TEMPERATURE))
    return torch.stack(losses).mean()
