"""Sound: what a sample may hold, in every format, rate and number of channels, whole and broken."""

import io
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmbench.data.audio import AudioSlice, RawAudio, duration, load_audio
from mmbench.data.decode import DecodeError
from mmbench.sample import Audio

SECONDS = 0.5
RATES = (8_000, 16_000, 22_050, 44_100, 48_000)
LOSSLESS = {"wav": {}, "flac": {}, "sph": {"format": "NIST"}}
LOSSY = {"ogg": {}, "opus": {"format": "OGG", "subtype": "OPUS"}, "mp3": {}}
FORMATS = LOSSLESS | LOSSY


def tone(rate, hertz=440.0, level=0.5, seconds=SECONDS):
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(rate * seconds)) / rate)).astype(np.float32)


def write(path, samples, rate, suffix="wav"):
    """Samples [T] or [T, C] as a file of a format."""
    file = path / f"sound.{suffix}"
    soundfile.write(file, samples, rate, **FORMATS[suffix])
    return file


def hertz_of(audio):
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return np.argmax(spectrum) * audio.rate / len(audio.samples)


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_lossless_formats_give_the_samples_that_were_written(tmp_path, suffix, rate, channels):
    samples = np.stack([tone(rate), tone(rate, 660.0, 0.25)][:channels], axis=1)
    file = write(tmp_path, samples, rate, suffix)
    assert duration(file) == len(samples) / rate
    audio = load_audio(file, mono=False)
    assert (audio.rate, audio.samples.dtype) == (rate, np.float32)
    assert audio.samples.shape == ((2, len(samples)) if channels == 2 else (len(samples),))
    np.testing.assert_allclose(np.atleast_2d(audio.samples).T, samples, atol=1 / 32768)


@pytest.mark.parametrize("suffix", LOSSY)
def test_lossy_formats_give_about_the_samples_that_were_written(tmp_path, suffix):
    samples = tone(48_000, seconds=2)
    audio = load_audio(write(tmp_path, samples, 48_000, suffix))
    assert len(audio.samples) == len(samples)
    np.testing.assert_allclose(audio.samples[4800:-4800], samples[4800:-4800], atol=0.05)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_every_kind_of_wav(tmp_path, subtype):
    file = tmp_path / "sound.wav"
    soundfile.write(file, tone(16_000), 16_000, subtype=subtype)
    np.testing.assert_allclose(load_audio(file).samples, tone(16_000), atol=0.02)


