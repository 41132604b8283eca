"""Noises of images, each compared with its formula: nothing wraps, a share is a share, sizes stay."""

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from mmbench.data.decode import load_image
from mmbench.data.noise import NOISES

IMAGE = list(NOISES["image"])
LEVELS = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 1.0]


def seeded(seed):
    return np.random.default_rng(seed)


def picture(seed=0, size=(48, 36)):
    """Coloured patches, so that blurring changes it."""
    patches = seeded(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.NEAREST)


def pixels(value):
    return np.asarray(load_image(value), dtype=np.float64)


@pytest.mark.parametrize("name", IMAGE)
@pytest.mark.parametrize("colour", ["white", "black"])
@pytest.mark.parametrize("seed", range(3))
def test_image_never_wraps(name, colour, seed):
    """What a formula makes of white or black in floats, cut off at 0 and 255, lies on one side of it."""
    image = Image.new("RGB", (32, 24), colour)
    for level in LEVELS:
        found = pixels(NOISES["image"][name](image, level, seeded(seed)))
        change = np.abs(found - (255 if colour == "white" else 0))
        # Beyond what the formula can do: grey is half of the range away, coloured light dims by half at most.
        most = {"blur": 0.0, "occlusion": 128.0, "colour": 0.5 * level * 255 + 0.5}.get(name)
        if most is not None:
            assert change.max() <= most
    if colour == "black":
        assert not pixels(NOISES["image"]["colour"](image, 1.0, seeded(seed))).any()


@pytest.mark.parametrize("level", LEVELS[1:])
def test_gaussian_is_the_clipped_sum(level):
    """Reference: NumPy in double precision."""
    clean = np.stack([np.full((30, 40), value) for value in (0.0, 128.0, 255.0)], axis=-1)
    image = Image.fromarray(clean.astype(np.uint8))
    noisy = pixels(NOISES["image"]["gaussian"](image, level, seeded(1)))
    field = seeded(1).standard_normal(clean.shape, dtype=np.float32).astype(float)
    exact = np.clip(clean + 255 * level * field, 0, 255)
    assert np.abs(noisy - exact).max() <= 0.501
    inner = noisy[..., 1][(noisy[..., 1] > 0) & (noisy[..., 1] < 255)]
    if level <= 0.1:  # hardly anything is cut off
        assert inner.std() == pytest.approx(255 * level, rel=0.08)


@pytest.mark.parametrize("level", [0.1, 0.2, 0.5, 1.0])
def test_blur_is_a_gaussian(level):
    """Reference: SciPy's, each channel by itself; Pillow's is three box blurs, which differ most at the edges."""
    image = picture()
    exact = gaussian_filter(pixels(image), (level * 9, level * 9, 0), mode="nearest", truncate=6)
    differences = np.abs(pixels(NOISES["image"]["blur"](image, level, seeded(0))) - exact)
    assert differences.mean() < (1.5 if level < 0.5 else 8)
    assert np.abs(pixels(image) - exact).mean() > 5 * differences.mean()


def test_blur_does_not_depend_on_resolution():
    small, large = picture(size=(60, 60)), picture(size=(240, 240))
    for level in (0.1, 0.4):
        one, other = (NOISES["image"]["blur"](image, level, seeded(0)) for image in (small, large))
        assert np.abs(pixels(other.resize((60, 60), Image.Resampling.BOX)) - pixels(one)).mean() < 3


@pytest.mark.parametrize("level", LEVELS)
def test_occlusion_covers_its_share_and_what_a_lower_level_covers(level):
    image = Image.new("RGB", (200, 100), (10, 200, 30))
    places = set()
    for seed in range(20):
        covered = (pixels(NOISES["image"]["occlusion"](image, level, seeded(seed))) == 128).all(axis=-1)
        assert covered.mean() == pytest.approx(level, abs=0.02)
        rows, columns = np.nonzero(covered)
        if level:
            assert covered[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].all()
            places.add((rows.min(), columns.min()))
        more = pixels(NOISES["image"]["occlusion"](image, min(1.0, level + 0.2), seeded(seed)))
        assert (more[covered] == 128).all()
    assert level in (0.0, 1.0) or len(places) > 5


def test_colour_is_a_way_to_other_channels_in_coloured_light():
    image = picture()
    clean, full = pixels(image), pixels(NOISES["image"]["colour"](image, 1.0, seeded(4)))
    half = pixels(NOISES["image"]["colour"](image, 0.5, seeded(4)))
    np.testing.assert_allclose(half, (clean + full) / 2, atol=1)
    sources = []
    for channel in range(3):
        fits = []
        for source in range(3):
            gain = (full[..., channel] * clean[..., source]).sum() / (clean[..., source] ** 2).sum()
            fits.append((np.abs(full[..., channel] - gain * clean[..., source]).max(), gain))
        (miss, gain), source = min(zip(fits, range(3), strict=True))
        assert miss < 1
        assert 0.49 < gain <= 1.01
        sources.append(source)
    assert sorted(sources) == [0, 1, 2]
    assert sources != [0, 1, 2]


def test_colour_colours_grey():
    grey = Image.new("L", (9, 9), 200)
    channels = pixels(NOISES["image"]["colour"](grey, 1.0, seeded(0)))[0, 0]
    assert len(set(channels)) == 3


@pytest.mark.parametrize("name", IMAGE)
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (8, 8), (64, 40)])
def test_image_keeps_its_size(name, size):
    for level in LEVELS[1:]:
        noisy = NOISES["image"][name](picture(size=size), level, seeded(0))
        assert (noisy.size, noisy.mode) == (size, "RGB")
