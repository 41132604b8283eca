"""The captioning task: its card, and evaluations from files to a record."""

import json

import pytest
import torch
from PIL import Image

from mmbench.data.decode import load_image
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import HarnessError, UsageError
from mmbench.model import Batch
from mmbench.record.store import Store
from mmbench.registry import registry
from mmbench.sample import Dataset
from mmbench.task import Task
from mmbench_tasks.captioning.datasets import captions_json, scenes
from mmbench_tasks.captioning.readers import open_captions
from mmbench_tasks.captioning.task import Captioning

METRICS = (
    *("cider_d", "bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor"),
    *("caption_length", "caption_vocabulary"),
)
DATASETS = ("scenes", "coco-captions", "coco-karpathy", "flickr8k", "flickr30k", "nocaps", "captions-json")


class Says:
    """Decodes every image, and says of each what it was told to say."""

    name = "says"
    modalities = ("image",)

    def __init__(self, texts):
        self.texts = texts

    def collate(self, samples):
        for sample in samples:
            load_image(sample.inputs["image"])
        numbers = torch.tensor([int(sample.inputs["image"].stem) for sample in samples])
        return Batch(len(samples), {"image": numbers}, {"image": torch.ones(len(samples), dtype=torch.bool)})

    def generate(self, batch):
        return [self.texts[number] for number in batch.inputs["image"].tolist()]


class Factory:
    """A model that needs no weights."""

    def __init__(self, texts):
        self.texts = texts

    def create(self, name, modalities, samples):
        return Says(self.texts)

    def restore(self, name, config):
        return Says(self.texts)

    def open(self, name):
        return Says(self.texts)


@pytest.fixture
def says():
    """Register a model that says the given texts, by the number in the image's file name."""

    def register(texts):
        registry.register("model", "says")(Factory(texts))

    yield register
    registry.unregister("model", "says")


def options(**chosen):
    return EvalOptions(workers=0, device="cpu", threads=1, **chosen)


def test_is_registered_and_keeps_the_contract():
    task = registry.load("task", "captioning")()
    assert isinstance(task, Task)
    assert task.card.default_dataset == "scenes"
    assert task.card.metrics == METRICS
    assert task.card.datasets == DATASETS
    assert (task.card.abilities, task.card.modalities) == (("generate",), ("image",))
    assert (task.card.target_field, task.card.many_targets) == ("references", True)
    assert isinstance(task.load(scenes, "validation"), Dataset)


@pytest.mark.parametrize("name", METRICS)
def test_its_metrics_are_registered(name):
    assert registry.load("metric", name).name == name


@pytest.mark.parametrize("name", DATASETS)
def test_its_data_sets_serve_both_tasks_with_the_metrics_of_each(name):
    card = registry.load("dataset", name)
    assert card.name == name
    assert card.tasks == ("captioning", "retrieval")
    assert card.metrics == card.modalities == ()
    assert card.default_split in card.splits or not card.splits
    assert Captioning.card.metrics_on(card) == METRICS


@pytest.mark.parametrize("name", DATASETS[1:])
def test_a_data_set_that_is_not_here_says_how_to_get_it(name, monkeypatch):
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    card = registry.load("dataset", name)
    with pytest.raises(UsageError, match=r"; then give --data PATH, or set MMBENCH_DATA") as caught:
        Captioning().load(card, card.default_split)
    assert "\n" not in str(caught.value)


@pytest.fixture
def quick():
    """Register a data set again as `quick`, with metrics that need no Java program to start."""

    def register(card):
        registry.register("dataset", "quick")(card.model_copy(update={"metrics": METRICS[:6]}))

    yield register
    registry.unregister("dataset", "quick")


def test_captions_of_other_images_score_less_than_right_ones(says, quick, tmp_path):
    samples = open_captions(scenes, "test")
    right = [samples[index].target[0] for index in range(50)]
    says(right[1:] + right[:1])
    record = evaluate("says", "captioning", output=tmp_path, options=options(limit=50)).record
    assert tuple(record.metrics) == METRICS
    assert record.main_metric == "cider_d"
    assert (record.dataset.name, record.dataset.split, record.dataset.n) == ("scenes", "test", 50)
    assert not record.failures
    other = record.metrics
    for name in METRICS[:6]:
        assert 0 < other[name].low < other[name].value < other[name].high, name
        assert other[name].n == 50
    assert other["meteor"].value is None or 0 < other["meteor"].value < 0.5  # it needs Java
    assert other["caption_length"].value > 5
    assert other["caption_vocabulary"].value > 30
    registry.unregister("model", "says")
    says(right)
    quick(scenes)
    own = evaluate("says", "captioning", dataset="quick", output=tmp_path, options=options(limit=50)).record.metrics
    assert tuple(own) == METRICS[:6]
    assert own["cider_d"].value > 3 * other["cider_d"].value
    for name in METRICS[1:6]:
        assert own[name].value == pytest.approx(1.0), name
        assert other[name].high < 0.8, name


@pytest.fixture
def photos(tmp_path):
    """Five images with two captions each; the fourth image is missing, of the fifth there is half a file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    colours = ["a black card", "a dark red card\u2028on\na\x0btable", "a red card", "a bright red card", "a card"]
    domains = ["near", "near", "far", "far", "far"]
    lines = []
    for number, (colour, domain) in enumerate(zip(colours, domains, strict=True)):
        Image.new("RGB", (40, 30), (60 * number, 0, 0)).save(folder / f"{number}.png")
        entry = {"image": f"{number}.png", "id": number, "captions": [colour, f"this is {colour}"], "domain": domain}
        lines.append(json.dumps(entry) + "\n")
    (folder / "3.png").unlink()
    (folder / "4.png").write_bytes((folder / "4.png").read_bytes()[:60])
    (folder / "captions.jsonl").write_text("".join(lines))
    return folder


def test_images_that_cannot_be_decoded_are_unscored_and_shift_nothing(says, quick, photos, tmp_path):
    """The captions with line ends are read verbatim, and only metrics see their white space collapsed."""
    says(["a black card", "a dark red card on a table", "a red card", "a bright red card", "a card"])
    quick(captions_json)
    run = evaluate(
        "says",
        "captioning",
        dataset="quick",
        data=photos,
        output=tmp_path / "results",
        options=options(on_error="skip"),
    )
    assert [(failure.id, failure.stage) for failure in run.record.failures] == [("3", "decode"), ("4", "decode")]
    assert "photos/3.png: no such file" in run.record.failures[0].reason
    assert "photos/4.png: " in run.record.failures[1].reason
    for name in ("bleu_1", "rouge_l"):
        assert run.record.metrics[name].n == 3
        assert run.record.metrics[name].value == pytest.approx(1.0)
    by_domain = run.record.breakdowns["domain"]
    assert {name: values["bleu_1"].n for name, values in by_domain.items()} == {"near": 2, "far": 1}
    table = Store(tmp_path / "results").load_samples(run.folder).to_pydict()
    assert table["id"] == ["0", "1", "2", "3", "4"]
    assert table["prediction"] == ["a black card", "a dark red card on a table", "a red card", None, None]
    assert table["target"][1][0] == "a dark red card\u2028on\na\x0btable"
    assert table["target"][3:] == [None, None]


def test_an_image_that_cannot_be_decoded_stops_the_run_unless_told_otherwise(says, photos, tmp_path):
    says(["a card"] * 5)
    with pytest.raises(HarnessError, match=r"sample 3 failed at stage decode: DecodeError: photos/3\.png: "):
        evaluate("says", "captioning", dataset="captions-json", data=photos, output=tmp_path, options=options())
