"""The convolution that encoders of log-mel frames begin with: strided, and blind to padding."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class MelConv(nn.Module):
    """3 x 3 convolution of stride 2 over time and frequency, layer norm of each frame, ReLU.

    What stands under the mask is zeroed first, so that a clip's end looks the same with and without padding after it;
    the norm takes its mean and deviation over the channels and bins of one frame, so that no frame and no clip has a
    part in another's.

    Parameters: 9·C·C' + C' for the convolution, 2·C'·ceil(bins / 2) for the norm.
    """

    def __init__(self, bins: int, before: int, after: int) -> None:
        """Args:
        bins: of frequency that come in; half as many, rounded up, go out.
        before: channels in, C.
        after: channels out, C'.
        """
        super().__init__()
        self.convolution = nn.Conv2d(before, after, kernel_size=3, stride=2, padding=1)
        self.bins = halved(bins)
        self.norm = nn.LayerNorm((self.bins, after))

    def forward(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """[B, T, bins, C] and mask [B, T] -> [B, ceil(T / 2), ceil(bins / 2), C'] and mask [B, ceil(T / 2)]."""
        maps = self.convolution(zero_masked(inputs, mask).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        # The frame at t is centred on the frame at 2t that came in.
        return F.relu(self.norm(maps)), mask[:, ::2]


def zero_masked(frames: Tensor, mask: Tensor) -> Tensor:
    """Frames [B, T, ...] with zeros wherever the mask [B, T] is false, whatever stood there."""
    return torch.where(mask.view(*mask.shape, *[1] * (frames.dim() - 2)), frames, 0.0)


def halved(count: int) -> int:
    """Frames or bins that are left of `count` after one such convolution."""
    return (count + 1) // 2
