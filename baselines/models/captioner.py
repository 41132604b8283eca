"""Captions word by word: encoders, and a Transformer decoder that attends to their tokens."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from mmbench.encoder import Encoder, choose_encoders, chosen_width, start_encoders
from mmbench.errors import UsageError
from mmbench.model import DEFAULT_BUILD, Batch, BuildOptions, only
from mmbench.profile.stage import stage
from mmbench.sample import Dataset, Sample
from mmbench.setting import read_setting
from mmbench_baselines.positions import sinusoids

from .beam_search import beam_search
from .caption_decoder import CaptionDecoder
from .caption_words import END, PADDING, START, UNKNOWN, CaptionWords, split_words
from .captioner_config import CaptionerConfig, CaptionerOptions

WIDTH = 96
"""D where nothing else is said."""

_IMAGE = "cnn,size=96,channels=[16,32]"
"""The image encoder where none is chosen: 144 tokens, since words are about parts that a classifier may blur."""

_PLACES = 1000.0
"""Base of the sinusoids: an image has hundreds of tokens and no thousands."""


class Captioner(nn.Module):
    """Encoders, and a decoder that writes a caption from their tokens; generates and trains."""

    label_smoothing = 0.0

    def __init__(self, name: str, config: CaptionerConfig, encoders: Mapping[str, Encoder] | None = None) -> None:
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
        self.words = CaptionWords(config.words)
        encoders = encoders or {m: e.build(config.width) for m, e in config.encoders.items()}
        self.encoders = nn.ModuleDict(encoders)
        # A token that is always there, so that even a missing image leaves something to attend to.
        self.nothing = nn.Parameter(torch.zeros(config.width))
        self.norm = nn.LayerNorm(config.width)
        how = config.options
        self.decoder = CaptionDecoder(
            len(self.words), config.longest, config.width, how.layers, how.heads, how.expansion, how.dropout
        )

    def _by_modality(self) -> Iterable[tuple[str, Encoder]]:
        return cast("Iterable[tuple[str, Encoder]]", self.encoders.items())

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Decode and batch; targets are the numbers of each caption's words [B, T], padded on the right."""
        inputs, mask = {}, {}
        for modality, encoder in self._by_modality():
            inputs[modality], mask[modality] = encoder.prepare([s.inputs.get(modality) for s in samples])
        if all(sample.target is None for sample in samples):
            return Batch(len(samples), inputs, mask)
        captions = ([] if s.target is None else self.words.encode(s.label, self.config.longest) for s in samples)
        numbers = [torch.tensor(caption, dtype=torch.int64) for caption in captions]
        return Batch(len(samples), inputs, mask, pad_sequence(numbers, batch_first=True, padding_value=PADDING))

    def _memory(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tokens of all encoders [B, N, D], each with its place, and their mask [B, N]; the token of nothing first."""
        tokens = [self.nothing.expand(batch.size, 1, -1)]
        masks = [torch.ones(batch.size, 1, dtype=torch.bool, device=self.nothing.device)]
        for modality, encoder in self._by_modality():
            with stage(f"encode.{modality}"):
                found, there = encoder(batch.inputs[modality], batch.mask[modality])
                # Cleaned before any layer: a NaN in a masked token would reach the weights' gradient.
                cleaned = self.norm(torch.where(there.unsqueeze(-1), found, 0.0))
                tokens.append(cleaned + sinusoids(*cleaned.shape[1:], _PLACES).to(cleaned))
                masks.append(there)
        return torch.cat(tokens, dim=1), torch.cat(masks, dim=1)

    def forward(self, batch: Batch) -> Tensor:
        """Logits [B, T, W] of each word of the targets, from the right words before it.

        Raises:
            ValueError: the batch has no targets.
        """
        if batch.targets is None:
            raise ValueError("a batch without targets has no words to read")
        words = F.pad(batch.targets[:, :-1], (1, 0), value=START)
        logits: Tensor = self.decoder(words, self.decoder.start(*self._memory(batch)))
        return logits

    def loss(self, batch: Batch) -> Tensor:
        """Mean over captions of each one's mean cross-entropy over its words and its end.

        So the loss of a batch is the mean of those of its samples, by whomever they are computed.
        """
        logits: Tensor = self(batch)
        assert batch.targets is not None  # noqa: S101  # forward() asked before
        targets = batch.targets
        each = F.cross_entropy(
            logits.flatten(0, 1).float(),
            targets.flatten(),
            ignore_index=PADDING,
            label_smoothing=self.label_smoothing,
            reduction="none",
        ).view_as(targets)
        words = targets.ne(PADDING).sum(dim=1)
        loss: Tensor = (each.sum(dim=1) / words.clamp(min=1)).sum() / words.gt(0).sum().clamp(min=1)
        return loss

    @torch.no_grad()
    def generate(self, batch: Batch) -> list[str]:
        """The most probable caption that a beam search finds for each sample."""
        memory = self._memory(batch)
        with stage("prefill"):
            state = self.decoder.start(*memory).repeat(self.config.options.beam)

        def ask(rows: Tensor, words: Tensor) -> Tensor:
            state.go_on(rows)
            logits: Tensor = self.decoder(words.unsqueeze(1), state)
            return logits[:, 0].index_fill(1, never, -torch.inf)

        never = torch.tensor([PADDING, START, UNKNOWN], device=state.mask.device)
        begin = torch.full((batch.size, self.config.options.beam), START, device=state.mask.device)
        numbers = beam_search(ask, begin, END, self.config.longest)
        return [self.words.decode(row) for row in numbers.tolist()]

    def stored_config(self) -> dict[str, Any]:
        """The configuration as plain JSON."""
        return asdict(self.config)


@dataclass(frozen=True, slots=True)
class CaptionerFactory:
    """Makes captioners.

    Attributes:
        build: what the user chose.
    """

    build: BuildOptions = DEFAULT_BUILD

    def configured(self, build: BuildOptions) -> "CaptionerFactory":
        """Of captioners that are built so.

        Raises:
            UsageError: it asks for what these models do not have.
        """
        only("a captioner", build, "encoders", "freeze", "width", "options")
        return replace(self, build=build)

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> Captioner:
        """Untrained, with the words of the training captions."""
        options, build = _options(self.build), self.build
        if "image" in modalities:
            build = replace(build, encoders={"image": _IMAGE, **build.encoders})
        captions = [samples[index].label for index in range(len(samples))]
        config = CaptionerConfig(
            choose_encoders(modalities, samples, build),
            list(CaptionWords.of(captions, options.least).words),
            max(len(split_words(caption)) for caption in captions),
            chosen_width(build, WIDTH),
            options,
            sorted(build.freeze),
        )
        encoders = {modality: encoder.build(config.width) for modality, encoder in config.encoders.items()}
        start_encoders(encoders, build)
        return Captioner(name, config, encoders)

    def restore(self, name: str, config: Mapping[str, Any]) -> Captioner:
        """Built as stored.

        Raises:
            UsageError: the configuration is of another model.
        """
        try:
            stored = CaptionerConfig.from_json(config)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"the stored configuration is of no captioner: {error}") from error
        return Captioner(name, stored)


def _options(build: BuildOptions) -> CaptionerOptions:
    return CaptionerOptions(**dict(read_setting("a captioner", CaptionerOptions, each) for each in build.options))


captioner = CaptionerFactory()
"""Writes a caption word by word: by default the small CNN and a Transformer decoder of two layers."""
