"""Images: what a sample may hold, as RGB."""

import numpy as np
import pytest
from PIL import Image

from mmbench.data.decode import DecodeError, load_image

RED = (255, 0, 0)


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("RGB", RED, RED),
        ("L", 7, (7, 7, 7)),
        ("RGBA", (*RED, 128), RED),
        ("1", 1, (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), RED),
    ],
)
def test_every_mode_becomes_rgb(mode, color, expected):
    image = load_image(Image.new(mode, (3, 2), color))
    assert image.mode == "RGB"
    assert image.getpixel((0, 0)) == expected


def test_palette_becomes_its_colours():
    image = load_image(Image.new("RGB", (3, 2), RED).convert("P", palette=Image.Palette.ADAPTIVE))
    assert np.array_equal(np.asarray(image), np.full((2, 3, 3), RED, dtype=np.uint8))


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_path_and_string(tmp_path, kind):
    path = tmp_path / "red.png"
    Image.new("RGB", (3, 2), RED).save(path)
    image = load_image(kind(path))
    path.unlink()  # it was read, and is not held open
    assert (image.size, image.getpixel((2, 1))) == ((3, 2), RED)


def test_image_in_memory_is_not_changed():
    image = Image.new("L", (3, 2), 7)
    load_image(image)
    assert image.mode == "L"


def test_missing_file(tmp_path):
    with pytest.raises(DecodeError, match=r"/absent\.png: no such file$"):
        load_image(tmp_path / "absent.png")


def test_truncated_image(tmp_path):
    path = tmp_path / "half.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DecodeError, match=r"/half\.png: cannot be decoded: .*truncated"):
        load_image(path)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"no image at all"])
def test_what_is_no_image(tmp_path, content):
    path = tmp_path / "no.png"
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=r"/no\.png: "):
        load_image(path)


@pytest.mark.parametrize("limit", [1000, 6000])  # Pillow refuses the first and only warns of the second
def test_image_beyond_the_limit(tmp_path, monkeypatch, limit):
    path = tmp_path / "large.png"
    Image.new("RGB", (100, 100)).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(DecodeError, match=r"/large\.png: too many pixels, could be a decompression bomb$"):
        load_image(path)


def test_cell_of_a_hub_data_set(tmp_path):
    path = tmp_path / "red.png"
    Image.new("RGB", (3, 2), RED).save(path)
    for cell in ({"bytes": path.read_bytes(), "path": None}, {"bytes": None, "path": str(path)}):
        assert load_image(cell).getpixel((0, 0)) == RED
    with pytest.raises(DecodeError, match=r"a\.png: not an image"):
        load_image({"bytes": b"no", "path": "a.png"})
    with pytest.raises(DecodeError, match="neither bytes nor path"):
        load_image({"bytes": None, "path": None})
