"""Noises: nothing at level 0, nothing that wraps, more at every level; each compared with its formula."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image
from rapidfuzz.distance import Levenshtein

from mmbench.data.audio import load_audio
from mmbench.data.decode import DecodeError, load_image
from mmbench.data.noise import NOISES
from mmbench.data.noise_summaries import SUMMARIES
from mmbench.sample import Audio, Modality

ALL = [(modality, name) for modality, noises in NOISES.items() for name in noises]
TEXT, AUDIO = list(NOISES[Modality.TEXT]), list(NOISES[Modality.AUDIO])
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
    assert [(modality, name) for modality, noises in SUMMARIES.items() for name in noises] == ALL
    for modality, name in ALL:
        summary = SUMMARIES[modality][name]
        assert "LEVEL" in summary
        assert "\n" not in summary
