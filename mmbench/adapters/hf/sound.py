"""What the families share that hear: sound to what the library's models read, and apart what padding would change."""

from collections.abc import Iterator, Sequence
from inspect import signature
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mmbench.adapters.hf.model import HFModel, Parts
from mmbench.data.audio import duration, load_audio
from mmbench.data.decode import DecodeError
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.sample import Modality, Sample

MASK = "attention_mask"
"""Of a batch's inputs: 1 where a recording's features are, [B, T]."""

_MASKS = (MASK, "padding_mask")
"""Names that the library's models and feature extractors have for it."""

_SHORTEST_S = 0.1  # four times what wav2vec 2.0 needs for one frame
_FRAMES_PER_S = 50  # of wav2vec 2.0 and its descendants
_UNMASKED = ("Conv1dSubsampler", "Data2VecAudioPositionalConvLayer", "Wav2Vec2ConformerConvolutionModule")
"""Classes of the library whose convolutions follow one another without a mask between: what one makes of padding leaks
into the next. Of Speech2Text, Data2Vec and the wav2vec 2.0 Conformer."""


class SoundModel(HFModel):
    """Base of the families that read one recording a sample.

    Sound is resampled to the rate of the model's own feature extractor, and less than 0.1 s is filled up with silence.
    Each recording is turned into features by itself and padded afterwards, so that none depends on its neighbours. The
    network is told what is padding; models that take it into account all the same (a norm over time as in wav2vec 2.0
    base, HuBERT base and Moonshine, or convolutions without a mask as in Speech2Text, Data2Vec and the Conformer) are
    asked about recordings of each length by themselves, which is slower in large batches.

    Attributes:
        time: the axis of time in a batch of features.
        extractor: makes features of a waveform.
        window: the features are of a fixed length, filled up or cut.
        apart: recordings of unequal length do not go into one call.
    """

    modalities = (Modality.AUDIO.value,)
    time = 1

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a model that hears.

        Raises:
            UsageError: no feature extractor comes with it.
        """
        super().__init__(parts)
        self.extractor = getattr(parts.processor, "feature_extractor", parts.processor)
        if not hasattr(self.extractor, "sampling_rate"):
            raise UsageError(f"{parts.name} has no feature extractor; expected one in preprocessor_config.json")
        self._reads = tuple(signature(parts.pretrained.forward).parameters)
        self._mask = next((name for name in _MASKS if name in self._reads), None)
        padding = signature(type(self.extractor).__call__).parameters.get("padding")
        self.window = padding is None or padding.default == "max_length"
        self.apart = not self.window and (self._mask is None or _heeds_padding(parts.pretrained))

    @property
    def rate(self) -> int:
        """Hz."""
        return cast(int, self.extractor.sampling_rate)

    def length(self, sample: Sample) -> int:
        """About its frames, for batches of similar length; 0 where all are equally long, and for an unreadable file."""
        value = sample.inputs.get(Modality.AUDIO)
        if self.window or value is None:
            return 0
        try:
            return round(duration(value) * _FRAMES_PER_S)
        except DecodeError:
            return 0

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Features, padded to the longest, and where they are.

        Raises:
            DecodeError: a file cannot be decoded.
            ValueError: the feature extractor makes nothing of a recording, as Speech2Text's of perfect silence.
        """
        values = [sample.inputs.get(Modality.AUDIO) for sample in samples]
        found = [self._finite(self._waveform(value)) for value in values]
        filler = getattr(self.extractor, "padding_value", 0.0)
        inputs = {
            name: _padded([each[name] for each in found], 1, 0)
            if name == MASK
            else _padded([each[name] for each in found], self.time, filler)
            for name in found[0]
        }
        return Batch(len(samples), inputs, {Modality.AUDIO: torch.tensor([value is not None for value in values])})

    def _waveform(self, value: Any) -> NDArray[np.float32]:
        """Mono samples, [T]; noise where there is no sound, since any extractor makes features of it: none is read."""
        shortest = round(_SHORTEST_S * self.rate)
        if value is None:
            return np.random.default_rng(0).standard_normal(shortest).astype(np.float32)
        samples = load_audio(value, rate=self.rate).samples
        return np.pad(samples, (0, max(0, shortest - len(samples))))

    def _finite(self, waveform: NDArray[np.float32]) -> dict[str, Tensor]:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.features(waveform)
        if not all(each.isfinite().all() for each in found.values()):
            raise ValueError("the model's feature extractor makes numbers of it that are not finite; is it all silent?")
        return found

    def features(self, waveform: NDArray[np.float32]) -> dict[str, Tensor]:
        """What the model reads of one recording, by the names of its arguments, without the axis of a batch."""
        found = self.extractor(waveform, sampling_rate=self.rate, return_attention_mask=True, return_tensors="pt")
        inputs = {name: each[0] for name, each in found.items() if name in self._reads and name not in _MASKS}
        if not self.window:
            mask = next((found[name][0].long() for name in _MASKS if name in found), None)
            any_input = next(iter(inputs.values()))
            inputs[MASK] = mask if mask is not None else torch.ones(len(any_input), dtype=torch.long)
        return inputs

    def calls(self, batch: Batch) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """What to call the library's model with: rows of the batch, and arguments for them.

        A sample without sound is in no call; the others are in one, unless recordings of each length are `apart`.
        """
        rows = sounding(batch)
        arguments = self.arguments(batch)
        mask = arguments.pop(MASK, None)
        if not rows:
            return
        if mask is None or not self.apart:
            masked = {} if mask is None or self._mask is None else {self._mask: mask}
            yield rows, {name: _rows(each, rows) for name, each in (arguments | masked).items()}
            return
        lengths: list[int] = mask.sum(dim=1).tolist()
        for length in sorted({lengths[row] for row in rows}, reverse=True):
            chosen = [row for row in rows if lengths[row] == length]
            yield chosen, {name: _rows(each, chosen)[:, :length] for name, each in arguments.items()}


def sounding(batch: Batch) -> list[int]:
    """The rows of a batch that have sound."""
    rows: list[int] = batch.mask[Modality.AUDIO].nonzero().flatten().tolist()
    return rows


def _rows(tensor: Tensor, rows: list[int]) -> Tensor:
    return tensor if len(rows) == len(tensor) else tensor[rows]


def _padded(tensors: Sequence[Tensor], time: int, filler: float) -> Tensor:
    """One tensor [B, ...] of several, whose axis of time may differ; `time` counts with the batch's axis."""
    moved = pad_sequence([each.movedim(time - 1, 0) for each in tensors], batch_first=True, padding_value=filler)
    return moved.movedim(1, time).contiguous()


def _heeds_padding(pretrained: nn.Module) -> bool:
    """Whether what a network makes of a recording depends on the padding after it, although that is masked."""
    return any(isinstance(each, nn.GroupNorm) or type(each).__name__ in _UNMASKED for each in pretrained.modules())
