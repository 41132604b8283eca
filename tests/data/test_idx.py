"""IDX files; reference for the format: the description by LeCun, and the real MNIST test set."""

import gzip
import struct

import numpy as np
import pytest

from mmbench.data.idx import read_idx
from mmbench.errors import UsageError

CODES = {0x08: "u1", 0x09: "i1", 0x0B: "i2", 0x0C: "i4", 0x0D: "f4", 0x0E: "f8"}


def idx(array, code):
    """An array as the bytes of an IDX file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture
def write(tmp_path):
    def make(content, name="some-idx"):
        path = tmp_path / "set" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return path

    return make


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("shape", [(6,), (2, 3), (1, 2, 3), (0, 28, 28)])
def test_every_type_and_shape(write, code, shape):
    array = (np.arange(np.prod(shape)).reshape(shape) * 3).astype(CODES[code])
    found = read_idx(write(idx(array, code)))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.dtype.isnative


def test_compression_is_seen_in_the_content(write):
    array = np.arange(200, dtype=np.uint8).reshape(2, 100)
    for name in ("labels-idx2-ubyte.gz", "labels-idx2-ubyte"):  # some copies were renamed
        np.testing.assert_array_equal(read_idx(write(gzip.compress(idx(array, 8)), name)), array)
    np.testing.assert_array_equal(read_idx(write(idx(array, 8), "plain.gz")), array)


LABELS = idx(np.arange(10, dtype=np.uint8), 8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no IDX file: .* found nothing"),
        (b"\x00\x00\x08", "no IDX file: .* found 00 00 08$"),
        (b"\x80\x02]q", "no IDX file: expected two zero bytes, a type code .* found 80 02 5d 71"),
        (b"\x00\x00\x07\x01" + LABELS[4:], "no IDX file: .* found 00 00 07 01"),
        (b"\x00\x00\x08\x00", "no IDX file: .* found 00 00 08 00"),
        (LABELS[:6], "truncated: expected 4 more bytes, found 2"),
        (LABELS[:-1], "truncated: expected 10 more bytes, found 9"),
        (LABELS + b"\0", "more data than its header says, 10 numbers"),
        (b"\x00\x00\x08\x03" + b"\xff" * 12, "truncated: expected 79228162458924105385300197375 more bytes, found 0"),
        (b"\x00\x00\x08\x50" + b"\x00\x00\x00\x01" * 0x50 + b"\x07", "says 80 dimensions, which is no array"),
        (gzip.compress(LABELS)[:-9], "truncated or damaged gzip file"),
        (gzip.compress(LABELS)[:15] + b"\xff" * 20, "truncated or damaged gzip file"),
        (gzip.compress(LABELS[:-3]), "truncated: expected 10 more bytes, found 7"),
        (gzip.compress(LABELS + bytes(1 << 20)), "more data than its header says"),
    ],
)
def test_damage_is_told_in_one_line_with_the_file(write, content, message):
    with pytest.raises(UsageError, match=rf"^set/some-idx: .*{message}") as caught:
        read_idx(write(content))
    assert "\n" not in str(caught.value)


def test_missing_file(tmp_path):
    with pytest.raises(UsageError, match="/no-such-file: No such file or directory"):
        read_idx(tmp_path / "no-such-file")


@pytest.mark.shared
def test_real_mnist(shared):
    """Counts from the data's README."""
    folder = shared / "av" / "mnist_t10k"
    images = read_idx(folder / "t10k-images-idx3-ubyte.gz")
    labels = read_idx(folder / "t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert np.bincount(labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
