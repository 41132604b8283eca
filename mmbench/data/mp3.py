"""Whether an MP3 file is whole: its frames, walked one by one (ISO/IEC 11172-3 and 13818-3, layer III).

An MP3 file has no length of its own. Decoders guess it from the first frame unless a Xing header gives the number of
frames, and a file of variable bit rate without one is then read in part, without a word.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

_KBITS_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)  # a second, by index; 0: free format
_KBITS_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44_100, 48_000, 32_000)  # Hz of MPEG-1; half for 2, a quarter for 2.5
_TAGS = (b"TAG", b"APETAGEX", b"ID3", b"LYRICS")  # what may follow the last frame
_XING = (b"Xing", b"Info")


class _Frame(NamedTuple):
    start: int
    length: int
    kbits: int


def mp3_damage(data: bytes) -> str | None:
    """What is wrong with an MP3 file; `None` for a whole one, or one of free format, which cannot be walked."""
    frames = list(_frames(data, _after_id3(data)))
    if not frames:
        return "not an MP3 file: it has no frame of sound"
    if frames[-1].length == 0:
        return None
    end = frames[-1].start + frames[-1].length
    if end > len(data):
        return f"truncated: the last frame ends {end - len(data)} bytes after the file"
    rest = data[end:]
    if rest.strip(b"\0") and not rest.lstrip(b"\0").startswith(_TAGS):
        return f"damaged: no frame at byte {end}"
    promised = _promised(data, frames[0])
    if promised is not None:
        present = len(frames) - 1  # the frame with the Xing header holds no sound
        return f"truncated: {present} of {promised} frames are there" if present < promised else None
    if len({frame.kbits for frame in frames}) > 1:
        return "MP3 of variable bit rate without a Xing header, so of unknown length; convert it to WAV or FLAC"
    return None


def _frames(data: bytes, start: int) -> Iterator[_Frame]:
    """Frames in a row, up to the first thing that is none; the last may end after the data."""
    while start + 4 <= len(data) and (frame := _frame(data, start)):
        yield frame
        if frame.length == 0:
            return
        start += frame.length


def _frame(data: bytes, start: int) -> _Frame | None:
    (header,) = struct.unpack_from(">I", data, start)
    sync, version, layer = header >> 21, header >> 19 & 3, header >> 17 & 3
    kbits, rate, padding = header >> 12 & 15, header >> 10 & 3, header >> 9 & 1
    if sync != 0x7FF or version == 1 or layer != 1 or kbits == 15 or rate == 3:
        return None
    first = version == 3
    hertz = _RATES[rate] // (1 if first else 2 if version == 2 else 4)
    bits = (_KBITS_1 if first else _KBITS_2)[kbits]
    length = (144 if first else 72) * bits * 1000 // hertz + padding if bits else 0
    return _Frame(start, length, bits)


def _after_id3(data: bytes) -> int:
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:  # seven bits each
        size = size << 7 | byte & 0x7F
    return 10 + size


def _promised(data: bytes, first: _Frame) -> int | None:
    """The number of frames that a Xing header gives; before it lie 4 bytes of header, 2 of checksum and then zeros."""
    head = data[first.start : first.start + 64]
    for mark in _XING:
        place = head.find(mark)
        if place > 0 and place + 12 <= len(head) and not head[6:place].strip(b"\0"):  # decoders ignore it otherwise
            flags, frames = struct.unpack_from(">II", head, place + 4)
            return frames if flags & 1 else None
    return None
