"""What one sample asks, and the media as a request carries them."""

import io
import wave
from base64 import b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from PIL import Image

from mmbench.sample import Audio

_FULL_SCALE = 32768  # so that 16-bit recordings come out as they were
_QUALITY = 95  # of JPEG, with colour at full resolution


@dataclass(frozen=True, slots=True)
class Question:
    """What one sample asks; what it lacks is left out of the request.

    Attributes:
        text: what the model is told; `None` for a service that is told nothing.
        image: RGB.
        audio: mono.
    """

    text: str | None = None
    image: Image.Image | None = None
    audio: Audio | None = None

    def identity(self) -> dict[str, Any]:
        """The text, and hashes of pixels and samples: the same for the same content, in whatever file it was."""
        return {
            "text": self.text,
            "image": None if self.image is None else _image_hash(self.image),
            "audio": None if self.audio is None else _audio_hash(self.audio),
        }


def _image_hash(image: Image.Image) -> str:
    return sha256(f"{image.mode} {image.width}x{image.height} ".encode() + image.tobytes()).hexdigest()


def _audio_hash(audio: Audio) -> str:
    return sha256(f"{audio.rate} Hz ".encode() + np.ascontiguousarray(audio.samples, dtype="<f4").tobytes()).hexdigest()


def data_url(image: Image.Image, kind: Literal["png", "jpeg"]) -> str:
    """An image as the `data:` URL of a file."""
    file = io.BytesIO()
    if kind == "png":
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=_QUALITY, subsampling=0)
    return f"data:image/{kind};base64,{b64encode(file.getvalue()).decode()}"


def wav(audio: Audio) -> bytes:
    """A WAV file of 16 bits, mono, at the rate that the sound has."""
    samples = np.clip(np.rint(audio.samples * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(audio.rate)
        writer.writeframes(samples.tobytes())
    return file.getvalue()
