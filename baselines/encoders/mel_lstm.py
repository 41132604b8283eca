"""Audio encoder: an LSTM over stacked log-mel frames."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.attention import Steps
from mmbench.encoder import Encoder
from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.log_mel import LogMel
from mmbench_baselines.encoders.mel_conv import zero_masked


class MelLSTM(Encoder):
    """LSTM (Hochreiter & Schmidhuber 1997) over log-mel frames, several stacked side by side into one step.

    Stacking is that of Sak et al. 2015: 4 frames of 10 ms give a token every 40 ms. The LSTM runs forward alone, and
    clips are padded on the right, so that no token depends on padding. Sound of any length is read whole.

    Parameters: 4·D·(stack·mels + D + 2), and 8·D·(D + 1) for each layer after the first; 57,856 at width 64.
    """

    modality = "audio"

    def __init__(self, width: int, rate: int = 16_000, mels: int = 40, stack: int = 4, layers: int = 1) -> None:
        """Args:
        width: D, the LSTM's hidden width.
        rate: Hz that sound is resampled to.
        mels: bins of frequency.
        stack: frames to a token.
        layers: LSTM layers.

        Raises:
            ValueError: an option is below 1, or there are too many bins for the rate.
        """
        super().__init__(width)
        require_positive(stack=stack, layers=layers)
        self.mel = LogMel(rate, mels)
        self.stack = stack
        self.lstm = nn.LSTM(stack * mels, width, num_layers=layers, batch_first=True)

    def length(self, value: Any) -> int:
        """Its tokens, from its header."""
        return -(-self.mel.frames(value) // self.stack)

    def places(self, value: Any, count: int) -> Steps:
        """One token after the other."""
        return Steps(self.mel.hop_s * self.stack)

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Sounds to log-mel frames float32 [B, T, mels] and mask [B, T]."""
        return self.mel.batch(values)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, T, mels] -> the LSTM's outputs [B, T', D] and mask [B, T'], T' = ceil(T / stack)."""
        frames = zero_masked(inputs.to(self.lstm.weight_ih_l0.dtype), mask)
        frames = F.pad(frames, (0, 0, 0, -frames.shape[1] % self.stack))
        tokens, _ = self.lstm(frames.unflatten(1, (-1, self.stack)).flatten(2))
        return tokens, mask[:, :: self.stack]
