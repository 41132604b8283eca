"""The data sets of speech recognition in the layouts that people have them in, and what is told of broken ones."""

import numpy as np
import pytest
import soundfile

from mmbench.data.audio import AudioSlice, load_audio
from mmbench.data.hub import HubRows
from mmbench.errors import UsageError
from mmbench_tasks.asr import datasets
from mmbench_tasks.asr.task import ASR

RATE = 16_000


def sound(path, seconds=0.5, rate=RATE, **layout):
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, round(seconds * rate)).astype(np.float32)
    soundfile.write(path, noise, rate, **layout)


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def load(name, path, split, **changes):
    """All samples of a split in files at `path`; `changes` replace fields of the card."""
    card = getattr(datasets, name).model_copy(update=changes).at(path)
    dataset = ASR().load(card, split)
    return [dataset[index] for index in range(len(dataset))]


def decoded(sample):
    return load_audio(sample.inputs["audio"])


# LibriSpeech


@pytest.fixture
def librispeech(tmp_path):
    root = tmp_path / "LibriSpeech"
    for speaker, chapter, count in (("121", "7", 2), ("121", "9", 1), ("237", "1", 1)):
        folder = root / "test-clean" / speaker / chapter
        names = [f"{speaker}-{chapter}-{number:04d}" for number in range(count)]
        for name in names:
            sound(folder / f"{name}.flac")
        text(folder / f"{speaker}-{chapter}.trans.txt", "".join(f"{name} WORDS OF {name[:3]}\n" for name in names))
    return root


COUNT = {"splits": {"test-clean": 4, "dev-clean": 4}}


@pytest.mark.parametrize("place", ["", "..", "test-clean"])
def test_librispeech_folders(librispeech, place):
    samples = load("librispeech", (librispeech / place).resolve(), "test-clean", **COUNT)
    assert [sample.id for sample in samples] == ["121-7-0000", "121-7-0001", "121-9-0000", "237-1-0000"]
    assert [sample.group for sample in samples] == ["121", "121", "121", "237"]
    assert samples[0].target == "WORDS OF 121"
    assert {sample.duration for sample in samples} == {0.5}
    assert all(len(decoded(sample).samples) == RATE // 2 for sample in samples)


def test_librispeech_with_another_number_of_utterances(librispeech):
    with pytest.raises(UsageError, match="librispeech test-clean: expected 2620 samples, found 4"):
        load("librispeech", librispeech, "test-clean")
    with pytest.raises(UsageError, match="unknown split of librispeech 'test'; did you mean 'test-"):
        load("librispeech", librispeech, "test")


def test_librispeech_line_without_text(librispeech):
    text(librispeech / "test-clean/237/1/237-1.trans.txt", "237-1-0000 GOOD\n\n237-1-0001\n")
    with pytest.raises(UsageError, match=r"1/237-1\.trans\.txt:3: expected ID and text, found '237-1-0001'"):
        load("librispeech", librispeech, "test-clean", **COUNT)


def test_librispeech_id_twice(librispeech):
    text(librispeech / "test-clean/237/1/237-1.trans.txt", "121-7-0001 AGAIN\n")
    with pytest.raises(UsageError, match=r"trans\.txt:1: id '121-7-0001' is there twice; the first is at 7/121"):
        load("librispeech", librispeech, "test-clean", **COUNT)


def test_librispeech_file_outside(librispeech):
    text(librispeech / "test-clean/237/1/237-1.trans.txt", "../../x OUT\n")
    with pytest.raises(UsageError, match=r"trans\.txt:1: file '\.\./\.\./x\.flac' lies outside the data set"):
        load("librispeech", librispeech, "test-clean", **COUNT)


def test_folder_of_neither_layout(librispeech):
    with pytest.raises(UsageError, match=r"no LibriSpeech/dev-clean/SPEAKER/.*\.trans\.txt there either") as told:
        load("librispeech", librispeech, "dev-clean", **COUNT)
    assert "\n" not in str(told.value)


# A copy of the hub's tables


@pytest.fixture(autouse=True)
def hub_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "hf"))


def parquet(folder, rows, name):
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{name}-00000-of-00001.parquet")


def cells(tmp_path, texts):
    found = []
    for number, words in enumerate(texts):
        sound(tmp_path / f"{number}.flac", seconds=0.25 * (number + 1))
        cell = {"bytes": (tmp_path / f"{number}.flac").read_bytes(), "path": f"{number}.flac"}
        found.append({"audio": cell, "text": words, "speaker_id": number % 2, "id": f"u{number}"})
    return found


