"""Images decoded once: the pixels of `load_image`, no more of them than fit, and nothing else touched."""

import numpy as np
import pytest
from PIL import Image

from mmbench.data.decode import load_image
from mmbench.data.decoded import DecodedImages
from mmbench.sample import Sample


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / f"{number}.png" for number in range(3)]
    for path in paths:
        Image.effect_noise((8, 6), 80).convert("P").save(path)
    return paths


def image_of(decoded, file):
    return decoded.put_into(Sample("s", {"image": file, "text": "a"}, target="x")).inputs["image"]


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_decoded_as_by_load_image_and_only_once(files, kind):
    decoded = DecodedImages()
    expected = np.asarray(load_image(files[0]))
    first = image_of(decoded, kind(files[0]))
    files[0].unlink()
    assert np.array_equal(np.asarray(first), expected)
    assert image_of(decoded, kind(files[0])) is first


def test_nothing_else_of_the_sample_changes(files):
    sample = Sample("s", {"image": files[0], "text": "a"}, target="x", group="g")
    found = DecodedImages().put_into(sample)
    assert (found.id, found.inputs["text"], found.target, found.group) == ("s", "a", "x", "g")
    assert sample.inputs["image"] == files[0]


def test_no_more_is_kept_than_fits(files):
    decoded = DecodedImages(capacity=2 * 8 * 6 * 3 + 1)
    kept = [image_of(decoded, path) for path in files]
    assert [image_of(decoded, path) is image for path, image in zip(files, kept, strict=True)] == [True, True, False]
    full = DecodedImages(capacity=8 * 6 * 3)
    image_of(full, files[0])
    assert image_of(full, files[1]) == files[1]  # left to who needs it


def test_what_is_no_file_or_cannot_be_decoded_is_left_as_it_is(tmp_path, files):
    files[0].write_bytes(b"no image")
    for value in (files[0], tmp_path / "missing.png", Image.new("RGB", (2, 2)), {"bytes": b"", "path": None}, None):
        sample = Sample("s", {"image": value})
        assert DecodedImages().put_into(sample) is sample
    without = Sample("s", {"text": "a"})
    assert DecodedImages().put_into(without) is without
