"""The speech recognition sets among the shared development data, with the counts that its README gives."""

import pytest

from mmbench.data.audio import load_audio
from mmbench.metrics.wer import WER
from mmbench.sample import Prediction
from mmbench_tasks.asr import datasets
from mmbench_tasks.asr.task import ASR

pytestmark = pytest.mark.shared

SETS = {
    ("an4", "an4", "test"): {"n": 130, "seconds": 357.0, "rate": 16_000, "words": 773, "speakers": 10},
    ("an4", "an4", "train"): {"n": 300, "seconds": 815.9, "rate": 16_000, "words": 1_759, "speakers": 74},
    ("speech_manifest", "asterisk_en", "test"): {"n": 429, "seconds": 1_163.3, "rate": 8_000, "words": 2_497},
    ("speech_manifest", "ljspeech32", "test"): {"n": 32, "seconds": 221.7, "rate": 22_050, "words": 560},
}


@pytest.fixture(scope="module", params=SETS, ids="-".join)
def opened(request, shared):
    card, folder, split = request.param
    dataset = ASR().load(getattr(datasets, card).at(shared / "asr" / folder), split)
    return SETS[request.param], [dataset[index] for index in range(len(dataset))]


def test_counts(opened):
    expected, samples = opened
    assert len(samples) == expected["n"]
    assert len({sample.id for sample in samples}) == expected["n"]
    assert sum(len(sample.target.split()) for sample in samples) == expected["words"]
    groups = {sample.group for sample in samples}
    assert len(groups) == expected["speakers"] if "speakers" in expected else groups == {None}


def test_every_file_is_decoded(opened):
    expected, samples = opened
    total = 0.0
    for sample in samples:
        audio = load_audio(sample.inputs["audio"])
        assert audio.rate == expected["rate"]
        assert sample.duration == pytest.approx(len(audio.samples) / audio.rate)
        total += sample.duration
    assert total == pytest.approx(expected["seconds"], abs=0.05)


def test_resampled_length(opened):
    _, samples = opened
    audio = load_audio(samples[0].inputs["audio"], 16_000)
    assert len(audio.samples) == pytest.approx(samples[0].duration * 16_000, abs=1)


def test_a_perfect_transcript_has_no_errors_and_silence_has_no_reference(opened):
    """Ten recordings of silence have nothing left to compare: the metric says so for each of them."""
    _, samples = opened
    silent = {f"silence__{number}.flac" for number in range(1, 11)} if len(samples) == 429 else set()
    assert silent <= {sample.id for sample in samples}
    for sample in samples:
        if sample.id in silent:
            with pytest.raises(ValueError, match="is empty after normalisation"):
                WER().row(Prediction(""), sample)
        else:
            row = WER().row(Prediction(sample.target), sample)
            assert row[:3] == (0, 0, 0)
            assert row[3] > 0


def test_speakers_of_an4_are_apart(shared):
    train, test = (ASR().load(datasets.an4.at(shared / "asr" / "an4"), split) for split in ("train", "test"))
    speakers = [{data[index].group for index in range(len(data))} for data in (train, test)]
    assert not speakers[0] & speakers[1]
