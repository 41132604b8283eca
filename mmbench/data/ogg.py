"""Whether an Ogg file is whole: its pages, walked one by one with their checksums (RFC 3533).

libsndfile leaves out pages that are damaged or missing, and decodes the rest as if nothing had been there.
"""

import struct
import zlib

_HEADER = 27  # bytes of a page before its lacing values
_LAST = 4  # flag of the page that ends a stream
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
"""Each byte with its bits in reverse order."""


def ogg_damage(data: bytes) -> str | None:
    """What is wrong with an Ogg file; `None` for a whole one."""
    position, ended = 0, False
    while data.startswith(b"OggS", position):
        if len(data) < position + _HEADER:
            return "truncated: its last page is cut"
        lacing = data[position + _HEADER : position + _HEADER + data[position + 26]]
        length = _HEADER + data[position + 26] + sum(lacing)
        page = data[position : position + length]
        if len(page) < length:
            return "truncated: its last page is cut"
        if _checksum(page[:22] + bytes(4) + page[26:]) != struct.unpack_from("<I", page, 22)[0]:
            return f"damaged: the page at byte {position} has another checksum"
        ended = bool(page[5] & _LAST)
        position += length
    if ended:
        return None  # whatever follows is no sound
    return "truncated: the stream has no end" if len(data) - position < 4 else f"damaged: no page at byte {position}"


def _checksum(page: bytes) -> int:
    """CRC-32 with the most significant bit first, from 0: zlib's, which goes the other way, on mirrored bytes."""
    mirrored = zlib.crc32(page.translate(_MIRRORED), 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{mirrored:032b}"[::-1], 2)
