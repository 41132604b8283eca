"""The task of several modalities, and the generated digits in three of them."""

import sys
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.signal import stft
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from mmbench.data.audio import load_audio
from mmbench.data.decode import load_image
from mmbench.data.split import split_by_group
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError
from mmbench.registry import registry
from mmbench.sample import Dataset
from mmbench.task import Task
from mmbench_tasks.multimodal_classification import trimodal_digits as module
from mmbench_tasks.multimodal_classification.datasets import av_digits as av_card
from mmbench_tasks.multimodal_classification.datasets import trimodal_digits as card
from mmbench_tasks.multimodal_classification.digit_images import SIZE
from mmbench_tasks.multimodal_classification.task import MultimodalClassification

PROPERTIES = [set("02468"), set("13579"), set("01234"), set("56789")]
COLUMNS = "image\taudio\ttext\tdigit\timage_condition\taudio_condition\thint\tnumber\tvoice\tseconds\n"
ROW = "test/0000.png\ttest/0000.flac\tIt is even.\t2\tclear\tclean\tparity\t1500\ten-us\t0.5\n"
CONDITIONS = {"image_condition": {"clear", "noisy", "covered"}, "audio_condition": {"clean", "-6 dB", "-12 dB"}}


@pytest.fixture(scope="module")
def speech():
    pytest.importorskip("espeakng_loader", reason="the extra `speech` is not installed")


@pytest.fixture(scope="module")
def splits(speech):
    loaded = {split: MultimodalClassification().load(card, split) for split in ("train", "test")}
    return {split: [dataset[index] for index in range(len(dataset))] for split, dataset in loaded.items()}


@pytest.fixture(scope="module")
def decoded(splits):
    """Pixels [N, SIZE * SIZE] and recordings by split."""
    return {
        split: (
            np.stack([np.asarray(load_image(sample.inputs["image"]).convert("L")).ravel() for sample in samples]),
            [load_audio(sample.inputs["audio"]) for sample in samples],
        )
        for split, samples in splits.items()
    }


def test_is_registered_and_keeps_the_contract():
    task = registry.load("task", "multimodal_classification")()
    assert isinstance(task, Task)
    assert task.card.default_dataset == "trimodal-digits"
    assert task.card.modalities_of(card) == ("image", "audio", "text")
    assert task.card.modalities_of(av_card) == ("image", "audio")
    for name in task.card.metrics:
        assert registry.load("metric", name)().name == name
    for name in task.card.datasets:
        assert registry.load("dataset", name).name == name


def test_contract_of_the_data_set(speech):
    dataset = MultimodalClassification().load(card, "test")
    assert isinstance(dataset, Dataset)
    assert dataset.revision.startswith("1-espeak-1.")
    assert set(dataset[0].inputs) == {"image", "audio", "text"}


def test_every_combination_is_there_as_often(splits):
    for split, samples in splits.items():
        assert len(samples) == card.splits[split]
        assert len({sample.id for sample in samples}) == len(samples)
        keys = ("image_condition", "audio_condition", "hint")
        cells = Counter((sample.target, *(sample.meta[key] for key in keys)) for sample in samples)
        assert len(cells) == 10 * 3 * 3 * 2
        assert len(set(cells.values())) == 1


def test_splits_and_groups_share_neither_image_nor_voice(splits):
    images = defaultdict(set)
    for split, samples in splits.items():
        table = samples[0].inputs["image"].parents[1] / f"{split}.tsv"
        for line, sample in zip(table.read_text().splitlines()[1:], samples, strict=True):
            *_, number, voice, _ = line.split("\t")
            assert sample.group == sample.meta["voice"] == voice
            images[number].add(voice)
    assert all(len(voices) == 1 for voices in images.values()), "an image is in one group only"
    speakers = [{sample.group.partition("+")[2] for sample in samples} for samples in splits.values()]
    assert [len(names) for names in speakers] == [25, 25]
    assert not speakers[0] & speakers[1]


def test_validation_by_group_has_all_digits(splits):
    rest, part = split_by_group(splits["train"])
    assert {part[index].target for index in range(len(part))} == set("0123456789")
    assert len(rest) > 4 * len(part)


def test_first_samples_vary(splits):
    first = splits["test"][:50]
    assert {sample.target for sample in first} == set("0123456789")
    assert len({sample.group for sample in first}) > 10
    for key, values in CONDITIONS.items():
        assert {sample.meta[key] for sample in first} == values


def test_hint_leaves_exactly_the_five_digits_that_have_the_property(splits):
    """So, digits being balanced, no text model can be right on more than one sample of five but by luck."""
    digits = defaultdict(set)
    for sample in splits["train"] + splits["test"]:
        digits[sample.inputs["text"]].add(sample.target)
        assert sample.inputs["text"] != sample.target
    assert all(found in PROPERTIES for found in digits.values())
    assert len(digits) == 20