def test_channels_are_averaged(tmp_path):
    stereo = np.stack([tone(44_100), -0.5 * tone(44_100)], axis=1)
    mono = load_audio(write(tmp_path, stereo, 44_100))
    assert mono.samples.shape == (len(stereo),)
    np.testing.assert_allclose(mono.samples, stereo.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("wanted", [8_000, 16_000, 48_000])
def test_resampling_keeps_the_sound(tmp_path, rate, wanted):
    file = write(tmp_path, tone(rate, 700.0), rate)
    audio = load_audio(file, wanted)
    assert (audio.rate, audio.samples.dtype) == (wanted, np.float32)
    assert abs(len(audio.samples) - SECONDS * wanted) <= 1
    assert abs(hertz_of(audio) - 700.0) <= 1 / SECONDS
    inner = slice(wanted // 20, -wanted // 20)  # the filter needs some samples at the ends
    np.testing.assert_allclose(audio.samples[inner], tone(wanted, 700.0)[: len(audio.samples)][inner], atol=0.01)


def test_resampling_removes_what_the_lower_rate_cannot_hold(tmp_path):
    audio = load_audio(write(tmp_path, tone(48_000, 7_000.0), 48_000), 8_000)
    assert np.abs(audio.samples[200:-200]).max() < 0.01


def test_resampling_keeps_channels_apart(tmp_path):
    stereo = np.stack([tone(44_100, 440.0), tone(44_100, 900.0)], axis=1)
    audio = load_audio(write(tmp_path, stereo, 44_100), 16_000, mono=False)
    assert audio.samples.shape == (2, 8_000)
    assert [round(hertz_of(Audio(each, 16_000)), -1) for each in audio.samples] == [440, 900]


def test_decoded_audio_passes_through_and_is_not_changed():
    given = Audio(np.stack([tone(8_000), tone(8_000)]), 8_000)
    before = given.samples.copy()
    assert load_audio(given).samples.shape == (4_000,)
    assert load_audio(given, 16_000).samples.shape == (8_000,)
    np.testing.assert_array_equal(given.samples, before)
    assert duration(given) == SECONDS


@pytest.mark.parametrize("suffix", FORMATS)
def test_cell_of_the_hub(tmp_path, suffix):
    file = write(tmp_path, tone(16_000), 16_000, suffix)
    cell = {"bytes": file.read_bytes(), "path": "1.flac"}
    np.testing.assert_array_equal(load_audio(cell).samples, load_audio(file).samples)
    assert duration(cell) == duration(file)
    np.testing.assert_array_equal(load_audio({"bytes": None, "path": str(file)}).samples, load_audio(str(file)).samples)
    with pytest.raises(DecodeError, match="neither the bytes of a sound nor its path"):
        load_audio({"bytes": None, "path": None})


@pytest.mark.parametrize("suffix", ["wav", "flac", "sph"])
def test_slice_of_a_file(tmp_path, suffix):
    file = write(tmp_path, tone(16_000, seconds=2), 16_000, suffix)
    part = AudioSlice(file, 0.5, 1.25)
    whole = load_audio(file).samples
    np.testing.assert_array_equal(load_audio(part).samples, whole[8_000:20_000])
    assert duration(part) == 0.75
    # annotations are rounded: a slice may end a little after its file
    assert len(load_audio(AudioSlice(file, 1.5, 2.3)).samples) == 8_000
    for start, stop in ((1.5, 2.6), (2.0, 2.2), (1.0, 1.0), (1.5, 1.0), (-0.1, 1.0), (float("nan"), 1.0)):
        with pytest.raises(DecodeError, match=rf"sound\.{suffix}: no sound from {start} to {stop} s in 2\.00 s"):
            load_audio(AudioSlice(file, start, stop))


@pytest.mark.parametrize(("endian", "dtype"), [("big", ">i2"), ("little", "<i2")])
def test_raw_samples(tmp_path, endian, dtype):
    integers = np.array([0, 1, -1, 32767, -32768, 256], dtype=dtype)
    file = tmp_path / "sound.raw"
    file.write_bytes(integers.tobytes())
    raw = RawAudio(file, 3, endian)
    audio = load_audio(raw)
    assert (audio.rate, audio.samples.dtype, duration(raw)) == (3, np.float32, 2.0)
    np.testing.assert_array_equal(audio.samples * 32768, integers.astype(float))
    file.write_bytes(b"\0\0\0")
    with pytest.raises(DecodeError, match=r"sound\.raw: truncated: 3 bytes are no whole number of 16-bit samples"):
        load_audio(raw)
    with pytest.raises(DecodeError, match=r"absent\.raw: no such file"):
        load_audio(RawAudio(tmp_path / "absent.raw", 16_000, "big"))


@pytest.mark.parametrize("read", [load_audio, duration])
def test_missing_file_is_named_without_its_root(tmp_path, read):
    with pytest.raises(DecodeError, match=rf"^{tmp_path.name}/absent\.flac: no such file$"):
        read(tmp_path / "absent.flac")
    with pytest.raises(DecodeError, match="cannot be read: Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("read", [load_audio, duration])
@pytest.mark.parametrize("path", ["a\0b.wav", "a\ud800.wav", Path("a\0b.wav"), AudioSlice(Path("a\0b.wav"), 0.0, 1.0)])
def test_path_that_no_file_can_have(read, path):
    with pytest.raises(DecodeError, match=r"^a.*\.wav: cannot be read: "):
        read(path)


def test_file_is_looked_through_once_while_its_size_and_time_stay(tmp_path):
    """Slices of hours of sound would each walk through the whole file: damage that no time tells goes unseen."""
    file = write(tmp_path, tone(16_000, seconds=4), 16_000, "mp3")
    part, data, status = AudioSlice(file, 1.0, 1.5), bytearray(file.read_bytes()), file.stat()
    before = load_audio(part).samples
    place = len(data) * 3 // 4
    data[place : place + 600] = bytes(600)
    file.write_bytes(data)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    np.testing.assert_array_equal(load_audio(part).samples, before)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(DecodeError, match=": damaged: "):
        load_audio(part)


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path, suffix, share):
    """Also in memory. libsndfile alone would read what is left of most of them without a word."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000).astype(np.float32)
    file = write(tmp_path, noise, 48_000, suffix)
    data = file.read_bytes()
    short = data[: int(len(data) * share)]
    file.write_bytes(short)
    for value in (file, {"bytes": short, "path": f"{tmp_path.name}/{file.name}"}):
        with pytest.raises(DecodeError, match=rf"^{tmp_path.name}/sound\.{suffix}: \S") as caught:
            load_audio(value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", ["flac", "ogg", "opus", "mp3"])
def test_damage_in_the_middle(tmp_path, suffix):
    """Formats with checksums or frames tell; bytes of WAV and SPHERE are sound, whatever they are."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000).astype(np.float32)
    file = write(tmp_path, noise, 48_000, suffix)
    data = bytearray(file.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = bytes(600)
    file.write_bytes(data)
    with pytest.raises(DecodeError, match=rf"sound\.{suffix}: "):
        load_audio(file)


def test_mp3_of_unknown_length(tmp_path):
    """Variable bit rate without the Xing header: libsndfile would guess the length, and stop there."""
    rng = np.random.default_rng(0)
    samples = np.concatenate([rng.uniform(-0.5, 0.5, 48_000), np.zeros(48_000), tone(48_000)])
    file = tmp_path / "sound.mp3"
    soundfile.write(file, samples, 48_000, bitrate_mode="VARIABLE", compression_level=0.5)
    data = file.read_bytes()
    assert len(load_audio(file).samples) == len(samples)
    place = data.index(b"Xing")
    file = tmp_path / "without.mp3"
    file.write_bytes(data[:place] + bytes(4) + data[place + 4 :])
    with pytest.raises(DecodeError, match="variable bit rate without a Xing header"):
        load_audio(file)


def streamed_flac(path, samples, share=1.0):
    """A FLAC file as a program writes it into a pipe: the header leaves the number of samples open."""
    data = bytearray(write(path, samples, 16_000, "flac").read_bytes())
    data[21] &= 0xF0  # 36 bits of the stream information
    data[22:26] = bytes(4)
    file = path / "stream.flac"
    file.write_bytes(data[: int(len(data) * share)])
    return file


@pytest.mark.parametrize("length", [1, 65_536, 100_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_flac_of_unknown_length(tmp_path, length, channels):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, (length, channels)).astype(np.float32)
    file = streamed_flac(tmp_path, noise)
    for value in (file, {"bytes": file.read_bytes(), "path": None}):
        assert duration(value) == length / 16_000
        samples = np.atleast_2d(load_audio(value, mono=False).samples)
        np.testing.assert_allclose(samples, noise.T, atol=1e-4)
    if length == 100_000:
        part = AudioSlice(file, 5.0, 6.0)
        assert duration(part) == 1.0
        np.testing.assert_allclose(load_audio(part).samples, noise[80_000:96_000].mean(axis=1), atol=1e-4)
        with pytest.raises(DecodeError, match=r"no sound from 7\.0 to 8\.0 s in 6\.25 s"):
            load_audio(AudioSlice(file, 7.0, 8.0))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_truncated_flac_of_unknown_length(tmp_path, share):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 100_000)
    file = streamed_flac(tmp_path, noise, share)
    for read in (load_audio, duration):
        with pytest.raises(DecodeError, match=r"stream\.flac: cannot be decoded"):
            read(file)


def test_mp3_between_tags(tmp_path):
    file = write(tmp_path, tone(48_000), 48_000, "mp3")
    data, audio = file.read_bytes(), load_audio(file)
    file.write_bytes(b"ID3\x04\0\0" + bytes([0, 0, 1, 0]) + bytes(128) + data + b"TAG" + bytes(125))
    np.testing.assert_array_equal(load_audio(file).samples, audio.samples)


@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0xFFFFFFFF])
def test_wav_from_a_pipe_has_no_size(tmp_path, size):
    file = write(tmp_path, tone(16_000), 16_000)
    data = bytearray(file.read_bytes())
    place = data.index(b"data") + 4
    data[place : place + 4] = struct.pack("<I", size)
    file.write_bytes(data)
    if size:
        assert len(load_audio(file).samples) == 8_000
    else:  # what libsndfile takes for an empty file
        with pytest.raises(DecodeError, match="no sound, its length is 0"):
            load_audio(file)


def test_wav_with_other_chunks(tmp_path):
    data = write(tmp_path, tone(16_000), 16_000).read_bytes()
    file = tmp_path / "sound.wav"
    file.write_bytes(data[:12] + b"LIST" + struct.pack("<I", 5) + b"abcde\0" + data[12:] + b"LIST\x04\0\0\0abcd")
    np.testing.assert_allclose(load_audio(file).samples, tone(16_000), atol=1e-4)


@pytest.mark.parametrize("suffix", ["wav", "flac", "sph"])
def test_zero_length(tmp_path, suffix):
    file = write(tmp_path, np.zeros(0, dtype=np.float32), 16_000, suffix)
    with pytest.raises(DecodeError, match=rf"sound\.{suffix}: "):
        load_audio(file)
    with pytest.raises(DecodeError, match="audio in memory: no sound, its length is 0"):
        load_audio(Audio(np.zeros(0, dtype=np.float32), 16_000))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, value):
    samples = np.stack([tone(16_000), tone(16_000)], axis=1)
    samples[4_000:4_003, 1] = value
    file = tmp_path / "sound.wav"
    soundfile.write(file, samples, 16_000, subtype="FLOAT")
    message = r"sound\.wav: 3 samples are NaN or infinite, first at 0\.250 s"
    for mono in (True, False):
        with pytest.raises(DecodeError, match=message):
            load_audio(file, mono=mono)
    assert duration(file) == SECONDS  # the header is fine


