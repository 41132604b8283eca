"""SpecAugment: stripes of a spectrogram hidden while a model learns."""

import torch
from torch import Tensor

_TIMES = 4
_LONGEST = 20  # frames: 0.2 s where a frame comes every 10 ms
_SHARE = 0.1  # of a clip that one stripe in time may hide
_BANDS = 2
_WIDEST = 0.25  # of the bins, that one band may hide


def spec_augment(frames: Tensor, mask: Tensor) -> Tensor:
    """Zero random stripes of frames [B, T, F] under a mask [B, T] (Park et al. 2019, without the time warping).

    Each clip loses up to 4 stripes of at most 0.2 s, none longer than a tenth of it, and up to 2 bands of at most a
    quarter of the bins; sizes and places are uniform. Zero is a clip's mean as `LogMel` makes it.
    """
    lengths = mask.sum(dim=1).to(torch.float32)
    bins = torch.full_like(lengths, frames.shape[2])
    times = _stripes(lengths, (lengths * _SHARE).clamp(max=_LONGEST), _TIMES, frames.shape[1])
    bands = _stripes(bins, bins * _WIDEST, _BANDS, frames.shape[2])
    return frames.masked_fill(times.unsqueeze(2) | bands.unsqueeze(1), 0.0)


def _stripes(lengths: Tensor, longest: Tensor, count: int, size: int) -> Tensor:
    """Where `count` random stripes lie, bool [B, size], for clips of `lengths` [B] and stripes up to `longest` [B]."""
    draws = torch.rand(2, len(lengths), count, 1, device=lengths.device)
    widths = draws[0] * longest.view(-1, 1, 1)
    starts = draws[1] * (lengths.view(-1, 1, 1) - widths)
    places = torch.arange(size, device=lengths.device) + 0.5
    return ((places >= starts) & (places < starts + widths)).any(dim=1)
