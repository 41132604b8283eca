"""Raw values to sound: what `Sample.inputs["audio"]` may hold, opened only when a batch is made."""

import io
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmbench.data.annotations import shown
from mmbench.data.audio_header import damage
from mmbench.data.decode import DecodeError
from mmbench.profile.stage import DECODE, in_stage
from mmbench.sample import Audio

if TYPE_CHECKING:
    from soundfile import SoundFile

Samples = NDArray[np.float32]

_MP3_FRAME = 1152  # samples; where no header gives the length of an MP3, libsndfile guesses it to one frame
_UNKNOWN = 2**62  # libsndfile gives such a number of samples where a FLAC file was written into a pipe and has none
_BLOCK = 1 << 16  # samples
_OVERSHOOT_S = 0.5  # a slice may end so much after its file: annotations are rounded


@dataclass(frozen=True, slots=True)
class AudioSlice:
    """A stretch of an audio file, from `start` to `stop` in seconds."""

    path: Path
    start: float
    stop: float


@dataclass(frozen=True, slots=True)
class RawAudio:
    """A file of nothing but 16-bit samples of one channel; `rate` in Hz."""

    path: Path
    rate: int
    endian: Literal["big", "little"]


AudioFile = Path | str | AudioSlice | Mapping[str, Any]
"""A file, a part of one, or a cell {"bytes", "path"} as `datasets` has them."""

AudioValue = AudioFile | RawAudio | Audio
"""What a sample may hold."""


@in_stage(DECODE)
def load_audio(value: AudioValue, rate: int | None = None, mono: bool = True) -> Audio:
    """Decode audio: WAV, FLAC, Ogg (Vorbis, Opus), MP3 or NIST SPHERE (PCM), of any rate and number of channels.

    Args:
        value: what a sample holds.
        rate: Hz to resample to, by a polyphase filter; `None` for the rate that it has.
        mono: average the channels.

    Returns:
        float32 with full scale 1, [T], or [C, T] where `mono` is false and there are several channels.

    Raises:
        DecodeError: missing, truncated, damaged, of another format, of zero length, or with NaN or infinite samples.
    """
    name = _name(value)
    samples, own_rate = _decode(value, name)
    if not samples.size:
        raise DecodeError(f"{name}: no sound, its length is 0")
    finite = np.isfinite(samples)
    if not finite.all():
        first = int(np.argmin(finite.all(axis=0)))
        raise DecodeError(f"{name}: {(~finite).sum()} samples are NaN or infinite, first at {first / own_rate:.3f} s")
    if mono and len(samples) > 1:
        samples = samples.mean(axis=0, keepdims=True)
    if rate is not None and rate != own_rate:
        samples = _resample(samples, own_rate, rate)
    return Audio(samples[0] if len(samples) == 1 else samples, rate or own_rate)


def duration(value: AudioValue) -> float:
    """Seconds of audio, from the header; only a FLAC file whose header does not tell, having been a stream, is decoded.

    Raises:
        DecodeError: the file is missing, or its header says that it cannot be read.
    """
    name = _name(value)
    if isinstance(value, Audio):
        return float(value.samples.shape[-1] / value.rate)
    if isinstance(value, RawAudio):
        with _failing(name):
            return value.path.stat().st_size / (2 * value.rate)
    with _opened(value, name) as sound:
        present = sound.frames if sound.frames < _UNKNOWN else sum(map(len, _blocks(sound)))
        _, frames = _span(value, present, sound.samplerate, name)
        return float(frames / sound.samplerate)


def _decode(value: AudioValue, name: str) -> tuple[Samples, int]:
    """The samples, [C, T], and their rate."""
    if isinstance(value, Audio):
        return np.atleast_2d(np.asarray(value.samples, dtype=np.float32)), value.rate
    if isinstance(value, RawAudio):
        with _failing(name):
            data = value.path.read_bytes()
        if len(data) % 2:
            raise DecodeError(f"{name}: truncated: {len(data)} bytes are no whole number of 16-bit samples")
        integers = np.frombuffer(data, dtype=">i2" if value.endian == "big" else "<i2")
        return integers[None].astype(np.float32) / np.float32(32768), value.rate
    with _opened(value, name) as sound:
        if sound.frames >= _UNKNOWN:
            whole = np.concatenate([*_blocks(sound)])
            start, frames = _span(value, len(whole), sound.samplerate, name)
            return np.ascontiguousarray(whole[start : start + frames].T), sound.samplerate
        start, frames = _span(value, sound.frames, sound.samplerate, name)
        if start:
            sound.seek(start)
        read = sound.read(frames, dtype="float32", always_2d=True)
        if len(read) < frames - (_MP3_FRAME if sound.format == "MP3" else 0):
            raise DecodeError(f"{name}: truncated: {len(read)} of {frames} samples are there")
        return np.ascontiguousarray(read.T), sound.samplerate


