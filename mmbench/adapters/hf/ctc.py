"""Speech recognisers by CTC of the transformers library: wav2vec 2.0, HuBERT, WavLM, Parakeet, ..."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from mmbench.adapters.hf.model import Parts
from mmbench.adapters.hf.sound import SoundModel
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.profile.stage import stage

_NO_TRANSCRIPT = "the model gave NaN logits, which are no transcript"
_COUNTERS = ("_get_feat_extract_output_lengths", "_get_subsampling_output_length")
"""Methods of the library's models that tell how many frames are made of so many samples or features."""


class CTC(SoundModel):
    """A network that tells a symbol or none for each frame; generates.

    Decoding is greedy: the most probable symbol of each frame, repeats as one, then blanks as none (Graves et al.
    2006), without a language model. Recordings of any length are read whole. A sample without sound is answered with
    "".
    """

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a recogniser.

        Raises:
            UsageError: no tokenizer or no feature extractor comes with it.
        """
        super().__init__(parts)
        self.tokenizer: Any = getattr(parts.processor, "tokenizer", None)
        if self.tokenizer is None:
            raise UsageError(f"{parts.name} comes without a tokenizer, so that its symbols have no names")
        own = getattr(parts.pretrained.config, "blank_token_id", None)
        self._blank: int = self.tokenizer.pad_token_id if own is None else own
        self._count = next((getattr(parts.pretrained, n) for n in _COUNTERS if hasattr(parts.pretrained, n)), None)
        self.apart = self.apart or self._count is None

    def settings(self) -> dict[str, Any]:
        """How frames become a text."""
        return {"decoding": "greedy"}

    def generate(self, batch: Batch) -> Sequence[str | Exception]:
        """A transcript of each recording, as the tokenizer writes it; an error in place of one of NaN."""
        texts: list[str | Exception] = [""] * batch.size
        for rows, arguments in self.calls(batch):
            with stage("encode.audio"):
                logits: Tensor = self.pretrained(**arguments).logits
            with stage("search"):
                paths: list[list[int]] = logits.argmax(dim=2).tolist()
                undefined: list[list[bool]] = logits.isnan().any(dim=2).tolist()
                counts = self._frames(arguments, logits.shape[1])
                for row, path, holes, count in zip(rows, paths, undefined, counts, strict=True):
                    texts[row] = ValueError(_NO_TRANSCRIPT) if any(holes[:count]) else self._text(path[:count])
        return texts

    def _frames(self, arguments: dict[str, Any], count: int) -> list[int]:
        """Of `count` frames those that are of the recording and not of the padding after it, for each row."""
        size = len(next(iter(arguments.values())))
        mask = arguments.get(self._mask) if self._mask is not None else None
        if mask is None or self._count is None:
            return [count] * size
        lengths: list[int] = torch.as_tensor(self._count(mask.sum(dim=1))).clamp(max=count).tolist()
        return lengths

    def _text(self, path: list[int]) -> str:
        symbols = [symbol for symbol, _ in groupby(path) if symbol != self._blank]
        text: str = self.tokenizer.decode(symbols, group_tokens=False)
        return text.strip()
