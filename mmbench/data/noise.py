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
        make: a new value from value, level above 0 and random state; never changes the value that it is given.
    """

    make: Callable[[Any, float, Generator], Any]

    def __call__(self, value: Any, level: float, random: Generator) -> Any:
        """The value under noise of that level.

        Raises:
            DecodeError: an image or a sound cannot be decoded.
        """
        return self.make(value, float(level), random) if level > 0 else value


NOISES: Mapping[str, Mapping[str, Noise]] = {
    Modality.IMAGE: {
        "gaussian": Noise(gaussian),
        "blur": Noise(blur),
        "occlusion": Noise(occlude),
        "colour": Noise(recolour),
    },
    Modality.TEXT: {
        "swap": Noise(swap_words),
        "typo": Noise(mistype),
        "drop": Noise(drop_words),
    },
    Modality.AUDIO: {
        "white": Noise(white),
        "dropout": Noise(drop_spans),
    },
}
"""By modality and name; what each does in a line: `mmbench.data.noise_summaries`."""
