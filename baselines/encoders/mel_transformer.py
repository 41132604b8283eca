"""Audio encoder: a Transformer over subsampled log-mel frames."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from mmbench.attention import Steps
from mmbench.encoder import Encoder
from mmbench.fusion import present
from mmbench_baselines.checks import require_positive
from mmbench_baselines.encoders.log_mel import LogMel
from mmbench_baselines.encoders.mel_conv import MelConv, halved, zero_masked
from mmbench_baselines.fusions.transformer_block import TransformerBlock
from mmbench_baselines.positions import sinusoids


class MelTransformer(Encoder):
    """Two convolutions that keep a quarter of the log-mel frames, then pre-norm Transformer layers and a layer norm.

    The form of the Speech-Transformer (Dong et al. 2018): a token every 40 ms. Positions are sinusoids (Vaswani et al.
    2017), which have no last one, so sound of any length is read whole; attention needs memory and time in proportion
    to the square of its length (a minute is 1,500 tokens). Padding answers no query.

    Parameters: 98,976 at width 64.
    """

    modality = "audio"

    def __init__(
        self,
        width: int,
        rate: int = 16_000,
        mels: int = 40,
        channels: int = 32,
        layers: int = 2,
        heads: int = 4,
        expansion: int = 2,
    ) -> None:
        """Args:
        width: D of the tokens.
        rate: Hz that sound is resampled to.
        mels: bins of frequency.
        channels: of the two convolutions.
        layers: Transformer layers.
        heads: of attention; the largest number up to this that divides `width` is taken.
        expansion: hidden width of the feed-forward layers in multiples of `width`.

        Raises:
            ValueError: an option is below 1, or there are too many bins for the rate.
        """
        super().__init__(width)
        require_positive(channels=channels, layers=layers, heads=heads, expansion=expansion)
        self.mel = LogMel(rate, mels)
        self.subsampling = nn.ModuleList([MelConv(mels, 1, channels), MelConv(halved(mels), channels, channels)])
        self.project = nn.Linear(channels * halved(halved(mels)), width)
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, expansion) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def length(self, value: Any) -> int:
        """Its tokens, from its header."""
        return halved(halved(self.mel.frames(value)))

    def places(self, value: Any, count: int) -> Steps:
        """One token after the other."""
        return Steps(self.mel.hop_s * 2 ** len(self.subsampling))

    def prepare(self, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Sounds to log-mel frames float32 [B, T, mels] and mask [B, T]."""
        return self.mel.batch(values)

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Frames [B, T, mels] -> tokens [B, T', D] and mask [B, T'], T' = ceil(T / 4)."""
        maps = inputs.to(self.project.weight.dtype).unsqueeze(-1)
        for layer in self.subsampling:
            maps, mask = layer(maps, mask)
        tokens = self.project(zero_masked(maps.flatten(2), mask))
        tokens = tokens + sinusoids(tokens.shape[1], self.width).to(tokens)
        # A softmax over no token at all is NaN, so where the sound is missing every (masked) token answers.
        answers = mask | ~present(mask).unsqueeze(1)
        for block in self.blocks:
            tokens = block(tokens, answers)
        return self.norm(tokens), mask