def test_copy_of_the_hub(tmp_path):
    parquet(tmp_path / "copy", cells(tmp_path, ["ONE", "TWO", "THREE"]), "test.clean")
    splits = {"splits": {"test-clean": 3}}
    samples = load("librispeech", tmp_path / "copy", "test-clean", **splits)
    assert [(s.id, s.target, s.group, s.duration) for s in samples] == [
        ("u0", "ONE", "0", 0.25),
        ("u1", "TWO", "1", 0.5),
        ("u2", "THREE", "0", 0.75),
    ]
    assert [len(decoded(sample).samples) for sample in samples] == [4_000, 8_000, 12_000]


def test_copy_of_the_hub_leaves_out_what_the_corpus_does_not_score(tmp_path):
    parquet(tmp_path / "copy", cells(tmp_path, ["one", "ignore_time_segment_in_scoring", "three"]), "test")
    samples = load("tedlium", tmp_path / "copy", "test")
    assert [(s.id, s.target) for s in samples] == [("test/0", "one"), ("test/2", "three")]


def test_texts_of_a_copy_of_the_hub_are_looked_through_without_the_sound(tmp_path, monkeypatch):
    parquet(tmp_path / "copy", cells(tmp_path, ["one", "ignore_time_segment_in_scoring", "three"]), "test")
    monkeypatch.setattr(HubRows, "__getitem__", None)  # whole rows, which hold the sound
    assert len(ASR().load(datasets.tedlium.at(tmp_path / "copy"), "test")) == 2


@pytest.mark.parametrize("name", ["librispeech", "tedlium"])
def test_copy_of_the_hub_with_one_speaker_has_no_groups(tmp_path, name):
    """As in files: with one cluster there would be no interval. Rows that are no samples do not count."""
    rows = cells(tmp_path, ["one", "ignore_time_segment_in_scoring"])
    if name == "librispeech":
        rows = rows[:1]
    parquet(tmp_path / "copy", rows, "test")
    (sample,) = load(name, tmp_path / "copy", "test", splits={})
    assert (sample.target, sample.group) == ("one", None)


def test_copy_of_the_hub_with_a_damaged_cell(tmp_path):
    rows = cells(tmp_path, ["one", "two"])
    rows[1]["audio"]["bytes"] = rows[1]["audio"]["bytes"][:3000]
    rows[1]["speaker_id"] = None
    parquet(tmp_path / "copy", rows, "test")
    card = datasets.tedlium.at(tmp_path / "copy")
    dataset = ASR().load(card, "test")
    assert dataset[0].duration == 0.25
    with pytest.raises(UsageError, match="test/1: field 'speaker_id': expected str or int, found NoneType None"):
        dataset[1]


# Common Voice


CV = "client_id\tpath\tsentence\tup_votes\n"


@pytest.mark.parametrize("place", ["cv-corpus-17.0-2024-03-15/en", "cv-corpus-17.0-2024-03-15", ""])
def test_common_voice(tmp_path, place):
    folder = tmp_path / "cv-corpus-17.0-2024-03-15" / "en"
    for number in range(2):
        sound(folder / "clips" / f"c{number}.mp3", seconds=1, rate=48_000)
    text(folder / "test.tsv", CV + 'ab\tc0.mp3\tHe said "stop".\t2\ncd\tc1.mp3\t"Why?\t2\n')
    samples = load("common_voice", tmp_path / place, "test")
    assert [(s.id, s.target, s.group) for s in samples] == [
        ("c0.mp3", 'He said "stop".', "ab"),
        ("c1.mp3", '"Why?', "cd"),
    ]
    assert [(decoded(s).rate, s.duration) for s in samples] == [(48_000, 1.0)] * 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("client_id\tpath\n1\ta.mp3\n", r"en/test\.tsv:1: no column 'sentence'; there are 'client_id', 'path'"),
        (CV + "ab\tc0.mp3\tone\n", r"en/test\.tsv:2: expected 4 fields, found 3"),
        (CV + "ab\tc0.mp3\tone\t2\nab\tc0.mp3\ttwo\t2\n", r"en/test\.tsv:3: id 'c0\.mp3' is there twice; .*tsv:2"),
        (CV + "ab\t../../x.mp3\tone\t2\n", r"en/test\.tsv:2: file '\.\./\.\./x\.mp3' lies outside the data set"),
        (CV, "common-voice test: no samples found"),
    ],
)
def test_broken_common_voice(tmp_path, content, message):
    text(tmp_path / "en" / "test.tsv", content)
    with pytest.raises(UsageError, match=message):
        load("common_voice", tmp_path / "en", "test")


