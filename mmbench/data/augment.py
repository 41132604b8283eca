"""Variations of a value that leave its meaning: what training sees of it, each time another.

A text stays as it is: without a word, or with another in its place, a question has another answer ("is it red?").
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.random import Generator
from PIL import Image, ImageEnhance

from mmbench.data.audio import load_audio
from mmbench.data.decode import load_image
from mmbench.sample import Audio, Modality

_CROP = 0.15  # of each side that is cut off at most, both ends together
_LIGHT = 0.2  # change of brightness and of contrast at most, as a share
_SPEED = 0.1  # change of speed at most (Ko et al. 2015, "Audio Augmentation for Speech Recognition")
_GAIN_DB = 6.0
_SNR_DB = (15.0, 40.0)


def augment_image(value: Any, random: Generator) -> Image.Image:
    """Cut off up to 15 % of each side and stretch back, and change brightness and contrast by up to 20 %.

    Not mirrored and not turned, since digits, texts and "left of" would change their meaning.

    Raises:
        DecodeError: the image cannot be decoded.
    """
    image = load_image(value)
    width, height = image.size
    cut = random.uniform(0.0, _CROP, size=2)
    left, top = cut * random.uniform(size=2)
    box = (left * width, top * height, (1.0 - cut[0] + left) * width, (1.0 - cut[1] + top) * height)
    image = image.resize((width, height), Image.Resampling.BILINEAR, box=box)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast):
        image = enhance(image).enhance(random.uniform(1.0 - _LIGHT, 1.0 + _LIGHT))
    return image


def augment_audio(value: Any, random: Generator) -> Audio:
    """Play up to 10 % faster or slower, up to 6 dB louder or softer, under white noise of 15 to 40 dB SNR.

    Returns:
        One channel, at the rate it had.

    Raises:
        DecodeError: the sound cannot be decoded.
    """
    audio = load_audio(value)
    speed = random.uniform(1.0 - _SPEED, 1.0 + _SPEED)
    length = max(1, round(len(audio.samples) / speed))
    samples = np.interp(np.arange(length) * speed, np.arange(len(audio.samples)), audio.samples)
    level = np.sqrt(np.mean(samples**2)) * 10.0 ** (-random.uniform(*_SNR_DB) / 20.0)
    samples = samples + level * random.standard_normal(length)
    samples *= 10.0 ** (random.uniform(-_GAIN_DB, _GAIN_DB) / 20.0)
    return Audio(samples.astype(np.float32), audio.rate)


AUGMENT: Mapping[str, Callable[[Any, Generator], Any]] = {
    Modality.IMAGE: augment_image,
    Modality.AUDIO: augment_audio,
}
"""By modality; one that is not here, as text is not, stays as it is."""