def test_every_file(splits, decoded):
    for split, samples in splits.items():
        pixels, recordings = decoded[split]
        assert pixels.shape == (len(samples), SIZE * SIZE)
        assert (np.ptp(pixels, axis=1) > 100).all(), "no picture is blank"
        for sample, audio in zip(samples, recordings, strict=True):
            assert audio.rate == module.RATE
            assert len(audio.samples) / audio.rate == sample.duration
            assert 0.1 < sample.duration < 1
            assert np.abs(audio.samples).max() <= 0.991
            assert np.sqrt(np.mean(audio.samples**2)) > 0.04


def test_fusion_pays(splits, decoded):
    """Linear classifiers of each modality, and the sum of their log-probabilities: none alone is enough."""
    targets = {split: np.array([int(sample.target) for sample in samples]) for split, samples in splits.items()}
    texts = sorted({sample.inputs["text"] for sample in splits["train"]})
    features = {
        "image": {
            split: pixels.reshape(-1, 16, 2, 16, 2).mean(axis=(2, 4)).reshape(-1, 256)
            for split, (pixels, _) in decoded.items()
        },
        "audio": {
            split: np.stack([_spectrum(audio.samples) for audio in found]) for split, (_, found) in decoded.items()
        },
    }
    scores = {}
    for name, values in features.items():
        model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.3).fit(values["train"], targets["train"])
        scores[name] = model.predict_log_proba(values["test"])
    counts = np.full((len(texts), 10), 0.1)
    for sample, target in zip(splits["train"], targets["train"], strict=True):
        counts[texts.index(sample.inputs["text"]), target] += 1
    scores["text"] = np.log(counts / counts.sum(axis=1, keepdims=True))[
        [texts.index(sample.inputs["text"]) for sample in splits["test"]]
    ]

    def accuracy(*names):
        return np.mean(sum(scores[name] for name in names).argmax(axis=1) == targets["test"])

    assert 0.4 < accuracy("image") < 0.8
    assert 0.5 < accuracy("audio") < 0.85
    assert accuracy("image", "audio") > max(accuracy("image"), accuracy("audio")) + 0.05
    assert accuracy("image", "audio", "text") > accuracy("image", "audio") + 0.02


def _spectrum(samples):
    """Log power in 16 bands and 12 stretches of time, without its mean."""
    _, _, values = stft(samples, module.RATE, nperseg=256, noverlap=192)
    power = np.abs(values[2:]) ** 2
    edges = np.unique(np.geomspace(1, len(power), 20).astype(int))
    bands = np.log(np.stack([power[low:high].mean(axis=0) for low, high in pairwise(edges)]) + 1e-8)
    frames = np.stack([part.mean(axis=1) for part in np.array_split(bands, 12, axis=1)])
    return (frames - frames.mean()).ravel()


def _bytes(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.*"))}


def test_same_seed_gives_the_same_bytes(speech, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "REPEATS", {"test": 1})
    made = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        module.make(tmp_path / name, seed)
        made.append(_bytes(tmp_path / name))
    assert len(made[0]) == 2 * 180 + 2
    assert made[0] == made[1]
    assert made[0].keys() == made[2].keys()
    assert sum(made[0][path] == made[2][path] for path in made[0]) < 20  # the version, and a clear picture or two


def test_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path))
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UsageError, match=r"pip install 'mmbench\[speech\]'"):
        MultimodalClassification().load(card, "test")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (COLUMNS.replace("\tdigit", ""), r"test\.tsv:1: no column 'digit'"),
        (COLUMNS + ROW.replace("0.5", ""), r"test\.tsv:2: field 'seconds': expected a number above 0, found ''"),
        (COLUMNS + ROW * 2, r"test\.tsv:3: id 'test/0000' is there twice"),
        (COLUMNS + ROW.replace("test/0000.flac", "/etc/0.flac"), r"test\.tsv:2: file '/etc/0\.flac' lies outside"),
        (COLUMNS + ROW, "trimodal-digits test: expected 900 samples, found 1"),
    ],
)
def test_damaged_table(tmp_path, table, message):
    (tmp_path / "test.tsv").write_text(table)
    with pytest.raises(UsageError, match=message) as caught:
        MultimodalClassification().load(card.at(tmp_path), "test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", ["majority", "text-only", "image-only"])
def test_floors_train_and_run(speech, tmp_path, model):
    threads = torch.get_num_threads()
    course = {} if model == "majority" else {"epochs": 1, "batch_size": 64}
    options = TrainOptions(limit=400, workers=0, validation=0.2, **course)
    trained = train(model, "multimodal_classification", options=options, output=tmp_path / "weights.safetensors")
    evaluation = evaluate(
        model,
        "multimodal_classification",
        weights=trained.path,
        options=EvalOptions(limit=100, workers=0, threads=1, device="cpu", invariance=0),
        output=tmp_path / "results",
    )
    torch.set_num_threads(threads)
    record = evaluation.record
    assert record.dataset.n == 100
    assert set(record.breakdowns) == {"image_condition", "audio_condition", "hint"}
    assert record.cost.throughput.audio_s is None  # none of them hears
    assert 0 <= record.metrics["accuracy"].value < 0.5
