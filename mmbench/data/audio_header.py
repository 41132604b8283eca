"""Whether an audio file is one that is read here, and whole, from what its first and last bytes promise.

libsndfile reads what is left of a truncated WAV, SPHERE, Ogg or MP3 file without a word; these checks tell.
"""

import os
import struct
from typing import BinaryIO

from mmbench.data.mp3 import mp3_damage
from mmbench.data.ogg import ogg_damage

_UNKNOWN_SIZE = 0x7FFFF000  # this and more is what programs that write WAV into a pipe leave in place of the size


def damage(file: BinaryIO) -> str | None:
    """What is wrong with an audio file, in words; `None` for a whole one, as far as can be told without decoding."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    if not start:
        return "an empty file"
    if start[:4] in (b"RIFF", b"RIFX") and start[8:] == b"WAVE":
        return _wav(file, size, "<I" if start[:4] == b"RIFF" else ">I")
    if start.startswith(b"NIST_1A"):
        return _sphere(file, size)
    if start.startswith(b"OggS"):
        file.seek(0)
        return ogg_damage(file.read())
    if start.startswith(b"fLaC"):
        return None  # its decoder checks every frame
    if start.startswith(b"ID3") or (start[0] == 0xFF and start[1:] and start[1] & 0xE0 == 0xE0):
        file.seek(0)
        return mp3_damage(file.read())
    return "not a WAV, FLAC, Ogg, MP3 or SPHERE file"


def _wav(file: BinaryIO, size: int, word: str) -> str | None:
    position = 12
    while position + 8 <= size:
        file.seek(position)
        header = file.read(8)
        (length,) = struct.unpack(word, header[4:])
        if header[:4] == b"data":
            return None if length >= _UNKNOWN_SIZE else _shorter(size - position - 8, length)
        position += 8 + length + length % 2  # chunks start at even positions
    return "truncated: its chunk of sound is missing"


def _sphere(file: BinaryIO, size: int) -> str | None:
    fields = _sphere_fields(file)
    coding = fields.get("sample_coding", "pcm")
    if "," in coding:  # "pcm,embedded-shorten-v2.00"
        return f"compressed SPHERE ({coding}) is not read; convert it to WAV or FLAC, with sph2pipe for example"
    try:
        frame = int(fields.get("channel_count", "1")) * int(fields.get("sample_n_bytes", "2"))
        return _shorter(size - int(fields["header"]), int(fields["sample_count"]) * frame)
    except (KeyError, ValueError):
        return None  # not every header gives the count; libsndfile judges the rest of it


def _sphere_fields(file: BinaryIO) -> dict[str, str]:
    """Fields of a SPHERE header by name, and its length in bytes as `header`."""
    file.seek(8)
    length = file.read(8).strip()
    if not length.isdigit():
        return {}
    text = file.read(max(0, int(length) - 16)).decode("ascii", errors="replace")
    lines = (line.split(maxsplit=2) for line in text.partition("end_head")[0].splitlines())
    return {"header": length.decode()} | {line[0]: line[2] for line in lines if len(line) == 3}


def _shorter(present: int, promised: int) -> str | None:
    return None if promised <= present else f"truncated: {max(present, 0)} of {promised} bytes of sound are there"
