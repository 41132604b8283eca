"""Synthesised speech as if it had been recorded: at a sampling rate, a level, and with noise."""

from math import gcd
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.05
"""Root mean square of the speech in every recording (full scale is 1), before noise."""

PEAK = 0.99
"""A recording that would go beyond is turned down as a whole, so that nothing is clipped."""


def record(
    speech: NDArray[np.float32], rate: int, to: int, snr: float | None, rng: np.random.RandomState
) -> NDArray[np.float32]:
    """Speech at `rate` Hz, float32 [T], as a recording at `to` Hz, float32 [T * to / rate].

    Args:
        speech: not silent.
        rate: its sampling rate.
        to: the sampling rate of the recording.
        snr: power of the speech over power of the white noise, both over the whole recording, in dB; `None`: no noise.
        rng: draws the noise.
    """
    from scipy.signal import resample_poly  # noqa: PLC0415  # takes half a second to import

    step = gcd(rate, to)
    clip = resample_poly(speech.astype(np.float64), to // step, rate // step)
    clip *= LEVEL / np.sqrt(np.mean(clip**2))
    if snr is not None:
        clip += rng.normal(0.0, LEVEL * 10 ** (-snr / 20), len(clip))
    quieter: NDArray[np.float64] = clip * min(1.0, PEAK / np.abs(clip).max())
    return quieter.astype(np.float32)


def write(path: Path, clip: NDArray[np.float32], rate: int) -> float:
    """Write a recording as 16-bit FLAC; gives its seconds."""
    import soundfile  # noqa: PLC0415  # loads libsndfile

    soundfile.write(path, clip, rate, format="FLAC", subtype="PCM_16")
    return len(clip) / rate
