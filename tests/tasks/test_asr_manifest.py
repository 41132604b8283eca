"""Manifests of any speech: the names that fields may have, parts of files, splits, and what is told of broken ones."""

import json

import numpy as np
import pytest
import soundfile

from mmbench.data.audio import load_audio
from mmbench.errors import UsageError
from mmbench_tasks.asr import datasets
from mmbench_tasks.asr.task import ASR

RATE = 16_000


def sound(path, seconds=0.5, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)
    soundfile.write(path, noise, rate)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def decoded(sample):
    return load_audio(sample.inputs["audio"])


def manifest(path, rows):
    text(path, "".join(json.dumps(row) + "\n" for row in rows))


def speech(path, split="test", **changes):
    """All samples of a split; `changes` replace fields of the card."""
    dataset = ASR().load(datasets.speech_manifest.model_copy(update=changes).at(path), split)
    return [dataset[index] for index in range(len(dataset))]


@pytest.mark.parametrize("audio", ["audio", "audio_filepath", "file", "path", "wav"])
@pytest.mark.parametrize("words", ["text", "sentence", "transcript", "transcription"])
def test_manifest_with_any_usual_names(tmp_path, audio, words):
    sound(tmp_path / "a b.wav", rate=44_100)
    text(tmp_path / "manifest.tsv", f'{audio}\t{words}\na b.wav\tone "two\n')
    manifest(tmp_path / "m.jsonl", [{audio: "a b.wav", words: 'one "two', "duration": 0.5, "lang": "en"}])
    for place in (tmp_path, tmp_path / "manifest.tsv", tmp_path / "m.jsonl"):
        (sample,) = speech(place)
        assert (sample.id, sample.target, sample.group, sample.duration) == ("a b.wav", 'one "two', None, 0.5)
        assert decoded(sample).rate == 44_100


def test_manifest_prefers_what_was_written_to_what_was_normalised(tmp_path):
    text(tmp_path / "a.tsv", "file\ttext_normalized\ttext\na.wav\tin nineteen ten\tin 1910\n")
    assert speech(tmp_path / "a.tsv")[0].target == "in 1910"
    (sample,) = speech(tmp_path / "a.tsv", columns={"text": "text_normalized"})
    assert sample.target == "in nineteen ten"


def test_manifest_with_speakers_ids_conditions_and_splits(tmp_path):
    rows = [
        {"id": number, "file": "x.wav", "text": "x", "speaker": number % 2, "condition": "clean", "split": split}
        for number, split in enumerate(["test", "dev", "test", "test"])
    ]
    manifest(tmp_path / "manifest.jsonl", rows)
    samples = speech(tmp_path)
    assert [(s.id, s.group, s.meta) for s in samples] == [
        ("0", "0", {"condition": "clean"}),
        ("2", "0", {"condition": "clean"}),
        ("3", "1", {"condition": "clean"}),
    ]
    assert [s.id for s in speech(tmp_path, "dev")] == ["1"]
    assert ASR().load(datasets.speech_manifest.at(tmp_path), "test").splits == ("test", "dev")
    with pytest.raises(UsageError, match=r"unknown split of .*manifest\.jsonl 'train'; known: dev, test"):
        speech(tmp_path, "train")
    manifest(tmp_path / "manifest.jsonl", [*rows, {"file": "4.wav", "text": "x"}])
    with pytest.raises(UsageError, match=r"manifest\.jsonl:5: no field 'split'"):
        speech(tmp_path)


def test_manifest_of_its_split_comes_first(tmp_path):
    text(tmp_path / "dev.tsv", "file\ttext\na.wav\tdevelopment\n")
    text(tmp_path / "manifest.tsv", "file\ttext\na.wav\tany\n")
    assert [s.target for s in (*speech(tmp_path, "dev"), *speech(tmp_path, "test"))] == ["development", "any"]


def test_manifest_without_splits_is_one_split(tmp_path):
    """It would answer any name with the same rows."""
    text(tmp_path / "manifest.tsv", "file\ttext\na.wav\tany\n")
    text(tmp_path / "dev.tsv", "file\ttext\na.wav\tdevelopment\n")
    told = r"manifest\.tsv: no field 'split', and not called after 'train', so all of it is 'test'"
    for place in (tmp_path, tmp_path / "manifest.tsv"):
        with pytest.raises(UsageError, match=told):
            speech(place, "train")
    assert [s.target for s in speech(tmp_path / "dev.tsv", "dev")] == ["development"]
    assert [s.target for s in speech(tmp_path / "dev.tsv")] == ["development"]
    assert [s.target for s in speech(tmp_path / "manifest.tsv", "all", default_split="all")] == ["any"]


