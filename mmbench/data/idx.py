"""IDX files, the format of MNIST: a typed header, then one array, big-endian."""

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mmbench.data.annotations import shown
from mmbench.errors import UsageError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_BLOCK = 1 << 20


def read_idx(path: Path) -> NDArray[Any]:
    """The array of an IDX file, plain or gzip-compressed, in the machine's byte order.

    The format is that of http://yann.lecun.com/exdb/mnist: two zero bytes, a type code, the number of dimensions, each
    dimension as a 32-bit integer, the data in row-major order. Whether it is compressed is seen from its first bytes.

    Raises:
        UsageError: it cannot be read, is no IDX file, or holds less or more than its header says.
    """
    name = shown(path)
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if compressed else path.open("rb") as file:
            return _read(file, name)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UsageError(f"{name}: truncated or damaged gzip file: {error}") from error
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error


def _read(file: BinaryIO | gzip.GzipFile, name: str) -> NDArray[Any]:
    header = file.read(4)
    if len(header) < 4 or header[:2] != b"\0\0" or header[2] not in _TYPES or not header[3]:
        raise UsageError(
            f"{name}: no IDX file: expected two zero bytes, a type code (08, 09, 0b to 0e) and the number of "
            f"dimensions, found {header.hex(' ') or 'nothing'}"
        )
    shape = np.frombuffer(_exactly(file, 4 * header[3], name), dtype=">u4").tolist()
    dtype = np.dtype(_TYPES[header[2]])
    data = _exactly(file, math.prod(shape) * dtype.itemsize, name)
    if file.read(1):
        raise UsageError(f"{name}: there is more data than its header says, {' x '.join(map(str, shape))} numbers")
    try:
        array = np.frombuffer(data, dtype=dtype).reshape(shape)
    except ValueError as error:
        raise UsageError(f"{name}: its header says {len(shape)} dimensions, which is no array: {error}") from error
    return array.astype(dtype.newbyteorder("="), copy=False)


def _exactly(file: BinaryIO | gzip.GzipFile, size: int, name: str) -> bytearray:
    """That many bytes, read in blocks: a damaged header may ask for more than there is memory."""
    found = bytearray()
    while len(found) < size:
        block = file.read(min(_BLOCK, size - len(found)))
        if not block:
            raise UsageError(f"{name}: truncated: expected {size} more bytes, found {len(found)}")
        found += block
    return found
