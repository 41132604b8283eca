"""Variations for training: within the stated bounds, of the same form, and the same for the same random state."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from mmbench.data.augment import AUGMENT, augment_audio, augment_image
from mmbench.data.decode import DecodeError
from mmbench.sample import Audio, Modality

RATE = 8000


def seeded(seed):
    return np.random.default_rng(seed)


def gradient(width, height):
    """An image whose red tells the column and whose green the row."""
    red = np.tile(np.linspace(0, 255, width), (height, 1))
    green = np.tile(np.linspace(0, 255, height)[:, None], (1, width))
    return Image.fromarray(np.stack([red, green, np.full_like(red, 128)], axis=-1).astype(np.uint8))


def tone(seconds=0.5, frequency=440.0, level=0.1):
    time = np.arange(int(seconds * RATE)) / RATE
    return Audio((level * np.sin(2 * np.pi * frequency * time)).astype(np.float32), RATE)


def test_images_and_sounds_vary_and_texts_do_not():
    """A word left out of a question may be the one that its answer follows from."""
    assert set(AUGMENT) == set(Modality) - {Modality.TEXT}


@pytest.mark.parametrize("size", [(64, 64), (37, 20), (8, 8), (1, 1)])
def test_image_keeps_size_and_mode(size):
    for seed in range(20):
        varied = augment_image(gradient(*size), seeded(seed))
        assert (varied.size, varied.mode) == (size, "RGB")


def test_image_changes_within_bounds():
    """Mirrored or turned, columns would not rise; cut by more than 15 %, they would span less than 85 %."""
    image = gradient(100, 100)
    means = []
    for seed in range(50):
        red = np.asarray(augment_image(image, seeded(seed)), dtype=float)[:, :, 0].mean(axis=0)
        assert (np.diff(red) >= 0).all()
        means.append(red.mean())
        assert 0.85 * 255 * 0.8 * 0.8 - 4 <= red[-1] - red[0] <= 255
    assert 127.5 * 0.75 < min(means) < max(means) < 127.5 * 1.3
    assert max(means) - min(means) > 20


def test_image_of_one_colour_changes_only_its_brightness():
    grey = Image.new("RGB", (16, 16), (100, 100, 100))
    values = {augment_image(grey, seeded(seed)).getpixel((3, 3)) for seed in range(50)}
    assert all(79 <= channel <= 121 for value in values for channel in value)
    assert len(values) > 10


def test_image_from_a_file_and_from_memory_vary_alike(tmp_path):
    path = tmp_path / "image.png"
    gradient(20, 10).save(path)
    from_file, from_memory = augment_image(path, seeded(1)), augment_image(gradient(20, 10), seeded(1))
    assert from_file.tobytes() == from_memory.tobytes()
    assert from_memory.tobytes() != augment_image(gradient(20, 10), seeded(2)).tobytes()


def test_sound_keeps_rate_and_form():
    for seed in range(20):
        varied = augment_audio(tone(), seeded(seed))
        assert varied.rate == RATE
        assert varied.samples.dtype == np.float32
        assert varied.samples.ndim == 1
        assert 4000 / 1.1 - 1 <= len(varied.samples) <= 4000 / 0.9 + 1


def test_sound_changes_within_bounds():
    lengths, levels = [], []
    for seed in range(40):
        varied = augment_audio(tone(), seeded(seed)).samples
        lengths.append(len(varied))
        levels.append(20 * np.log10(np.sqrt(np.mean(varied.astype(float) ** 2)) / (0.1 / np.sqrt(2))))
        spectrum = np.abs(np.fft.rfft(varied * np.hanning(len(varied))))
        frequency = spectrum.argmax() * RATE / len(varied)
        assert frequency == pytest.approx(440 * 4000 / len(varied), abs=4)  # speed moves the pitch with it
        near = np.abs(np.fft.rfftfreq(len(varied), 1 / RATE) - frequency) < 20
        noise_db = 10 * np.log10((spectrum[near] ** 2).sum() / (spectrum[~near] ** 2).sum())
        assert 14 < noise_db < 43
    assert -6.1 < min(levels) < -3 < 3 < max(levels) < 6.3
    assert max(lengths) - min(lengths) > 400


def test_silence_stays_silent_and_one_sample_is_enough():
    assert not augment_audio(Audio(np.zeros(100, np.float32), RATE), seeded(0)).samples.any()
    assert len(augment_audio(Audio(np.ones(1, np.float32), RATE), seeded(0)).samples) == 1


def test_sound_from_a_file_of_two_channels(tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, np.stack([tone().samples, tone().samples], axis=1), RATE, subtype="FLOAT")
    one, other = augment_audio(path, seeded(3)), augment_audio(tone(), seeded(3))
    np.testing.assert_allclose(one.samples, other.samples, atol=1e-6)


@pytest.mark.parametrize("name", ["broken.png", "broken.wav", "absent"])
def test_broken_file_is_a_decode_error(tmp_path, name):
    if name != "absent":
        (tmp_path / name).write_bytes(b"nothing of the kind")
    with pytest.raises(DecodeError, match=name):
        (augment_audio if name.endswith("wav") else augment_image)(Path(tmp_path / name), seeded(0))


@pytest.mark.parametrize(("modality", "value"), [("image", gradient(9, 9)), ("audio", tone(0.05))])
def test_same_random_state_gives_the_same_variation(modality, value):
    def shown(seed):
        varied = AUGMENT[modality](value, seeded(seed))
        return np.asarray(getattr(varied, "samples", varied)).tobytes()

    assert shown(7) == shown(7)
    assert len({shown(seed) for seed in range(10)}) > 5
