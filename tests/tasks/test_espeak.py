"""Speech from eSpeak NG: what is said, with which voice, and that it is the same each time."""

import sys

import numpy as np
import pytest

from mmbench.data.audio import load_audio
from mmbench.errors import HarnessError, UsageError
from mmbench_tasks.asr.espeak import Espeak
from mmbench_tasks.asr.recording import LEVEL, PEAK, record, write
from mmbench_tasks.asr.voices import VOICES

loader = pytest.importorskip("espeakng_loader", reason="the extra `speech` is not installed")


@pytest.fixture(scope="module")
def espeak():
    with Espeak() as found:
        yield found


def test_says_a_text(espeak):
    speech = espeak.say("seven", "en-us")
    assert speech.dtype == np.float32
    assert speech.ndim == 1
    assert espeak.rate == 22_050
    assert 0.2 < len(speech) / espeak.rate < 1.5
    assert np.sqrt(np.mean(speech**2)) > 0.01
    assert np.abs(speech).max() <= 1


def test_longer_texts_and_slower_rates_take_longer(espeak):
    word, words = espeak.say("seven", "en-us"), espeak.say("seven eight nine", "en-us")
    slow = espeak.say("seven eight nine", "en-us", rate=100)
    assert len(word) < len(words) < len(slow)


def test_pitch_and_variant_change_the_sound(espeak):
    """The fundamental frequency of a vowel, found by autocorrelation."""

    def frequency(voice, pitch):
        vowel = espeak.say("aah", voice, pitch=pitch, rate=80)
        middle = vowel[len(vowel) // 3 : len(vowel) // 3 + 2048].astype(np.float64)
        correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :]
        shortest = espeak.rate // 250
        return espeak.rate / (shortest + np.argmax(correlation[shortest : espeak.rate // 60]))

    assert frequency("en-us", 20) < frequency("en-us", 50) < frequency("en-us", 80)
    assert frequency("en-us+m1", 50) < 0.75 * frequency("en-us+f1", 50)


def test_text_outside_ascii(espeak):
    assert len(espeak.say("naïve café", "en-us")) > len(espeak.say("a", "en-us"))


def test_voices_of_the_data_sets_are_there(espeak):
    names = [voice for split in VOICES.values() for voice in split]
    assert {voice.partition("+")[0] for voice in names} <= set(espeak.voices())
    assert {voice.partition("+")[2] for voice in names} <= set(espeak.variants())


def test_no_variant_is_twice():
    variants = [voice.partition("+")[2] for split in VOICES.values() for voice in split]
    assert len(variants) == len(set(variants)) == 55


def test_the_same_calls_give_the_same_samples(espeak):
    """Whatever was said before in this process; with every voice that the data sets use."""
    calls = [(f"number {index}", voice) for index, voice in enumerate(sum(VOICES.values(), ()))] * 2
    found = []
    for _ in range(2):
        espeak.say("something else", "en-029+f1")
        with Espeak() as fresh:
            found.append([fresh.say(*call) for call in calls])
    for call, first, second in zip(calls, *found, strict=True):
        np.testing.assert_array_equal(first, second, err_msg=call[1])
    assert len({speech.tobytes() for speech in found[0][:55]}) == 55


@pytest.mark.parametrize(("voice", "message"), [("xx-none", "no voice 'xx-none'"), ("en-us+nobody", "no variant")])
def test_unknown_voice(espeak, voice, message):
    with pytest.raises(UsageError, match=message):
        espeak.say("seven", voice)
    assert len(espeak.say("seven", "en-us"))


def test_missing_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UsageError, match=r"pip install 'mmbench\[speech\]'"):
        Espeak()


def test_library_that_does_not_load(monkeypatch, tmp_path):
    (tmp_path / "libespeak.so").write_text("no library")
    monkeypatch.setattr(loader, "get_library_path", lambda: str(tmp_path / "libespeak.so"))
    with pytest.raises(HarnessError, match="eSpeak NG does not start") as caught, Espeak():
        pass
    assert "\n" not in str(caught.value)


def test_missing_data(monkeypatch, tmp_path):
    monkeypatch.setattr(loader, "get_data_path", lambda: str(tmp_path / "espeak-ng-data"))
    with pytest.raises(HarnessError, match="no data in espeak-ng-data"), Espeak():
        pass


def test_data_behind_a_long_path(monkeypatch, tmp_path):
    """The library itself takes paths of up to 160 bytes."""
    folder = tmp_path / ("long" * 50)
    folder.mkdir()
    (folder / "espeak-ng-data").symlink_to(loader.get_data_path())
    monkeypatch.setattr(loader, "get_data_path", lambda: str(folder / "espeak-ng-data"))
    with Espeak() as espeak:
        assert len(espeak.say("seven", "en-us"))


def test_process_that_ended(monkeypatch, tmp_path):
    with Espeak() as espeak:
        espeak._process.kill()
        espeak._process.wait()
        with pytest.raises(HarnessError, match="eSpeak NG ended"):
            espeak.say("seven", "en-us")


@pytest.mark.parametrize("rate", [8_000, 16_000])
def test_recording_has_its_rate_and_level(espeak, rate):
    speech = espeak.say("seven eight nine", "en-us")
    clip = record(speech, espeak.rate, rate, None, np.random.RandomState(0))
    assert clip.dtype == np.float32
    assert len(clip) == pytest.approx(len(speech) * rate / espeak.rate, abs=1)
    assert np.sqrt(np.mean(clip**2)) == pytest.approx(LEVEL, rel=1e-3)


@pytest.mark.parametrize("snr", [20, 0, -6])
def test_noise_has_the_stated_power(espeak, snr):
    speech = espeak.say("one two three four five six", "en-us")
    clean, noisy = (record(speech, espeak.rate, 16_000, ratio, np.random.RandomState(0)) for ratio in (None, snr))
    noise = noisy.astype(np.float64) - clean
    assert 10 * np.log10(np.mean(clean.astype(np.float64) ** 2) / np.mean(noise**2)) == pytest.approx(snr, abs=0.2)
    bands = np.array_split(np.abs(np.fft.rfft(noise)) ** 2, 4)  # white: as much in each quarter of the spectrum
    assert max(band.mean() for band in bands) < 1.1 * min(band.mean() for band in bands)


def test_loud_recording_is_turned_down_not_clipped(espeak, tmp_path):
    clip = record(espeak.say("seven", "en-us"), espeak.rate, 8_000, -30, np.random.RandomState(0))
    assert np.abs(clip).max() == pytest.approx(PEAK)
    assert np.sum(np.abs(clip) > 0.99 * PEAK) < 5
    assert write(tmp_path / "clip.flac", clip, 8_000) == len(clip) / 8_000
    read = load_audio(tmp_path / "clip.flac")
    assert read.rate == 8_000
    np.testing.assert_allclose(read.samples, clip, atol=1 / 32768)
