"""Audio classifiers of the transformers library: AST, and heads on wav2vec 2.0, HuBERT, WavLM, Whisper, ..."""

from typing import Any

from torch import Tensor

from mmbench.adapters.hf.labels import class_names, named_by
from mmbench.adapters.hf.model import Parts
from mmbench.adapters.hf.sound import SoundModel
from mmbench.model import Batch
from mmbench.profile.stage import stage

_FRAME_S = 0.01  # of Kaldi's filter banks, which AST reads


class AudioClassifier(SoundModel):
    """A network that tells the class of a recording; classifies.

    Models with a fixed window (AST about 10 s, Whisper 30 s) read no more of a recording than that, and the settings
    say so; the others read it whole. A sample without sound gets equal logits, which say nothing.

    Attributes:
        labels: the classes in the order of the logits.
    """

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a classifier.

        Raises:
            UsageError: no feature extractor comes with it, or its classes have no names and are not as many as those
                of the data set.
        """
        super().__init__(parts)
        self.labels = class_names(parts)
        self._named_by = named_by(parts)

    def settings(self) -> dict[str, Any]:
        """Whose names the classes have, and how much of a recording is read; `None` for all."""
        return {"labels": self._named_by, "window_s": self._window_s() if self.window else None}

    def _window_s(self) -> float:
        """Seconds of sound in the features, by the numbers that the library's extractors have of it."""
        if hasattr(self.extractor, "n_samples"):
            return float(self.extractor.n_samples / self.rate)
        return float(self.extractor.max_length * _FRAME_S)

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        logits = batch.mask[self.modalities[0]].new_zeros((batch.size, len(self.labels)), dtype=self.dtype)
        for rows, arguments in self.calls(batch):
            with stage("encode.audio"):
                logits[rows] = self.pretrained(**arguments).logits.to(logits.dtype)
        return logits