@pytest.mark.parametrize("content", [b"no sound at all, but some text", b"RIFF\0\0\0\0AVI LIST", b"\xff\xfb\xff\xff"])
def test_what_is_no_sound(tmp_path, content):
    file = tmp_path / "sound.wav"
    file.write_bytes(content)
    with pytest.raises(DecodeError, match=r"sound\.wav: not a"):
        load_audio(file)


def test_formats_whose_truncation_cannot_be_told_are_not_read(tmp_path):
    file = tmp_path / "sound.aiff"
    soundfile.write(file, tone(16_000), 16_000)
    with pytest.raises(DecodeError, match="not a WAV, FLAC, Ogg, MP3 or SPHERE file"):
        load_audio(file)


def test_compressed_sphere_is_refused_with_a_way_out(tmp_path):
    file = write(tmp_path, tone(16_000), 16_000, "sph")
    data = file.read_bytes()
    fields = data[:1024].replace(b"sample_coding -s3 pcm", b"sample_coding -s26 pcm,embedded-shorten-v2.00")
    file.write_bytes(fields[:1024] + data[1024:])
    with pytest.raises(DecodeError, match=r"compressed SPHERE \(pcm,embedded-shorten-v2\.00\) is not read; convert"):
        load_audio(file)


def test_header_that_promises_more_than_the_memory_holds(tmp_path):
    file = write(tmp_path, tone(16_000), 16_000, "flac")
    data = bytearray(file.read_bytes())
    data[21] |= 0x0F  # the number of samples, 36 bits of the stream information
    data[22:26] = b"\xff\xff\xff\xff"
    with pytest.raises(DecodeError, match="audio in memory: "):
        load_audio({"bytes": bytes(data), "path": None})


def test_what_was_read_is_closed(tmp_path):
    """Warnings are errors here: a file left open would be told."""
    file = write(tmp_path, tone(16_000), 16_000)
    load_audio(file)
    duration(file)
    with pytest.raises(DecodeError):
        load_audio({"bytes": io.BytesIO(file.read_bytes()).getvalue()[:100], "path": None})
    file.unlink()
    assert not file.exists()
