"""Speech recognisers of the transformers library that write token by token: Whisper, Speech2Text, Moonshine, ..."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmbench.adapters.hf.generation import LIBRARY_LONGEST, compile_writer, marked, settle, told
from mmbench.adapters.hf.model import Parts
from mmbench.adapters.hf.options import GENERATION
from mmbench.adapters.hf.sound import MASK, SoundModel, sounding
from mmbench.errors import UsageError, unknown_name
from mmbench.model import Batch

_WHISPER = "whisper"
_TOLD = ("canary", "cohere_asr", "dia", "pop2piano", "seamless_m4t", "seamless_m4t_v2")
"""Kinds of models with an encoder and a decoder that must be told more than a recording, or write no text."""

_LONGEST = 448
"""Tokens of a text where a checkpoint says nothing, as many as Whisper has room for in 30 s."""

_FEATURES = "input_features"


class SpeechSeq2Seq(SoundModel):
    """An encoder of sound with a decoder of text; generates.

    Whisper reads windows of 30 s. A recording that is no longer is read in one, without timestamps. A longer one goes
    through the library's own long-form transcription by itself: window after window, each from where the last
    timestamp was. Other models read recordings of any length whole. A sample without sound is answered with "".

    A Whisper model of several languages transcribes what it hears, in `language` or in the one that it detects for
    each recording, or with `task=translate` translates it into English.
    """

    heeds = ("language", "task", *GENERATION)

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a recogniser.

        Raises:
            UsageError: it is told by a prompt what to do, or by no language; or its processor lacks something.
        """
        config = parts.pretrained.config
        if not config.is_encoder_decoder or config.model_type in _TOLD:
            raise UsageError(
                f"{parts.name} is a {config.model_type} model, which needs more than a recording; "
                "expected one that writes down what it hears, such as Whisper"
            )
        super().__init__(parts)
        self.tokenizer: Any = getattr(parts.processor, "tokenizer", None)
        if self.tokenizer is None:
            raise UsageError(f"{parts.name} comes without a tokenizer")
        self._whisper = config.model_type == _WHISPER
        if self._whisper:
            encoder = parts.pretrained.get_encoder()
            self.time = 2
            self._frames: int = config.max_source_positions * encoder.conv1.stride[0] * encoder.conv2.stride[0]
        _leave_room(parts.pretrained)
        settle(parts.pretrained, parts.options, self.tokenizer.pad_token_id)
        # Whisper draws tokens where its own argument is above 0, whatever its settings say.
        temperature = {"temperature": parts.options.temperature} if self._whisper else {}
        self._arguments = _language(parts, self._whisper) | temperature

    def settings(self) -> dict[str, Any]:
        """Settings of generation, without the lists of tokens that belong to the checkpoint."""
        used = {name: value for name, value in told(self.pretrained).items() if not isinstance(value, list | dict)}
        detected = {"language": "detected"} if "task" in self._arguments else {}
        return {"generation": used | detected | self._arguments}

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """The part that writes."""
        compile_writer(self.pretrained, *args, **kwargs)

    def features(self, waveform: NDArray[np.float32]) -> dict[str, Tensor]:
        """As of any model; a recording longer than Whisper's window is not cut."""
        if not self._whisper:
            return super().features(waveform)
        found = self.extractor(
            waveform, sampling_rate=self.rate, truncation=False, return_attention_mask=True, return_tensors="pt"
        )
        return {_FEATURES: found[_FEATURES][0], MASK: found[MASK][0].long()}

    def generate(self, batch: Batch) -> Sequence[str]:
        """A transcript of each recording."""
        texts = [""] * batch.size
        for rows, arguments in self.calls(batch):
            with marked(self.pretrained, compiled=self.options.compile):
                tokens = self.pretrained.generate(**arguments, **self._arguments)
            found = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
            for row, text in zip(rows, found, strict=True):
                texts[row] = text.strip()
        return texts

    def calls(self, batch: Batch) -> Iterator[tuple[list[int], dict[str, Any]]]:
        """As of any model; of Whisper one call for recordings of one window, and one for each longer recording."""
        if not self._whisper:
            yield from super().calls(batch)
            return
        features, mask = self.arguments(batch)[_FEATURES], batch.inputs[MASK]
        frames: list[int] = mask.sum(dim=1).tolist()
        rows = sounding(batch)
        if short := [row for row in rows if frames[row] <= self._frames]:
            # The network does not read the mask; without one the library would warn of it.
            yield short, {_FEATURES: features[short, :, : self._frames], MASK: mask[short, : self._frames]}
        for row in rows:
            if frames[row] > self._frames:
                yield [row], {_FEATURES: features[row : row + 1, :, : frames[row]]}


def _leave_room(pretrained: Any) -> None:
    """Let a text be as long as the model can write it, where its checkpoint says nothing of that."""
    own, config = pretrained.generation_config, pretrained.config
    if own.max_new_tokens is not None or own.max_length not in (None, LIBRARY_LONGEST):
        return
    decoder = getattr(config, "decoder", config)
    room = (getattr(decoder, name, None) for name in ("max_target_positions", "max_position_embeddings"))
    own.max_length = min([_LONGEST, *(positions for positions in room if positions)])


def _language(parts: Parts, whisper: bool) -> dict[str, Any]:
    """Language and task, for models of several.

    Raises:
        UsageError: the model is not told any, or does not know this one.
    """
    options = parts.options
    own = parts.pretrained.generation_config
    languages: dict[str, int] = getattr(own, "lang_to_id", None) or {}
    if not (whisper and languages and getattr(own, "is_multilingual", True)):
        if options.task == "translate" or options.language not in (None, "en"):
            raise UsageError(f"{parts.name} is no Whisper model of several languages: leave out language and task")
        return {}
    chosen: dict[str, Any] = {"task": options.task or "transcribe"} if hasattr(own, "task_to_id") else {}
    if options.language is None:
        return chosen
    codes = [token.strip("<|>") for token in languages]
    if options.language not in codes:
        raise unknown_name(f"language of {parts.name}", options.language, codes)
    return chosen | {"language": options.language}