@pytest.mark.parametrize("name", ["train.json", "train_manifest.json", "train.jsonl"])
def test_manifest_as_nemo_names_it(tmp_path, name):
    manifest(tmp_path / name, [{"audio_filepath": "a.wav", "duration": 1.5, "text": "one"}])
    assert [s.target for s in speech(tmp_path, "train")] == ["one"]
    manifest(tmp_path / "manifest.json", [{"audio_filepath": "a.wav", "duration": 1.5, "text": "any"}])
    assert [s.target for s in speech(tmp_path)] == ["any"]


def test_manifest_with_parts_of_files(tmp_path):
    sound(tmp_path / "long.wav", seconds=3)
    parts = [{"audio_filepath": "long.wav", "offset": at, "duration": 1.5, "text": "x"} for at in (0, 1.5)]
    manifest(tmp_path / "m.jsonl", parts)
    samples = speech(tmp_path / "m.jsonl")
    assert [(s.id, s.duration) for s in samples] == [("long.wav@0", 1.5), ("long.wav@1.5", 1.5)]
    whole = load_audio(tmp_path / "long.wav").samples
    np.testing.assert_array_equal(np.concatenate([decoded(s).samples for s in samples]), whole)


def test_manifest_with_absolute_paths(tmp_path):
    sound(tmp_path / "elsewhere" / "a.flac")
    text(tmp_path / "here" / "m.tsv", f"file\ttext\n{tmp_path}/elsewhere/a.flac\tone\n")
    assert len(decoded(speech(tmp_path / "here" / "m.tsv")[0]).samples) == 8_000


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.tsv", "file\twords\na.wav\tone\n", r"m\.tsv:2: no field for the text \(text, sentence, .*are 'file', 'wo"),
        ("m.tsv", "name\ttext\na.wav\tone\n", r"m\.tsv:2: no field for the audio \(audio, audio_filepath, file, pa"),
        ("m.tsv", "file\ttext\na.wav\tone\na.wav\ttwo\n", r"m\.tsv:3: id 'a\.wav' is there twice; the first is at .*"),
        ("m.tsv", "file\ttext\na.wav\tone\nb.wav\n", r"m\.tsv:3: expected 2 fields, found 1"),
        ("m.tsv", "file\ttext\n\tone\n", r"m\.tsv:2: field 'file' is empty"),
        ("m.tsv", "", "speech-manifest test: no samples found"),
        ("m.jsonl", '{"file": "a.wav", "text": 5}\n', r"m\.jsonl:1: field 'text': expected str, found int 5"),
        ("m.jsonl", '{"file": "a.wav"}\n', r"m\.jsonl:1: no field for the text"),
        ("m.jsonl", '{"file": "a.wav", "text": "x"\n', r"m\.jsonl:1: not JSON"),
        ("m.jsonl", "[1]\n", r"m\.jsonl:1: expected one JSON object a line \(JSON Lines\), found the begin"),
        ("m.jsonl", '{"file": "a.wav", "text": "x", "offset": 1}\n', r"m\.jsonl:1: no field 'duration'"),
        ("m.jsonl", '{"file": "a.wav", "text": "x", "offset": "1", "duration": 1}\n', r"field 'offset': expected int"),
    ],
)
def test_broken_manifest(tmp_path, name, content, message):
    text(tmp_path / name, content)
    with pytest.raises(UsageError, match=message) as caught:
        speech(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_folder_without_a_manifest(tmp_path):
    with pytest.raises(UsageError, match=r"no manifest; expected a file, or a folder with one of test\.tsv, test\.js"):
        speech(tmp_path)
    with pytest.raises(UsageError, match="data set 'speech-manifest': write a manifest: TSV"):
        ASR().load(datasets.speech_manifest, "test")


def test_sound_that_is_broken_does_not_keep_the_others_from_loading(tmp_path):
    sound(tmp_path / "good.wav")
    (tmp_path / "short.wav").write_bytes((tmp_path / "good.wav").read_bytes()[:2000])
    (tmp_path / "empty.wav").touch()
    sound(tmp_path / "nothing.wav", seconds=0)
    soundfile.write(tmp_path / "nan.wav", np.full(8, np.nan), RATE, subtype="FLOAT")
    files = ["good.wav", "short.wav", "empty.wav", "nothing.wav", "nan.wav", "absent.wav"]
    files.append("no\0file.wav")
    text(tmp_path / "manifest.tsv", "file\ttext\n" + "".join(f"{file}\twords\n" for file in files))
    samples = speech(tmp_path)
    assert [sample.duration for sample in samples] == [0.5, None, None, 0.0, 8 / RATE, None, None]
    assert len(decoded(samples[0]).samples) == 8_000
    reasons = ["truncated", "an empty file", "its length is 0", "8 samples are NaN", "no such file", "cannot be"]
    for sample, reason in zip(samples[1:], reasons, strict=True):
        with pytest.raises(ValueError, match=rf"{sample.id}: .*{reason}"):
            decoded(sample)