def test_common_voice_that_is_not_utf8(tmp_path):
    (tmp_path / "test.tsv").write_bytes((CV + "ab\tc0.mp3\tgood\t2\ncd\tc1.mp3\tnaïve\t2\n").encode("latin-1"))
    with pytest.raises(UsageError, match=r"test\.tsv:3: not UTF-8 text \(byte 0xef\)"):
        load("common_voice", tmp_path, "test")


def test_hub_that_cannot_be_reached(monkeypatch):
    """Common Voice left the hub: the message says where it is."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match=r"cannot be loaded from the hub: .*; or get a release from http"):
        ASR().load(datasets.common_voice, "test")


# FLEURS


def test_fleurs_of_the_hub_is_grouped_by_sentence(tmp_path):
    rows = [{**cell, "id": number // 2} for number, cell in enumerate(cells(tmp_path, ["a", "b", "c"]))]
    parquet(tmp_path / "copy", [{**row, "transcription": row.pop("text")} for row in rows], "test")
    assert [s.group for s in load("fleurs", tmp_path / "copy", "test")] == ["0", "0", "1"]


def test_fleurs(tmp_path):
    folder = tmp_path / "data" / "en_us"
    row = "{}\t{}.wav\tRaw, {}.\traw {}\tr a w | x |\t8000\tFEMALE\n"
    rows = [(1, 17, "One", "one"), (1, 18, "One", "one"), (2, 19, 'It"s', 'it"s')]
    text(folder / "dev.tsv", "".join(row.format(*each) for each in rows))
    for name in (17, 18, 19):
        sound(folder / "audio" / "dev" / f"{name}.wav")
    for place in (tmp_path, tmp_path / "data", folder):
        samples = load("fleurs", place, "validation")
        assert [(s.id, s.target, s.group, s.duration) for s in samples] == [
            ("17", "raw one", "1", 0.5),
            ("18", "raw one", "1", 0.5),
            ("19", 'raw it"s', "2", 0.5),
        ]
    (folder / "audio" / "dev").rename(folder / "dev")  # where the archive is unpacked beside the table
    assert len(decoded(load("fleurs", folder, "validation")[0]).samples) == 8_000
    text(folder / "dev.tsv", "1\t17.wav\tone\n")
    with pytest.raises(UsageError, match=r"en_us/dev\.tsv:1: expected 7 fields, found 3"):
        load("fleurs", folder, "validation")


# TED-LIUM


STM = """;; comment
Ann_2009 1 Ann_2009 0.50 1.25 <o,f0,female> i ca n't <unk> it
Ann_2009 1 inter_segment_gap 1.25 1.50 <o,,unknown> ignore_time_segment_in_scoring
Ann_2009 1 Ann_2009 1.50 2.00 last words
"""


@pytest.fixture(params=["legacy/test", "test"])
def tedlium(request, tmp_path):
    folder = tmp_path / "TEDLIUM_release-3" / request.param
    text(folder / "stm" / "Ann_2009.stm", STM)
    text(folder / "stm" / "Bob_2010.stm", "Bob_2010 1 Bob_2010 0 0.5 <o,f0,male> hello\n")
    for name in ("Ann_2009", "Bob_2010"):
        sound(folder / "sph" / f"{name}.sph", seconds=2, format="NIST")
    return tmp_path / "TEDLIUM_release-3"


def test_tedlium(tedlium):
    samples = load("tedlium", tedlium, "test")
    assert [(s.id, s.target, s.group, s.duration) for s in samples] == [
        ("Ann_2009-0000050-0000125", "i ca n't <unk> it", "Ann_2009", 0.75),
        ("Ann_2009-0000150-0000200", "last words", "Ann_2009", 0.5),
        ("Bob_2010-0000000-0000050", "hello", "Bob_2010", 0.5),
    ]
    first = samples[0].inputs["audio"]
    assert isinstance(first, AudioSlice)
    np.testing.assert_array_equal(decoded(samples[0]).samples, load_audio(first.path).samples[8_000:20_000])


@pytest.mark.parametrize("line", ["Ann_2009 1 Ann_2009 0.50", "Ann_2009 1 Ann_2009 zero 1.25 <o> words"])
def test_broken_stm(tedlium, line):
    for file in tedlium.rglob("Bob_2010.stm"):
        text(file, f"\n{line}\n")
    with pytest.raises(UsageError, match=rf"stm/Bob_2010\.stm:2: expected file, channel, speaker.*found '{line}'"):
        load("tedlium", tedlium, "test")
