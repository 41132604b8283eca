"""The spoken sentences: the sentences, their recordings, and the splits."""

import sys
from collections import Counter

import numpy as np
import pytest
from whisper_normalizer.english import EnglishTextNormalizer

from mmbench.data.audio import load_audio
from mmbench.data.split import split_by_group
from mmbench.errors import UsageError
from mmbench.sample import Dataset
from mmbench_tasks.asr import spoken_sentences as module
from mmbench_tasks.asr.datasets import spoken_sentences as card
from mmbench_tasks.asr.recording import LEVEL
from mmbench_tasks.asr.sentence_grammar import in_words, sentences
from mmbench_tasks.asr.spoken_sentences import CONDITIONS, COUNTS, RATE, SpokenSentences

needs_speech = pytest.mark.usefixtures("speech")
COLUMNS = "file\ttext\tspoken\tvoice\trate\tcondition\tseconds\n"
ROW = "test/000.flac\tHi.\tHi.\ten-us\t150\tclean\t1.5\n"


@pytest.fixture(scope="module")
def speech():
    pytest.importorskip("espeakng_loader", reason="the extra `speech` is not installed")


@pytest.fixture(scope="module")
def splits(speech):
    loaded = {split: SpokenSentences(card, split) for split in COUNTS}
    return {split: [dataset[index] for index in range(len(dataset))] for split, dataset in loaded.items()}


def test_numbers_in_words():
    """Reference: Whisper's English normaliser turns them back."""
    normalise = EnglishTextNormalizer()
    for number in range(2, 1000):  # it leaves "one" as it is
        assert normalise(in_words(number)) == str(number)
    assert (in_words(0), in_words(1), in_words(325)) == ("zero", "one", "three hundred twenty five")


def test_written_and_spoken_sentence_agree_after_normalisation():
    """Reference: Whisper's English normaliser; without it, six sentences of ten differ by more than punctuation."""
    normalise = EnglishTextNormalizer()
    found = sentences(np.random.RandomState(1), 3000)
    assert len({sentence.spoken for sentence in found}) == 3000
    for sentence in found:
        assert normalise(sentence.written) == normalise(sentence.spoken)
        assert not any(character.isdigit() or character in "$%{}|_" for character in sentence.spoken)
    assert sum(sentence.written != sentence.spoken for sentence in found) > 1000
    assert len({word for sentence in found for word in sentence.spoken.split()}) > 300
    assert sum("n't" in sentence.written for sentence in found) > 300


@needs_speech
def test_contract():
    dataset = SpokenSentences(card, "test")
    assert isinstance(dataset, Dataset)
    assert dataset.revision.startswith("1-espeak-1.")
    sample = dataset[0]
    assert sample.id == "test/000"
    assert set(sample.inputs) == {"audio"}
    assert sample.group == sample.meta["voice"]


def test_counts(splits):
    for split, samples in splits.items():
        assert len(samples) == card.splits[split] == COUNTS[split]
        assert len({sample.id for sample in samples}) == len(samples)
        cells = Counter((sample.meta["voice"], sample.meta["condition"]) for sample in samples)
        assert len(cells) == len({voice for voice, _ in cells}) * len(CONDITIONS)
        assert len(set(cells.values())) == 1, "each voice speaks as often in each condition"


def test_splits_share_no_sentence_and_no_speaker(splits):
    texts = [sample.target for samples in splits.values() for sample in samples]
    assert len(texts) == len(set(texts))
    speakers = [{sample.meta["voice"].partition("+")[2] for sample in samples} for samples in splits.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers))


def test_first_samples_vary(splits):
    """A run with --limit sees several voices and all conditions."""
    first = splits["test"][:20]
    assert {sample.meta["condition"] for sample in first} == set(CONDITIONS)
    assert len({sample.group for sample in first}) == 20


def test_validation_by_group_gets_voices(splits):
    rest, part = split_by_group(splits["train"])
    assert len(part)
    assert len(rest) > 4 * len(part)


def test_every_recording(splits):
    for samples in splits.values():
        for sample in samples:
            audio = load_audio(sample.inputs["audio"])
            assert audio.rate == RATE
            assert audio.samples.ndim == 1
            assert len(audio.samples) / RATE == sample.duration
            assert 1 < sample.duration < 8
            assert np.abs(audio.samples).max() <= 0.991
            snr = CONDITIONS[sample.meta["condition"]]
            level = LEVEL * np.sqrt(1 + (0 if snr is None else 10 ** (-snr / 10)))
            # Speech and noise are independent only on average; two recordings are turned down from above full scale.
            assert np.sqrt(np.mean(audio.samples**2)) == pytest.approx(level, rel=0.03) or (
                np.abs(audio.samples).max() > 0.98
            )


def _bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


@needs_speech
def test_same_seed_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "COUNTS", {"train": 30, "test": 30})
    made = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        module.make(tmp_path / name, seed)
        made.append(_bytes(tmp_path / name))
    assert len(made[0]) == 63
    assert made[0] == made[1]
    assert made[0].keys() == made[2].keys()
    assert not {text for path, text in made[0].items() if path.suffix != ".txt"} & set(made[2].values())


def test_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UsageError, match=r"pip install 'mmbench\[speech\]'"):
        SpokenSentences(card, "test")
    assert [path.name for path in (tmp_path / "spoken-sentences").iterdir()] == [".lock"]


def test_unknown_split():
    with pytest.raises(UsageError, match="unknown split of spoken-sentences 'tset'; did you mean 'test'"):
        SpokenSentences(card, "tset")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (COLUMNS.replace("file", "sound") + ROW, r"test\.tsv:1: no column 'file'"),
        (COLUMNS + ROW.replace("\t1.5", ""), r"test\.tsv:2: expected 7 fields, found 6"),
        (
            COLUMNS + ROW.replace("1.5", "soon"),
            r"test\.tsv:2: field 'seconds': expected a number above 0, found 'soon'",
        ),
        (COLUMNS + ROW.replace("1.5", "nan"), r"test\.tsv:2: field 'seconds': expected a number above 0, found 'nan'"),
        (COLUMNS + ROW.replace("1.5", "-1"), r"test\.tsv:2: field 'seconds': expected a number above 0"),
        (COLUMNS + ROW * 2, r"test\.tsv:3: id 'test/000' is there twice; the first is at .*test\.tsv:2"),
        (COLUMNS + ROW.replace("test/", "../"), r"test\.tsv:2: file '\.\./000\.flac' lies outside"),
        (COLUMNS + ROW, "spoken-sentences test: expected 300 samples, found 1"),
    ],
)
def test_damaged_table(tmp_path, table, message):
    (tmp_path / "test.tsv").write_text(table)
    with pytest.raises(UsageError, match=message) as caught:
        SpokenSentences(card.at(tmp_path), "test")
    assert "\n" not in str(caught.value)


def test_copy_elsewhere(tmp_path):
    """A local copy is read where it is; without the note of the version the revision is the card's."""
    (tmp_path / "test.tsv").write_text(COLUMNS + ROW)
    dataset = SpokenSentences(card.at(tmp_path).model_copy(update={"splits": {"test": None}}), "test")
    assert dataset.revision == "1"
    assert dataset[0].inputs["audio"] == tmp_path / "test" / "000.flac"
    assert dataset[0].duration == 1.5
