"""Sound to log-mel frames, in loader workers: what every audio encoder that is trained from scratch here reads."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mmbench.data.audio import duration, load_audio
from mmbench.data.decode import DecodeError

_WINDOW_S = 0.025
_HOP_S = 0.010
_DYNAMIC_RANGE = 8.0  # powers of ten under a clip's loudest bin; digital silence would be without bound
_BLOCK = 4096  # frames transformed at once, so that an hour of sound needs no gigabytes


class LogMel:
    """Log-mel spectrogram of one sound or of a batch of them: a frame every 10 ms, of 25 ms under a Hann window.

    Sound of any rate is resampled, several channels are averaged. Power in triangular filters on Slaney's mel scale
    from 0 Hz to rate / 2, its logarithm cut off 80 dB under the clip's loudest bin. The clip's mean over all frames
    and bins is taken off and the result divided by its deviation over them: how loud a recording is makes no
    difference, its spectrum stays, and a silent clip is all zeros. Frames start at the first sample; zeros fill the
    last one, so that the shortest clip has one frame. Nothing depends on other clips of a batch.
    """

    def __init__(self, rate: int = 16_000, mels: int = 40) -> None:
        """Args:
            rate: Hz that sound is resampled to, 100 at least.
            mels: number of filters.

        Raises:
            ValueError: `rate` is too low, or `mels` too many for it.
        """
        if rate < 100 or mels < 1:
            raise ValueError(f"log-mel frames need rate >= 100 and mels >= 1, not rate={rate} and mels={mels}")
        self.rate = rate
        self.mels = mels
        self.window = round(_WINDOW_S * rate)
        self.hop = round(_HOP_S * rate)
        self._window = torch.hann_window(self.window, device="cpu")
        self._filters = _filters(rate, mels, _fft_size(self.window))

    @property
    def hop_s(self) -> float:
        """Seconds from one frame to the next."""
        return self.hop / self.rate

    def frames(self, value: Any) -> int:
        """Frames of a sound, from its header alone: where it is resampled this may be one off.

        0 for a file that cannot be read, so that it is reported when its batch is made, and alone.
        """
        try:
            return self._frames(round(duration(value) * self.rate))
        except DecodeError:
            return 0

    def spectrogram(self, value: Any) -> Tensor:
        """Decode a sound to float32 [frames, mels].

        Raises:
            DecodeError: it cannot be decoded.
        """
        samples = torch.from_numpy(np.array(load_audio(value, rate=self.rate).samples))  # which may be read-only
        count = self._frames(len(samples))
        padded = F.pad(samples, (0, (count - 1) * self.hop + self.window - len(samples)))
        energies = [self._energies(frames) for frames in padded.unfold(0, self.window, self.hop).split(_BLOCK)]
        logs = torch.cat(energies).clamp(min=1e-10).log10()
        logs = logs.clamp(min=float(logs.max()) - _DYNAMIC_RANGE)
        deviation, mean = torch.std_mean(logs, correction=0)
        return (logs - mean) / deviation.clamp(min=1e-3)

    def batch(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Decode B sounds, `None` where missing, to float32 [B, T, mels] and mask [B, T].

        T is that of the longest, and at least 1; zeros and a false mask stand after a clip's end and where there is
        none.
        """
        spectrograms = [None if value is None else self.spectrogram(value) for value in values]
        longest = max([1, *(len(s) for s in spectrograms if s is not None)])
        inputs = torch.zeros(len(values), longest, self.mels)
        mask = torch.zeros(len(values), longest, dtype=torch.bool)
        for row, spectrogram in enumerate(spectrograms):
            if spectrogram is not None:
                inputs[row, : len(spectrogram)] = spectrogram
                mask[row, : len(spectrogram)] = True
        return inputs, mask

    def _frames(self, samples: int) -> int:
        return 1 + max(0, -((self.window - samples) // self.hop))

    def _energies(self, frames: Tensor) -> Tensor:
        """Mel energies [n, mels] of waveform frames [n, window]."""
        # Not NumPy, whose matrix product would start as many threads in each loader worker as there are cores.
        spectrum = torch.fft.rfft(frames * self._window, n=_fft_size(self.window))
        return (spectrum.real.square() + spectrum.imag.square()) @ self._filters


def _fft_size(window: int) -> int:
    return 1 << (window - 1).bit_length()


@lru_cache
def _filters(rate: int, mels: int, fft_size: int) -> Tensor:
    """Triangular filters [fft_size / 2 + 1, mels]."""
    from transformers.audio_utils import hertz_to_mel, mel_filter_bank, mel_to_hertz  # noqa: PLC0415  # half a second

    edges = mel_to_hertz(np.linspace(0.0, hertz_to_mel(rate / 2, "slaney"), mels + 2), "slaney")
    if (edges[2:] - edges[:-2]).min() <= rate / fft_size:
        raise ValueError(f"mels={mels} is too many at rate={rate}: a filter would hold no frequency of the spectrum")
    filters = mel_filter_bank(fft_size // 2 + 1, mels, 0.0, rate / 2, rate, mel_scale="slaney")
    return torch.from_numpy(filters).float()
