"""Audio encoder: a small strided convolutional network over log-mel frames."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.attention import Steps
from mmbench.encoder import Encoder
from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.log_mel import LogMel
from mmbench_baselines.encoders.mel_conv import MelConv, halved, zero_masked


class MelCNN(Encoder):
    """Small CNN over log-mel frames: 3 x 3 convolutions of stride 2, then one over 3 frames and all frequencies.

    With the three strided convolutions of the default a token comes every 80 ms and sees 325 ms of sound. Each layer
    has a norm per frame in place of batch norm, whose statistics would take in padding and other clips, and a ReLU.
    Sound of any length is read whole: T is an eighth of the frames, rounded up.

    Parameters: 51,968 at width 64.
    """

    modality = "audio"

    def __init__(self, width: int, rate: int = 16_000, mels: int = 40, channels: Sequence[int] = (32, 32, 32)) -> None:
        """Args:
        width: D of the tokens, the channels of the last convolution.
        rate: Hz that sound is resampled to.
        mels: bins of frequency.
        channels: of the strided convolutions; each of them halves the number of frames and of bins.

        Raises:
            ValueError: an option is below 1, or there are too many bins for the rate.
        """
        super().__init__(width)
        require_positive(**{f"channels[{index}]": count for index, count in enumerate(channels)})
        self.mel = LogMel(rate, mels)
        self.layers = nn.ModuleList()
        for before, after in pairwise([1, *channels]):
            self.layers.append(MelConv(mels, before, after))
            mels = halved(mels)
        self.last = nn.Conv1d(mels * (channels[-1] if channels else 1), width, kernel_size=3, padding=1)
        self.norm = nn.LayerNorm(width)

    def length(self, value: Any) -> int:
        """Its tokens, from its header."""
        frames = self.mel.frames(value)
        for _ in self.layers:
            frames = halved(frames)
        return frames

    def places(self, value: Any, count: int) -> Steps:
        """One token after the other."""
        return Steps(self.mel.hop_s * 2 ** len(self.layers))

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Sounds to log-mel frames float32 [B, T, mels] and mask [B, T]."""
        return self.mel.batch(values)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, T, mels] -> tokens [B, T', D] and mask [B, T'], T' = ceil(T / 2^layers)."""
        maps = inputs.to(self.last.weight.dtype).unsqueeze(-1)
        for layer in self.layers:
            maps, mask = layer(maps, mask)
        frames = zero_masked(maps.flatten(2), mask)
        return F.relu(self.norm(self.last(frames.transpose(1, 2)).transpose(1, 2))), mask
