"""The speech recognition task: its declaration, and an evaluation from names to a record."""

import numpy as np
import pytest
import soundfile
from torch import nn, tensor

from mmbench.data.audio import load_audio
from mmbench.data.card import DatasetCard
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.cer import CER
from mmbench.metrics.wer import WER
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample
from mmbench.task import Task
from mmbench_tasks.asr.task import ASR

SPLITS = {
    "librispeech": {
        "test-clean": 2620, "test-other": 2939, "dev-clean": 2703, "dev-other": 2864,
        "train-clean-100": 28539, "train-clean-360": 104014, "train-other-500": 148688,
    },
    "an4": {"test": 130, "train": None},
    "common-voice": {"test": None, "dev": None, "train": None},
    "fleurs": {"train": None, "validation": None, "test": None},
    "tedlium": {"test": None, "dev": None, "train": None},
    "speech-manifest": {},
}  # fmt: skip


def test_is_registered_and_keeps_the_contract():
    task = registry.load("task", "asr")()
    assert isinstance(task, Task)
    assert task.card.metrics_on(None) == ("wer", "cer")
    assert task.card.modalities == ("audio",)
    assert task.card.target_field == "reference"
    for metric in task.card.metrics:
        assert registry.load("metric", metric)().name == metric


@pytest.mark.parametrize("name", ASR.card.datasets)
def test_cards(name):
    card = registry.load("dataset", name)
    assert isinstance(card, DatasetCard)
    assert (card.name, card.tasks) == (name, ("asr",))
    assert card.licence
    if name in SPLITS:
        assert card.splits == SPLITS[name]
    assert card.default_split in card.splits or not card.splits


def test_scores_what_the_model_writes():
    class Scribe:
        name = "scribe"
        modalities = ("audio",)

        def generate(self, batch):
            return ["a cat"] * batch.size

    (prediction,) = ASR().ask(Scribe(), Batch(1, {}, {}))
    assert prediction == Prediction("a cat")
    sample = Sample("s", {}, "A cat sat.")
    assert ASR().score(WER(), prediction, sample) == (0, 1, 0, 2)
    assert ASR().score(CER(), prediction, sample) == (0, 4, 0, 5)
    with pytest.raises(ValueError, match="the model gave 1 texts for 3 samples"):
        ASR().ask(type("Short", (Scribe,), {"generate": lambda self, batch: ["a cat"]})(), Batch(3, {}, {}))


class Constant(nn.Module):
    """Hears nothing and writes one text; a factory too."""

    modalities = ("audio",)

    def __init__(self, name="constant", text="the cat sat"):
        super().__init__()
        self.name, self.text = name, text

    @classmethod
    def open(cls, name):
        return cls(name)

    @classmethod
    def create(cls, name, modalities, samples):
        return cls(name)

    @classmethod
    def restore(cls, name, config):
        return cls(name, **config)

    def collate(self, samples):
        seconds = [len(load_audio(sample.inputs["audio"], 16_000).samples) / 16_000 for sample in samples]
        return Batch(len(samples), {"audio": tensor(seconds)}, {"audio": tensor(seconds) > 0})

    def generate(self, batch):
        return [self.text] * batch.size


@pytest.fixture
def constant():
    registry.register("model", "constant-scribe")(Constant)
    yield "constant-scribe"
    registry.unregister("model", "constant-scribe")


TABLE = [
    ("a.wav", "The cat sat.", "x", "clean", 8_000),
    ("b.flac", "the dog sat", "x", "noisy", 22_050),
    ("c.ogg", "a cat", "y", "clean", 44_100),
    ("d.wav", "the cat sat", "z", "noisy", 16_000),
]


@pytest.fixture
def speech(tmp_path):
    """A manifest of four recordings of one second, in stereo where the rate is 44.1 kHz."""
    folder = tmp_path / "speech"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for file, *_, rate in TABLE:
        soundfile.write(folder / file, rng.uniform(-0.5, 0.5, (rate, 2 if rate == 44_100 else 1)), rate)
    lines = ["\t".join(("file", "text", "speaker", "condition")), *("\t".join(row[:4]) for row in TABLE)]
    (folder / "manifest.tsv").write_text("\n".join(lines) + "\n")
    return folder


