"""Noises of sounds: any sound that a sample may hold to a new one of the same rate and length, on one channel."""

from typing import Any

import numpy as np
from numpy.random import Generator

from mmbench.data.audio import load_audio
from mmbench.sample import Audio

_SPAN_S = 0.05  # shorter than most sounds of speech, so that words lose parts before they are lost


def white(value: Any, level: float, random: Generator) -> Audio:
    """White noise whose RMS is `level` times that of the whole sound: an SNR of -20 log10(level) dB, 0 dB at level 1.

    Silence stays silent. Nothing is cut off: where the sum leaves full scale, floats hold it.
    """
    audio = load_audio(value)
    noise = random.standard_normal(len(audio.samples))
    scale = level * _rms(audio.samples) / _rms(noise)
    return Audio((audio.samples + scale * noise).astype(np.float32), audio.rate)


def drop_spans(value: Any, level: float, random: Generator) -> Audio:
    """Spans of 50 ms fall silent, in an order drawn at random, until the share `level` of all samples has.

    The last of them is silent in part. A higher level silences more in the same order.
    """
    audio = load_audio(value)
    samples = np.array(audio.samples)
    length = max(1, round(_SPAN_S * audio.rate))
    order = random.permutation(-(-len(samples) // length))
    positions = (order[:, None] * length + np.arange(length)).ravel()
    positions = positions[positions < len(samples)]
    samples[positions[: round(level * len(samples))]] = 0.0
    return Audio(samples, audio.rate)


def _rms(samples: Any) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
