"""Two encoders into one space, taught by pairs that belong together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.contrastive import contrastive_loss
from mmbench.encoder import Encoder, EncoderConfig, choose_encoders, chosen_width, start_encoders
from mmbench.errors import UsageError
from mmbench.fusion import masked_mean, present
from mmbench.model import DEFAULT_BUILD, Batch, BuildOptions, only
from mmbench.profile.stage import stage
from mmbench.sample import Dataset, Sample

_WIDTH = 128
"""D where nothing else is said."""

_START = 1 / 0.07
_LARGEST = 100.0
"""What cosines are multiplied by at the start, and at most: both as in CLIP (Radford et al. 2021)."""


@dataclass(frozen=True, slots=True)
class DualEncoderConfig:
    """All that is needed to build a `DualEncoder` again, as plain JSON.

    Attributes:
        encoders: of two modalities.
        width: D of the encoders' tokens and of the common space.
        frozen: modalities whose encoders did not learn.
    """

    encoders: dict[str, EncoderConfig]
    width: int
    frozen: list[str] = field(default_factory=list)


class DualEncoder(nn.Module):
    """An encoder a modality, the mean of its tokens, and a small head into the common space; embeds and trains."""

    def __init__(self, name: str, config: DualEncoderConfig, encoders: Mapping[str, Encoder] | None = None) -> None:
        """Build it with random weights.

        Args:
            name: what records call it.
            config: the parts.
            encoders: encoder by modality, if they have weights already; else they are built.
        """
        super().__init__()
        self.name = name
        self.config = config
        self.modalities = tuple(config.encoders)
        encoders = encoders or {m: e.build(config.width) for m, e in config.encoders.items()}
        self.encoders = nn.ModuleDict(encoders)
        self.heads = nn.ModuleDict({m: _head(config.width) for m in self.modalities})
        self.log_scale = nn.Parameter(torch.tensor(math.log(_START)))

    def _encoder(self, modality: str) -> Encoder:
        return cast("Encoder", self.encoders[modality])

    def length(self, sample: Sample) -> int:
        """Tokens of the sample's sequences, for batches of similar length."""
        given = {m: sample.inputs[m] for m in self.modalities if sample.inputs.get(m) is not None}
        return sum(self._encoder(m).length(value) for m, value in given.items())

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Decode and batch; a modality that a sample lacks is masked. Targets are the groups as integers, [B]."""
        inputs, mask = {}, {}
        for modality in self.modalities:
            values = [sample.inputs.get(modality) for sample in samples]
            inputs[modality], mask[modality] = self._encoder(modality).prepare(values)
        return Batch(len(samples), inputs, mask, torch.tensor([_group(sample) for sample in samples]))

    def _embed(self, batch: Batch, modality: str) -> tuple[Tensor, Tensor]:
        """Vectors [B, D], and which samples have the modality, [B]."""
        with stage(f"encode.{modality}"):
            tokens, mask = self._encoder(modality)(batch.inputs[modality], batch.mask[modality])
        with stage("head"):
            vectors = self.heads[modality](masked_mean(tokens, mask))
            return F.normalize(vectors.float(), dim=-1), present(mask)

    def embed(self, batch: Batch, modality: str) -> Tensor:
        """Vectors [B, D] of length 1, float32; rows of samples without the modality mean nothing."""
        return self._embed(batch, modality)[0]

    def loss(self, batch: Batch) -> Tensor:
        """Contrastive loss of the samples that have both modalities; the temperature is learned too."""
        if batch.targets is None:
            raise ValueError("a batch without groups has no loss")
        (one, has_one), (other, has_other) = (self._embed(batch, m) for m in self.modalities)
        both = has_one & has_other
        scale = self.log_scale.float().exp().clamp(max=_LARGEST)
        return contrastive_loss(one[both], other[both], batch.targets[both], scale)

    def stored_config(self) -> dict[str, Any]:
        """The configuration as plain JSON."""
        return asdict(self.config)


def _head(width: int) -> nn.Module:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))


def _group(sample: Sample) -> int:
    """The same number in every process, which `hash` is not."""
    name = sample.id if sample.group is None else sample.group
    return int.from_bytes(sha256(name.encode()).digest()[:8], "big", signed=True)


@dataclass(frozen=True, slots=True)
class DualEncoderFactory:
    """Makes dual encoders.

    Attributes:
        build: what the user chose.
    """

    build: BuildOptions = DEFAULT_BUILD

    def configured(self, build: BuildOptions) -> "DualEncoderFactory":
        """Of models that are built so.

        Raises:
            UsageError: it asks for what these models do not have.
        """
        only("a dual encoder", build, "encoders", "freeze", "width")
        return replace(self, build=build)

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> DualEncoder:
        """Untrained, with the chosen encoders or the modalities' default ones.

        Raises:
            UsageError: there are not two modalities; see also `choose_encoders` and `start_encoders`.
        """
        if len(modalities) != 2:
            raise UsageError(f"model {name!r} puts two modalities into one space, not {', '.join(modalities)}")
        width = chosen_width(self.build, _WIDTH)
        chosen = choose_encoders(modalities, samples, self.build)
        encoders = {modality: config.build(width) for modality, config in chosen.items()}
        start_encoders(encoders, self.build)
        return DualEncoder(name, DualEncoderConfig(chosen, width, sorted(self.build.freeze)), encoders)

    def restore(self, name: str, config: Mapping[str, Any]) -> DualEncoder:
        """Built as stored.

        Raises:
            UsageError: the configuration is of another model.
        """
        try:
            encoders = {modality: EncoderConfig(**encoder) for modality, encoder in config["encoders"].items()}
            stored = DualEncoderConfig(**{**config, "encoders": encoders})
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"the stored configuration is of no dual encoder: {error}") from error
        return DualEncoder(name, stored)


dual_encoder = DualEncoderFactory()
"""Dual encoder: one encoder a modality into one space by a contrastive loss (as CLIP, Radford et al. 2021)."""
