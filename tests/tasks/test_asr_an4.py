"""CMU AN4, as it was published and as a table."""

import numpy as np
import pytest
import soundfile

from mmbench.data.audio import RawAudio, load_audio
from mmbench.errors import UsageError
from mmbench_tasks.asr import datasets
from mmbench_tasks.asr.task import ASR

RATE = 16_000
TWO = {"test": 2}


def sound(path, **layout):
    """Half a second of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, RATE // 2), RATE, **layout)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def load(path, splits=TWO):
    """All samples of test, of which there are as many as `splits` says."""
    dataset = ASR().load(datasets.an4.model_copy(update={"splits": splits}).at(path), "test")
    return [dataset[index] for index in range(len(dataset))]


def decoded(sample):
    return load_audio(sample.inputs["audio"])


@pytest.fixture
def an4(tmp_path):
    folder = tmp_path / "an4"
    text(folder / "etc" / "an4_test.fileids", "an4test_clstk/fcaw/an406-fcaw-b\nan4test_clstk/menk/cen1-menk-b\n")
    text(
        folder / "etc" / "an4_test.transcription",
        "RUBOUT G M E F THREE NINE  (an406-fcaw-b)\n<s> W Y E </s> (cen1-menk-b)\n",
    )
    return folder


@pytest.mark.parametrize("suffix", ["sph", "wav", "flac", "raw"])
def test_an4_as_published(an4, suffix):
    layouts = {"sph": {"format": "NIST"}, "raw": {"format": "RAW", "subtype": "PCM_16", "endian": "BIG"}}
    for name in ("fcaw/an406-fcaw-b", "menk/cen1-menk-b"):
        sound(an4 / "wav" / "an4test_clstk" / f"{name}.{suffix}", **layouts.get(suffix, {}))
    for place in (an4, an4.parent):
        samples = load(place)
        assert [(s.id, s.target, s.group, s.duration) for s in samples] == [
            ("an406-fcaw-b", "RUBOUT G M E F THREE NINE", "fcaw", 0.5),
            ("cen1-menk-b", "W Y E", "menk", 0.5),
        ]
    expected = np.random.default_rng(0).uniform(-0.5, 0.5, RATE // 2)
    np.testing.assert_allclose(decoded(samples[1]).samples, expected, atol=1e-4)
    assert isinstance(samples[0].inputs["audio"], RawAudio) == (suffix == "raw")


def test_an4_as_a_table(tmp_path):
    text(
        tmp_path / "transcripts.tsv",
        "split\tfile\tspeaker\ttext\ntest\ttest/a-x-b.flac\tx\tgo\ntrain\ttrain/c.flac\ty\tno\ntest\ttest/d.flac\tz\tyes\n",
    )
    for place in (tmp_path, tmp_path / "transcripts.tsv"):
        assert [(s.id, s.target, s.group) for s in load(place)] == [
            ("a-x-b", "go", "x"),
            ("d", "yes", "z"),
        ]


@pytest.mark.parametrize(
    ("transcription", "message"),
    [
        ("ONE (an406-fcaw-b)\n", r"an4_test\.transcription: id 'cen1-menk-b' of an4_test\.fileids has no transcript"),
        ("ONE (an406-fcaw-b)\nTWO (x-y-z)\n", r"transcription:2: id 'x-y-z' is there twice, or not in an4_test\.fil"),
        ("ONE (an406-fcaw-b)\nTWO (an406-fcaw-b)\n", r"transcription:2: id 'an406-fcaw-b' is there twice"),
        ("ONE an406-fcaw-b\n", r"etc/an4_test\.transcription:1: expected a text and an id in brackets, found 'ONE an4"),
    ],
)
def test_broken_an4(an4, transcription, message):
    text(an4 / "etc" / "an4_test.transcription", transcription)
    with pytest.raises(UsageError, match=message):
        load(an4)


def test_an4_with_a_file_listed_twice(an4):
    listed = an4 / "etc" / "an4_test.fileids"
    text(listed, listed.read_text() + "other/menk/cen1-menk-b\n")
    with pytest.raises(UsageError, match=r"an4_test\.fileids:3: id 'cen1-menk-b' is there twice; .*\.fileids:2"):
        load(an4)


def test_an4_without_files(tmp_path, an4):
    samples = load(an4)  # annotations are whole; the sound is missed when it is decoded
    assert samples[0].duration is None
    with pytest.raises(ValueError, match=r"fcaw/an406-fcaw-b\.sph: no such file"):
        decoded(samples[0])
    with pytest.raises(UsageError, match=r"neither etc/an4_test\.transcription nor transcripts\.tsv is there"):
        load(an4 / "etc")
    with pytest.raises(UsageError, match="data set 'an4': get an4_sphere"):
        ASR().load(datasets.an4, "test")