def _blocks(sound: "SoundFile") -> Iterator[Samples]:
    """All samples of a file whose header does not give their number, [n, C] by [n, C]; the last block may be empty."""
    sound.seekable = lambda: False  # it seeks to where it is, which fails at the end
    full = True
    while full:
        block = sound.read(_BLOCK, dtype="float32", always_2d=True)
        yield block
        full = len(block) == _BLOCK


def _span(value: AudioFile, present: int, rate: int, name: str) -> tuple[int, int]:
    """First sample and number of samples of what a value stands for, in a file that has `present`."""
    if not isinstance(value, AudioSlice):
        return 0, present
    seconds = present / rate
    if not (0 <= value.start < min(value.stop, seconds) and value.stop <= seconds + _OVERSHOOT_S):
        raise DecodeError(f"{name}: no sound from {value.start} to {value.stop} s in {seconds:.2f} s")
    start = round(value.start * rate)
    return start, min(round(value.stop * rate), present) - start


@contextmanager
def _opened(value: AudioFile, name: str) -> Iterator["SoundFile"]:
    from soundfile import LibsndfileError, SoundFile  # noqa: PLC0415  # loads libsndfile

    with _failing(name):
        source = _source(value)
        wrong = damage(io.BytesIO(source)) if isinstance(source, bytes) else _damage_at(source)
        if wrong is not None:
            raise DecodeError(f"{name}: {wrong}")
        try:
            # By its path libsndfile reads faster, and prints nothing when it seeks in vain in a damaged file.
            with SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source) as sound:
                yield sound
        except LibsndfileError as error:
            reason = error.error_string.removeprefix("Error : ").rstrip(".")
            raise DecodeError(f"{name}: cannot be decoded: {reason}") from error


def _damage_at(path: Path) -> str | None:
    status = path.stat()
    return _damage_of(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=4096)
def _damage_of(path: Path, size: int, changed: int) -> str | None:
    """Kept while size and time stay: there may be hundreds of slices of a file, and some formats are walked whole."""
    with path.open("rb") as file:
        return damage(file)


@contextmanager
def _failing(name: str) -> Iterator[None]:
    """A file that cannot be read is a `DecodeError` that names it."""
    try:
        yield
    except FileNotFoundError as error:
        raise DecodeError(f"{name}: no such file") from error
    except OSError as error:
        raise DecodeError(f"{name}: cannot be read: {error.strerror}") from error
    except DecodeError:
        raise
    except ValueError as error:  # a path that no file can have
        raise DecodeError(f"{name}: cannot be read: {error}") from error
    except MemoryError as error:
        raise DecodeError(f"{name}: its header promises more sound than the memory can hold") from error


def _source(value: AudioFile) -> bytes | Path:
    if isinstance(value, AudioSlice):
        return value.path
    if not isinstance(value, Mapping):
        return Path(value)
    if value.get("bytes") is None and not value.get("path"):
        raise DecodeError("a cell with neither the bytes of a sound nor its path")
    return Path(value["path"]) if value.get("bytes") is None else bytes(value["bytes"])


def _name(value: AudioValue) -> str:
    """What messages call it."""
    path = value.get("path") if isinstance(value, Mapping) else getattr(value, "path", value)
    return shown(Path(path)) if isinstance(path, Path | str) else "audio in memory"


def _resample(samples: Samples, old: int, new: int) -> Samples:
    from scipy.signal import resample_poly  # noqa: PLC0415  # takes half a second to import

    common = math.gcd(old, new)
    return np.asarray(resample_poly(samples, new // common, old // common, axis=1), dtype=np.float32)