def run(model, speech, **options):
    return evaluate(
        model,
        "asr",
        dataset="speech-manifest",
        data=speech,
        output=speech.parent / "results",
        options=EvalOptions(batch_size=2, workers=0, threads=1, **options),
    ).record


def test_evaluation_from_names_to_a_record(constant, speech):
    record = run(constant, speech)
    assert record.main_metric == "wer"
    wer, cer = record.metrics["wer"], record.metrics["cer"]
    assert (wer.value, wer.n, wer.higher_is_better) == (pytest.approx((0 + 1 + 2 + 0) / 11), 4, False)
    assert cer.value == pytest.approx((0 + 3 + 7 + 0) / 38)
    assert wer.method == "clustered-bootstrap"  # by speaker
    assert wer.low <= wer.value <= wer.high
    assert record.details["wer"] == {
        "substitutions": 2, "deletions": 0, "insertions": 1, "hits": 9, "reference_words": 11
    }  # fmt: skip
    assert record.details["cer"]["reference_characters"] == 38
    assert {name: values["wer"].value for name, values in record.breakdowns["condition"].items()} == {
        "clean": pytest.approx(2 / 5),
        "noisy": pytest.approx(1 / 6),
    }
    throughput = record.cost.throughput
    assert throughput.audio_s == 4.0
    assert throughput.real_time_factor == pytest.approx(4.0 / sum(throughput.batch_s))
    assert record.settings["metrics"]["wer"]["normalizer"] == "whisper-english"
    assert not record.failures


def test_normaliser_of_the_user(constant, speech):
    record = run(constant, speech, protocol={"normalizer": "none"})
    assert record.metrics["wer"].value == pytest.approx((2 + 1 + 2 + 0) / 11)  # "The" and "sat." are other words
    assert record.settings["metrics"]["cer"]["normalizer"] == "none"


def spoil(speech):
    """Truncate b.flac and take away the words of a.wav."""
    data = (speech / "b.flac").read_bytes()
    (speech / "b.flac").write_bytes(data[: len(data) // 2])
    manifest = speech / "manifest.tsv"
    manifest.write_text(manifest.read_text().replace("The cat sat.", "(silence)"))


def test_damaged_sound_and_empty_reference_are_recorded_failures(constant, speech):
    spoil(speech)
    record = run(constant, speech, on_error="skip")
    told = {failure.id: (failure.stage, failure.reason) for failure in record.failures}
    assert set(told) == {"a.wav", "b.flac"}
    assert told["a.wav"][0] == "score"
    assert "the reference '(silence)' is empty after normalisation (whisper-english)" in told["a.wav"][1]
    assert told["b.flac"][0] == "decode"
    assert told["b.flac"][1].startswith("DecodeError: speech/b.flac: cannot be decoded")
    assert record.metrics["wer"].n == 2
    assert record.cost.throughput.audio_s == 2.0  # what failed is not counted as heard


def test_damaged_sound_stops_a_strict_run(constant, speech):
    spoil(speech)
    with pytest.raises(HarnessError, match=r"sample \S+ failed at stage (score|decode): "):
        run(constant, speech)


def test_empty_references_are_dropped_where_the_protocol_says_so(constant, speech):
    spoil(speech)
    record = run(constant, speech, on_error="skip", protocol={"normalizer": "open-asr-subset"})
    assert [failure.id for failure in record.failures] == ["b.flac"]
    assert record.metrics["wer"].n == 2


def test_model_that_only_classifies_is_refused(speech):
    class Classifier(Constant):
        labels = ("a", "b")
        generate = None

        def classify(self, batch):
            return tensor([[0.0, 1.0]] * batch.size)

    registry.register("model", "classifying-scribe")(Classifier)
    try:
        with pytest.raises(UsageError, match="task 'asr' needs a model that can generate"):
            run("classifying-scribe", speech)
    finally:
        registry.unregister("model", "classifying-scribe")
