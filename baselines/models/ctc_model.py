"""A speech recogniser: an audio encoder, a bidirectional GRU and characters by CTC."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmbench.collective import mean_over_processes
from mmbench.encoder import Encoder, EncoderConfig
from mmbench.model import Batch
from mmbench.profile.stage import stage
from mmbench.sample import Sample

from .ctc_decoding import BLANK, LexiconBeam, collapse, word_tree
from .spec_augment import spec_augment
from .transcript import transcript
from .word_bigrams import WordBigrams

WIDTH = 96
"""D where nothing else is said."""

AUDIO = "audio"
"""The one modality that these models read."""
_DROPOUT = 0.2


@dataclass(frozen=True, slots=True)
class CTCConfig:
    """All that is needed to build a `CTC` again, as plain JSON.

    Attributes:
        encoders: the audio encoder, under `audio`.
        characters: what transcripts are made of; output 0 is the blank, output i the i-th of these.
        steps: outputs for each token of the encoder.
        bigrams: the words that are sought, as `WordBigrams.to_json` has them; `None` for any string of characters.
        width: D of the encoder's tokens and of the GRU in each direction.
        layers: of the GRU.
        frozen: `audio`, if the encoder did not learn.
    """

    encoders: dict[str, EncoderConfig]
    characters: str
    steps: int = 1
    bigrams: dict[str, Any] | None = None
    width: int = WIDTH
    layers: int = 2
    frozen: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain dicts and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "CTCConfig":
        """Inverse of `to_json`."""
        return cls(**{**data, "encoders": {AUDIO: EncoderConfig(**data["encoders"][AUDIO])}})


class CTC(nn.Module):
    """Characters by connectionist temporal classification (Graves et al. 2006); generates and trains.

    Each token of the encoder gives `steps` outputs in a row, so that fast speech fits into few tokens. While the model
    learns, frames of a spectrogram go through `spec_augment`. A recording of a single token, less than any word takes,
    and one that is missing are answered with "".

    Parameters with the default encoder and 28 characters: 388,317.
    """

    modalities = (AUDIO,)

    def __init__(self, name: str, config: CTCConfig, encoders: nn.ModuleDict | None = None) -> None:
        """Build from registered parts; weights are random until loaded or trained.

        Args:
            name: what records call it.
            config: the parts.
            encoders: encoder by modality, if they are shared with another model; else they are built.
        """
        super().__init__()
        self.name = name
        self.config = config
        self._number = {character: number for number, character in enumerate(config.characters, start=BLANK + 1)}
        if encoders is None:
            encoders = nn.ModuleDict({AUDIO: config.encoders[AUDIO].build(config.width)})
        self.encoders = encoders
        self.gru = nn.GRU(
            config.width,
            config.width,
            config.layers,
            batch_first=True,
            dropout=_DROPOUT if config.layers > 1 else 0.0,
            bidirectional=True,
        )
        self.dropout = nn.Dropout(_DROPOUT)
        self.output = nn.Linear(2 * config.width, config.steps * (1 + len(config.characters)))
        self._words: tuple[str, ...] = ()
        self._beam: LexiconBeam | None = None
        if config.bigrams is not None:
            bigrams = WordBigrams.from_json(config.bigrams)
            self._words = bigrams.words
            self._beam = LexiconBeam(
                word_tree([[self._number[character] for character in word] for word in bigrams.words]),
                self._number.get(" "),
                bigrams.log_probability,
            )

    @property
    def encoder(self) -> Encoder:
        """Of the sound."""
        return cast("Encoder", self.encoders[AUDIO])

    def length(self, sample: Sample) -> int:
        """Tokens of the sample's sound, for batches of similar length."""
        value = sample.inputs.get(AUDIO)
        return 0 if value is None else self.encoder.length(value)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Decode and batch; targets as `spell` makes them, `None` where a sample has no transcript."""
        inputs, mask = self.encoder.prepare([sample.inputs.get(AUDIO) for sample in samples])
        known = all(sample.target is not None for sample in samples)
        targets = self.spell([sample.label for sample in samples]) if known else None
        return Batch(len(samples), {AUDIO: inputs}, {AUDIO: mask}, targets)

    def spell(self, texts: Sequence[str]) -> Tensor:
        """Texts as characters, int64 [B, L], with 0 after the end; what training did not have is left out."""
        spelled = [[self._number[c] for c in transcript(text) if c in self._number] for text in texts]
        targets = torch.full((len(texts), max([1, *map(len, spelled)])), BLANK)
        for row, numbers in enumerate(spelled):
            targets[row, : len(numbers)] = torch.tensor(numbers)
        return targets

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Log-probabilities float32 [B, T · steps, 1 + characters] and how many of the T · steps count, [B]."""
        inputs, mask = batch.inputs[AUDIO], batch.mask[AUDIO]
        with stage("encode.audio"):
            if self.training and _are_frames(inputs, mask):
                inputs = spec_augment(inputs, mask)
            tokens, mask = self.encoder(inputs, mask)
        lengths = mask.sum(dim=1)
        with stage("head"):
            # Packed, the backward direction begins at the last token that is there. An empty sequence cannot be packed.
            tokens = self.dropout(torch.where(mask.unsqueeze(2), tokens, 0.0))
            packed = pack_padded_sequence(tokens, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False)
            states, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=mask.shape[1])
            logits: Tensor = self.output(self.dropout(states)).unflatten(2, (self.config.steps, -1)).flatten(1, 2)
            return logits.float().log_softmax(dim=2), lengths * self.config.steps

    def loss(self, batch: Batch) -> Tensor:
        """Negative log-likelihood of the characters, mean over the samples whose transcript fits into their steps.

        A transcript that has more characters (and blanks between equal ones) than steps has no alignment and an
        infinite loss; such samples are left out, as are those without sound. On CUDA the gradient is not deterministic.
        """
        if batch.targets is None:
            raise ValueError("a batch without targets has no loss")
        log_probabilities, lengths = self(batch)
        losses = F.ctc_loss(
            log_probabilities.transpose(0, 1),
            batch.targets,
            lengths,
            (batch.targets != BLANK).sum(dim=1),
            blank=BLANK,
            reduction="none",
            zero_infinity=True,
        )
        fit = (needed_steps(batch.targets) <= lengths).sum()
        return mean_over_processes(losses.sum() / fit.clamp(min=1), fit)

    def generate(self, batch: Batch) -> list[str]:
        """A transcript of each recording, in lower case and in words.

        Raises:
            ValueError: an output is NaN, so that the sample fails and is not scored by chance.
        """
        log_probabilities, lengths = self(batch)
        with stage("search"):
            clips = zip(log_probabilities.detach().cpu().numpy(), lengths.tolist(), strict=True)
            return [self._text(clip[:length]) for clip, length in clips]

    def _text(self, log_probabilities: NDArray[np.float32]) -> str:
        if len(log_probabilities) <= self.config.steps:
            return ""
        if np.isnan(log_probabilities).any():
            raise ValueError("the model gave NaN log-probabilities, which are no transcript")
        if self._beam is not None:
            return " ".join(self._words[word] for word in self._beam(log_probabilities))
        numbers = collapse(log_probabilities.argmax(axis=1).tolist())
        return "".join(self.config.characters[number - 1] for number in numbers)

    def stored_config(self) -> dict[str, Any]:
        """The configuration as plain JSON."""
        return self.config.to_json()


def needed_steps(targets: Tensor) -> Tensor:
    """Least steps that an alignment of targets [B, L] takes, [B]: characters, and blanks between equal ones."""
    there = targets != BLANK
    return there.sum(dim=1) + (there[:, 1:] & (targets[:, 1:] == targets[:, :-1])).sum(dim=1)


def _are_frames(inputs: Tensor, mask: Tensor) -> bool:
    """Whether inputs are a spectrogram, [B, T, F] under [B, T], and not a waveform or what else an encoder reads."""
    return inputs.dim() == 3 and inputs.shape[:2] == mask.shape
