"""Noises by modality: what a robustness curve goes through."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from numpy.random import Generator

from mmbench.data.audio_noise import drop_spans, white
from mmbench.data.image_noise import blur, gaussian, occlude, recolour
from mmbench.data.text_noise import drop_words, mistype, swap_words
from mmbench.sample import Modality


@dataclass(frozen=True, slots=True)
class Noise:
    """A noise of one modality, from level 0 to 1.

    At level 0 a value stays the very object that it is. With the same random state a higher level does more of the same
    (the same field scaled, the same words and further ones), so that the distance to the clean value does not fall; of
    the approximate `blur` that holds on average.

    Attributes:
        summary: one line for people.
        make: a new value from value, level above 0 and random state; never changes the value that it is given.
    """

    summary: str
    make: Callable[[Any, float, Generator], Any]

    def __call__(self, value: Any, level: float, random: Generator) -> Any:
        """The value under noise of that level.

        Raises:
            DecodeError: an image or a sound cannot be decoded.
        """
        return self.make(value, float(level), random) if level > 0 else value


NOISES: Mapping[str, Mapping[str, Noise]] = {
    Modality.IMAGE: {
        "gaussian": Noise("normal noise of each value, with a deviation of LEVEL times the full range", gaussian),
        "blur": Noise("a Gaussian blur, with a deviation of LEVEL times a quarter of the shorter side", blur),
        "occlusion": Noise("a grey rectangle at random over LEVEL of the area", occlude),
        "colour": Noise("LEVEL of the way to channels that change places under a coloured light", recolour),
    },
    Modality.TEXT: {
        "swap": Noise("a word and the next change places, with probability LEVEL", swap_words),
        "typo": Noise("a letter of a word becomes another, with probability LEVEL", mistype),
        "drop": Noise("a word is left out, with probability LEVEL", drop_words),
    },
    Modality.AUDIO: {
        "white": Noise("white noise of LEVEL times the sound's RMS: an SNR of -20 log10(LEVEL) dB", white),
        "dropout": Noise("silence in spans of 50 ms at random, LEVEL of the time", drop_spans),
    },
}
"""By modality and name."""
