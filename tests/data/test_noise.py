"""Noises: nothing at level 0, nothing that wraps, more at every level; each compared with its formula."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from rapidfuzz.distance import Levenshtein
from scipy.ndimage import gaussian_filter

from mmbench.data.audio import load_audio
from mmbench.data.decode import DecodeError, load_image
from mmbench.data.noise import NOISES
from mmbench.sample import Audio, Modality

ALL = [(modality, name) for modality, noises in NOISES.items() for name in noises]
IMAGE, TEXT, AUDIO = (list(NOISES[m]) for m in (Modality.IMAGE, Modality.TEXT, Modality.AUDIO))
LEVELS = [0.0, 0.01, 0.1, 0.25, 0.5, 0.75, 1.0]
RATE = 8000
QUESTION = "Is the man's red circle to the left of 42 (grey) squares, or not?"


def seeded(seed):
    return np.random.default_rng(seed)


def picture(seed=0, size=(48, 36)):
    """Coloured patches, so that blurring changes it."""
    patches = seeded(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize(size, Image.Resampling.NEAREST)


def tone(seed=0, seconds=0.6):
    time = np.arange(int(seconds * RATE)) / RATE
    return Audio((0.1 * np.sin(2 * np.pi * (200 + 50 * seed) * time)).astype(np.float32), RATE)


def sentence(seed=0):
    words = ["red", "green", "blue", "circle", "square", "left", "of", "the", "two", "3", "tall", "old"]
    return " ".join(seeded(seed).permutation(words)) + "?"


MAKE = {Modality.IMAGE: picture, Modality.TEXT: sentence, Modality.AUDIO: tone}


def decoded(modality, value):
    """What a model gets of a value, as bytes."""
    if modality == Modality.IMAGE:
        return load_image(value).tobytes()
    return load_audio(value).samples.tobytes() if modality == Modality.AUDIO else value.encode()


def pixels(value):
    return np.asarray(load_image(value), dtype=np.float64)


def distance(modality, clean, noisy):
    if modality == Modality.IMAGE:
        return np.abs(pixels(clean) - pixels(noisy)).mean()
    if modality == Modality.AUDIO:
        return np.linalg.norm(clean.samples.astype(float) - noisy.samples)
    return Levenshtein.distance(clean, noisy)


@pytest.fixture
def values(tmp_path):
    """Of each modality a value of every form that a sample may hold."""
    picture().save(tmp_path / "a.png")
    picture().save(tmp_path / "a.jpg")
    soundfile.write(tmp_path / "a.wav", np.stack([tone().samples, tone(1).samples], axis=1), RATE)
    png, wav = tmp_path / "a.png", tmp_path / "a.wav"
    grey, clear = picture().convert("L"), picture().convert("RGBA")
    return {
        Modality.IMAGE: [
            png, str(png), tmp_path / "a.jpg", {"bytes": png.read_bytes(), "path": None}, picture(), grey, clear,
        ],
        Modality.TEXT: [QUESTION, "", "?", "one", "  two  spaces ", "Жёлтый круг", "红色的圆圈", "__"],
        Modality.AUDIO: [
            wav, str(wav), {"bytes": wav.read_bytes(), "path": None}, tone(), Audio(np.ones(1, np.float32), RATE),
            Audio(np.zeros(99, np.float32), RATE),
        ],
    }  # fmt: skip


@pytest.mark.parametrize(("modality", "name"), ALL)
def test_level_0_is_the_very_object(modality, name, values):
    for value in values[modality]:
        before = decoded(modality, value)
        assert NOISES[modality][name](value, 0.0, seeded(0)) is value
        assert decoded(modality, value) == before


@pytest.mark.parametrize(("modality", "name"), ALL)
def test_value_that_is_given_never_changes(modality, name, values):
    for value, level in itertools.product(values[modality], (0.3, 1.0)):
        before = decoded(modality, value)
        NOISES[modality][name](value, level, seeded(0))
        assert decoded(modality, value) == before


@pytest.mark.parametrize(("modality", "name"), [case for case in ALL if case[0] != Modality.TEXT])
def test_forms_of_a_value_get_the_same_noise(modality, name, values):
    """A path, its text, and the file's content."""
    path, text = values[modality][:2]
    cell = next(value for value in values[modality] if isinstance(value, dict))
    found = {decoded(modality, NOISES[modality][name](value, 0.4, seeded(3))) for value in (path, text, cell)}
    assert len(found) == 1


@pytest.mark.parametrize(("modality", "name"), ALL)
def test_same_random_state_same_noise(modality, name):
    def made(seed):
        return decoded(modality, NOISES[modality][name](MAKE[modality](), 0.5, seeded(seed)))

    assert made(7) == made(7)
    assert len({made(seed) for seed in range(10)}) > (0 if name == "blur" else 5)


@pytest.mark.parametrize(("modality", "name"), ALL)
def test_distance_grows_with_the_level(modality, name):
    """On average over samples, strictly, from nothing; and for each sample, except in characters of swapped words."""
    noise, levels = NOISES[modality][name], np.linspace(0, 1, 11)
    found = []
    for seed in range(40):
        clean = MAKE[modality](seed)
        found.append([distance(modality, clean, noise(clean, level, seeded(seed))) for level in levels])
    assert (np.diff(np.mean(found, axis=0)) > 0).all()
    assert np.mean(found, axis=0)[0] == 0
    if name not in ("swap", "blur"):
        assert (np.diff(found, axis=1) >= 0).all()


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


