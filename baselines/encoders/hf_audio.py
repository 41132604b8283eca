"""Audio encoder: any speech or sound model of the transformers library."""

from collections.abc import Sequence
from inspect import signature
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmbench.data.audio import duration, load_audio
from mmbench.data.decode import DecodeError
from mmbench.fusion import present
from mmbench_baselines.encoders.hf_encoder import HFEncoder, read_processor

_SHORTEST_S = 0.1  # four times what wav2vec 2.0 needs for one frame
_FRAMES_PER_S = 50  # of wav2vec 2.0 and its descendants


class HFAudio(HFEncoder):
    """Audio backbone by name: wav2vec 2.0, HuBERT, WavLM, the encoder of Whisper, AST, ...

    Tokens are the last hidden states. Sound is resampled to the rate of the model's own feature extractor; less than
    0.1 s is filled up with silence. Models with a fixed window (Whisper 30 s, AST 10 s) read no more than that; of
    Whisper's tokens those are masked that come after the sound. The others read sound of any length. Models whose
    first layer has a norm over time (`feat_extract_norm` "group": wav2vec 2.0 base, HuBERT base) would take padding
    into it, so they encode clips of each length by themselves, which is slower in large batches.

    SpecAugment and layer drop, which these models bring along for training, are off. The family of wav2vec 2.0 cannot
    be pickled (its weight norm), so it needs loader processes that are forked, or none.
    """

    modality = "audio"
    tower = "audio_model"
    reads = ("input_values", "input_features")

    @classmethod
    def argument_options(cls, argument: str) -> dict[str, Any]:
        """The source, its commit and its configuration."""
        options = super().argument_options(argument)
        # SpecAugment fails on clips shorter than its masks, and draws them from a generator that no seed of ours sets.
        changed = {"apply_spec_augment": False, "layerdrop": 0.0}
        options["config"] |= {name: value for name, value in changed.items() if name in options["config"]}
        return options

    @classmethod
    def load_processor(cls, source: str, revision: str | None) -> Any:
        """The feature extractor."""
        from transformers import AutoFeatureExtractor  # noqa: PLC0415  # transformers takes seconds to import

        return read_processor(source, revision, "feature extractor", AutoFeatureExtractor)

    def length(self, value: Any) -> int:
        """About its tokens, from its header, or 0 where the window is fixed; also 0 for a file that cannot be read."""
        if not self._pads():
            return 0
        try:
            return round(duration(value) * _FRAMES_PER_S)
        except DecodeError:
            return 0

    def _pads(self) -> bool:
        """Whether the feature extractor lets a batch be as long as its longest clip."""
        padding = signature(type(self.processor).__call__).parameters.get("padding")
        return padding is not None and padding.default != "max_length"

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Sounds to what the backbone reads, float32 [B, ...], and mask [B, T] of it, or [B] where it needs none."""
        there = torch.tensor([value is not None for value in values])
        options = {"padding": True} if self._pads() else {}
        features = self.processor(
            [self._samples(value) for value in values],
            sampling_rate=self.processor.sampling_rate,
            return_attention_mask=True,
            return_tensors="pt",
            **options,
        )
        inputs = features[self._input_name()].float()
        if "attention_mask" not in features:
            return inputs, there
        return inputs, features["attention_mask"].bool() & there.unsqueeze(1)

    def _samples(self, value: Any) -> NDArray[np.float32]:
        rate = self.processor.sampling_rate
        samples = np.zeros(0, dtype=np.float32) if value is None else load_audio(value, rate=rate).samples
        return np.pad(samples, (0, max(0, round(_SHORTEST_S * rate) - len(samples))))

    def encode(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [B, ...] and mask [B, T'] or [B] -> hidden states [B, T, H] and mask [B, T]."""
        inputs = inputs.to(next(self.pretrained.parameters()).dtype)
        if mask.dim() == 1:
            hidden = self._last_hidden(inputs)
            return hidden, mask.unsqueeze(1).expand(-1, hidden.shape[1])
        config: Any = self.pretrained.config
        if getattr(config, "feat_extract_norm", None) == "group":
            hidden = self._by_length(inputs, mask)
        else:
            # A softmax over no token at all is NaN, so where the sound is missing every (masked) token answers.
            hidden = self._last_hidden(inputs, mask | ~present(mask).unsqueeze(1))
        return hidden, self._token_mask(mask, hidden.shape[1])

    def _last_hidden(self, inputs: Tensor, mask: Tensor | None = None) -> Tensor:
        takes_mask = mask is not None and "attention_mask" in signature(self.pretrained.forward).parameters
        options = {"attention_mask": mask.to(torch.int64)} if mask is not None and takes_mask else {}
        hidden: Tensor = self.pretrained(**{self._input_name(): inputs}, **options).last_hidden_state
        return hidden

    def _by_length(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Hidden states [B, T, H] of waveforms [B, T'], those of one length together and without padding."""
        lengths = mask.sum(dim=1)
        groups = {n: lengths == n for n in lengths.unique().tolist() if n}
        encoded = {n: self._last_hidden(inputs[rows, :n]) for n, rows in groups.items()}
        longest = max([1, *(states.shape[1] for states in encoded.values())])
        hidden = inputs.new_zeros(len(inputs), longest, self.hidden_size())
        for n, states in encoded.items():
            hidden[groups[n], : states.shape[1]] = states.to(hidden.dtype)
        return hidden

    def _token_mask(self, mask: Tensor, count: int) -> Tensor:
        """Mask [B, T'] of inputs -> mask [B, count] of the tokens that the backbone makes of them."""
        if count == mask.shape[1]:
            return mask
        backbone: Any = self.pretrained
        lengths = backbone._get_feat_extract_output_lengths(mask.sum(dim=1)).clamp(min=1)
        return (torch.arange(count, device=mask.device) < lengths.unsqueeze(1)) & present(mask).unsqueeze(1)

    def _input_name(self) -> str:
        backbone: Any = self.pretrained
        return str(backbone.main_input_name)
