"""Log-mel frames, that the audio encoders read: of one sound and of a batch."""

import numpy as np
import pytest
import soundfile
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from mmbench.data.audio import AudioSlice
from mmbench.data.decode import DecodeError
from mmbench.sample import Audio
from mmbench_baselines.encoders.log_mel import LogMel

RATE = 16_000


def noise(samples, rate=RATE, seed=0):
    return Audio((0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32), rate)


def tone(frequency, seconds=0.5, rate=RATE):
    time = np.arange(round(seconds * rate)) / rate
    return Audio((0.3 * np.sin(2 * np.pi * frequency * time)).astype(np.float32), rate)


def loudest_bin(log_mel, frequency):
    return int(log_mel.spectrogram(tone(frequency)).mean(axis=0).argmax())


def test_log_mel_is_that_of_transformers():
    samples = noise(400 + 24 * 160).samples
    filters = mel_filter_bank(257, 40, 0.0, RATE / 2, RATE, mel_scale="slaney")
    window = window_function(400, "hann")
    power = spectrogram(samples, window, 400, 160, fft_length=512, power=2.0, center=False, mel_filters=filters)
    logs = np.log10(power.T)
    expected = (logs - logs.mean()) / logs.std()
    result = LogMel().spectrogram(Audio(samples, RATE))
    assert result.shape == (25, 40)
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_log_mel_cuts_off_80_db_under_the_loudest():
    samples = tone(1_000).samples.copy()
    samples[4_000:] = 0.0
    frames = LogMel().spectrogram(Audio(samples, RATE))
    assert np.allclose(frames[-1], frames.min())
    # A tenth of a part in ten thousand of the amplitude is 100 dB down.
    samples[4_000:] = 1e-5 * noise(4_000).samples
    np.testing.assert_allclose(LogMel().spectrogram(Audio(samples, RATE))[-1], frames[-1], atol=1e-6)


def test_log_mel_has_a_bin_for_each_pitch():
    log_mel = LogMel(mels=40)
    assert loudest_bin(log_mel, 200) < loudest_bin(log_mel, 1_000) < loudest_bin(log_mel, 6_000)


def test_log_mel_does_not_depend_on_loudness():
    sound = tone(500, 0.3)
    quiet = Audio(0.01 * sound.samples, RATE)
    np.testing.assert_allclose(LogMel().spectrogram(quiet), LogMel().spectrogram(sound), atol=1e-3)


@pytest.mark.parametrize(("samples", "expected"), [(1, 1), (400, 1), (401, 2), (560, 2), (561, 3), (16_000, 99)])
def test_log_mel_frames_cover_the_clip(samples, expected):
    """A frame of 400 samples starts every 160, until one reaches the last."""
    assert len(LogMel().spectrogram(noise(samples))) == LogMel().frames(noise(samples)) == expected


def test_log_mel_reads_samples_that_may_not_be_written():
    sound = noise(3_000)
    expected = LogMel().spectrogram(sound)
    sound.samples.flags.writeable = False
    assert torch.equal(LogMel().spectrogram(sound), expected)
    backwards = Audio(sound.samples[::-1][::-1], RATE)
    assert torch.equal(LogMel().spectrogram(backwards), expected)


def test_log_mel_of_silence_is_zeros():
    assert not LogMel().spectrogram(Audio(np.zeros(3_000, np.float32), RATE)).any()


def test_log_mel_reads_every_rate_and_channel(tmp_path):
    mono = tone(700, rate=8_000)
    for rate, sound in {8_000: mono, 44_100: tone(700, rate=44_100)}.items():
        path = tmp_path / f"{rate}.wav"
        soundfile.write(path, np.stack([sound.samples, sound.samples], axis=1), rate, subtype="FLOAT")
        frames = LogMel().spectrogram(path)
        assert abs(len(frames) - 49) <= 1
        assert frames.mean(axis=0).argmax() == loudest_bin(LogMel(), 700)
    stereo = LogMel(rate=8_000).spectrogram(tmp_path / "8000.wav")
    np.testing.assert_allclose(stereo, LogMel(rate=8_000).spectrogram(mono), atol=1e-5)


def test_log_mel_reads_slices_and_cells(tmp_path):
    sound = noise(RATE)
    path = tmp_path / "sound.wav"
    soundfile.write(path, sound.samples, RATE, subtype="FLOAT")
    inputs, _ = LogMel().batch([path, str(path), {"bytes": path.read_bytes(), "path": None}])
    assert torch.equal(inputs[0], inputs[1])
    assert torch.equal(inputs[0], inputs[2])
    part = LogMel().spectrogram(AudioSlice(path, 0.25, 0.75))
    np.testing.assert_array_equal(part, LogMel().spectrogram(Audio(sound.samples[4_000:12_000], RATE)))


def test_log_mel_batch_pads_on_the_right():
    log_mel = LogMel(mels=20)
    clips = [noise(100), None, noise(2_240), noise(1_600, 8_000)]
    inputs, mask = log_mel.batch(clips)
    assert (inputs.dtype, inputs.shape) == (torch.float32, (*mask.shape, 20))
    for row, clip in enumerate(clips):
        frames = 0 if clip is None else len(log_mel.spectrogram(clip))
        assert mask[row].tolist() == [True] * frames + [False] * (mask.shape[1] - frames)
        assert not inputs[row, frames:].any()
        if clip is not None:
            np.testing.assert_array_equal(inputs[row, :frames], log_mel.spectrogram(clip))


def test_log_mel_of_a_broken_file(tmp_path):
    path = tmp_path / "broken.wav"
    path.write_bytes(b"no sound")
    assert LogMel().frames(path) == LogMel().frames(tmp_path / "missing.wav") == 0
    with pytest.raises(DecodeError, match=r"broken\.wav: not a WAV"):
        LogMel().batch([noise(500), path])