def test_text_at_level_1():
    """Marks and spaces stay where they are; what is left out goes with the space before it."""
    text = "Is the man's red circle (grey), or not?"
    assert NOISES["text"]["swap"](text, 1.0, seeded(0)) == "the Is red man's grey (circle), not or?"
    assert NOISES["text"]["drop"](text, 1.0, seeded(0)) == "(), ?".replace(" ", "")


def words_of(text):
    return text.replace("?", "").split()


@pytest.mark.parametrize("level", [0.2, 0.5])
def test_share_of_the_words_that_change(level):
    """Typo: that share of the words by one letter each; drop: that share gone; swap: that share of the pairs."""
    counts = {name: [] for name in TEXT}
    for seed in range(300):
        clean = words_of(sentence(seed))
        typo, drop, swap = (
            words_of(NOISES["text"][name](sentence(seed), level, seeded(seed))) for name in ("typo", "drop", "swap")
        )
        changed = [(a, b) for a, b in zip(clean, typo, strict=True) if a != b]
        assert all(
            len(a) == len(b) and Levenshtein.distance(a, b) == 1 and a.isdigit() == b.isdigit() for a, b in changed
        )
        assert [word for word in clean if word in drop] == drop
        assert sorted(swap) == sorted(clean)
        moved = [abs(swap.index(word) - place) for place, word in enumerate(clean)]
        assert set(moved) <= {0, 1}
        counts["typo"].append(len(changed))
        counts["drop"].append(len(clean) - len(drop))
        counts["swap"].append(sum(moved))
    for name in TEXT:
        assert np.mean(counts[name]) == pytest.approx(12 * level, rel=0.1), name


def test_typo_keeps_case_and_reaches_every_script():
    noise = NOISES["text"]["typo"]
    assert noise("A", 1.0, seeded(0)).isupper()
    assert noise("7", 1.0, seeded(0)).isdigit()
    for text in ("круг", "红色", "A", "7"):
        assert noise(text, 1.0, seeded(0)) != text
        assert len(noise(text, 1.0, seeded(0))) == len(text)
    assert noise("__ ?!", 1.0, seeded(0)) == "__ ?!"


def test_odd_word_out_is_the_first_or_the_last():
    found = {NOISES["text"]["swap"]("a b c", 1.0, seeded(seed)) for seed in range(20)}
    assert found == {"b a c", "a c b"}
    assert NOISES["text"]["swap"]("a b", 1.0, seeded(0)) == "b a"


@pytest.mark.parametrize("level", LEVELS[1:])
def test_white_noise_has_its_snr(level):
    clean, noisy = tone().samples.astype(float), NOISES["audio"]["white"](tone(), level, seeded(0)).samples
    noise = noisy - clean
    assert 10 * np.log10((clean**2).mean() / (noise**2).mean()) == pytest.approx(-20 * np.log10(level), abs=0.01)
    spectrum = np.abs(np.fft.rfft(noise)) ** 2
    assert spectrum[: len(spectrum) // 2].sum() == pytest.approx(spectrum[len(spectrum) // 2 :].sum(), rel=0.15)


@pytest.mark.parametrize("level", LEVELS)
def test_dropout_silences_its_share_in_spans(level):
    sound = Audio(np.ones(RATE + 123, np.float32), RATE)
    for seed in range(5):
        silent = NOISES["audio"]["dropout"](sound, level, seeded(seed)).samples == 0
        assert silent.sum() == round(level * len(silent))
        more = NOISES["audio"]["dropout"](sound, min(1.0, level + 0.1), seeded(seed)).samples == 0
        assert more[silent].all()
        runs = [len(list(run)) for is_silent, run in itertools.groupby(silent.tolist()) if is_silent]
        assert sum(run < 400 for run in runs) <= 2  # the last one, and the end of the sound


@pytest.mark.parametrize("name", AUDIO)
def test_sound_keeps_rate_and_length_on_one_channel(name, values):
    for value in values[Modality.AUDIO]:
        clean, noisy = load_audio(value), NOISES["audio"][name](value, 0.7, seeded(0))
        assert (noisy.rate, noisy.samples.shape, noisy.samples.dtype) == (RATE, clean.samples.shape, np.float32)
        if not clean.samples.any():
            assert not noisy.samples.any()


@pytest.mark.parametrize(("modality", "name"), [case for case in ALL if case[0] != Modality.TEXT])
def test_broken_file_is_a_decode_error(modality, name, tmp_path):
    path = Path(tmp_path) / "broken.bin"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(DecodeError, match=r"broken\.bin"):
        NOISES[modality][name](path, 0.5, seeded(0))
    assert NOISES[modality][name](path, 0.0, seeded(0)) is path


def test_each_has_a_summary_of_one_line():
    for modality, name in ALL:
        summary = NOISES[modality][name].summary
        assert "LEVEL" in summary
        assert "\n" not in summary
