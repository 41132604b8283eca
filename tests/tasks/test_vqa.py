"""The VQA task, its cards, and the real easy-VQA."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
import torch

from mmbench.errors import UsageError
from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.exact_match import ExactMatch
from mmbench.metrics.metric import score_all
from mmbench.metrics.vqa_accuracy import VQAAccuracy
from mmbench.model import Batch
from mmbench.registry import registry
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import Task
from mmbench_tasks.vqa import datasets
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

COLOURS = {"black", "blue", "brown", "gray", "green", "red", "teal", "yellow"}
SHAPES = {"circle", "rectangle", "triangle"}
ANSWERS = {"color": COLOURS, "shape": SHAPES, "yes/no": {"yes", "no"}}


@pytest.fixture(scope="module", params=["train", "test"])
def split(request):
    dataset = VQA().load(easy_vqa, request.param)
    return request.param, dataset, [dataset[index] for index in range(len(dataset))]


def test_is_registered_and_keeps_the_contract():
    task = registry.load("task", "vqa")()
    assert isinstance(task, Task)
    assert task.card.default_dataset == "easy-vqa"
    assert task.card.metrics_on(easy_vqa) == ("accuracy", "macro_f1", "mean_class_recall")
    assert isinstance(task.load(easy_vqa, "test"), Dataset)
    for metric in task.card.metrics:
        assert registry.load("metric", metric)().name == metric


@pytest.mark.parametrize("name", VQA.card.datasets)
def test_cards_of_the_task(name):
    card = registry.load("dataset", name)
    assert (card.name, card.tasks) == (name, ("vqa",))
    assert {card.default_split, card.train_split} <= set(card.splits)
    assert card.metrics
    for metric in card.metrics:
        assert registry.load("metric", metric)().name == metric


def test_every_card_of_the_folder_is_a_data_set_of_the_task():
    files = Path(datasets.__file__).parent.glob("*.yaml")
    assert {path.stem.replace("_", "-") for path in files} == set(VQA.card.datasets)


def test_several_answers_are_scored_as_they_are():
    """Reference: the official VQA evaluation; 2 of 10 people give 0.6."""
    sample = Sample("1", {}, ["red"] * 2 + ["pink"] * 8)
    for metric, expected in ((VQAAccuracy(), 0.6), (ExactMatch(), 1.0)):
        assert score_all(metric, [VQA().score(metric, Prediction("red"), sample)]) == expected


def test_official_numbers(split):
    """Reference: the package's README, 38,575 and 9,673 questions on 4,000 and 1,000 images."""
    name, dataset, samples = split
    assert len(dataset) == {"train": 38_575, "test": 9_673}[name]
    assert len({sample.group for sample in samples}) == {"train": 4_000, "test": 1_000}[name]
    assert len({sample.id for sample in samples}) == len(samples)
    assert {sample.target for sample in samples} == COLOURS | SHAPES | {"yes", "no"}


def test_group_is_the_image(split):
    _, _, samples = split
    images = {}
    for sample in samples:
        assert images.setdefault(sample.group, sample.inputs["image"]) == sample.inputs["image"]
    assert len(set(images.values())) == len(images)
    assert all(path.is_file() for path in images.values())


def test_splits_share_no_id_and_no_group():
    train, test = (VQA().load(easy_vqa, split) for split in ("train", "test"))
    for key in ("id", "group"):
        first, second = ({getattr(data[i], key) for i in range(len(data))} for data in (train, test))
        assert not first & second


def test_question_types_partition_the_questions(split):
    """Every question has the type that its answer belongs to, though the type is told from the question alone."""
    name, _, samples = split
    counts = Counter(sample.meta["question_type"] for sample in samples)
    assert set(counts) == set(ANSWERS)
    assert sum(counts.values()) == len(samples)
    assert (
        counts
        == {
            "train": {"color": 5_166, "shape": 5_002, "yes/no": 28_407},
            "test": {"color": 1_280, "shape": 1_257, "yes/no": 7_136},
        }[name]
    )
    for sample in samples:
        assert sample.target in ANSWERS[sample.meta["question_type"]], sample


def test_one_question_has_one_type():
    types = {}
    for split in ("train", "test"):
        data = VQA().load(easy_vqa, split)
        for index in range(len(data)):
            sample = data[index]
            kind = sample.meta["question_type"]
            assert types.setdefault(sample.inputs["text"], kind) == kind


def test_files_that_the_user_gives(tmp_path):
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "questions.json").write_text(json.dumps([["what shape is it?", "circle", 3]]))
    sample = VQA().load(easy_vqa.model_copy(update={"splits": {"test": 1}}).at(tmp_path), "test")[0]
    assert sample.inputs == {"image": tmp_path / "test" / "images" / "3.png", "text": "what shape is it?"}
    with pytest.raises(UsageError, match=r"no train/questions\.json in .*; give --data the folder that has it"):
        VQA().load(easy_vqa.at(tmp_path), "train")


def test_unknown_split():
    with pytest.raises(UsageError, match="unknown split of easy-vqa 'tset'; did you mean 'test'"):
        VQA().load(easy_vqa, "tset")


class Fixed:
    """Returns the logits it was made with."""

    name = "fixed"
    modalities = ("text",)
    labels = ("yes", "no", "red")

    def __init__(self, logits):
        self.logits = logits

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def classify(self, batch):
        return self.logits


def test_asks_for_the_most_probable_answer_and_scores_it():
    samples = VQA().load(easy_vqa, "test")
    predictions = VQA().ask(Fixed(torch.tensor([[0.0, 1.0, 2.0], [3.0, 1.0, 2.0]])), Batch(2, {}, {}))
    assert [prediction.value for prediction in predictions] == ["red", "yes"]
    sample = next(samples[index] for index in range(len(samples)) if samples[index].target == "yes")
    right, wrong = (VQA().score(Accuracy(), prediction, sample) for prediction in reversed(predictions))
    assert (right, wrong) == (Accuracy().row(predictions[1], sample), Accuracy().row(predictions[0], sample))
    assert right != wrong
    assert VQA().score(Accuracy(), Prediction("YES"), sample) == wrong


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Lay out a package like easy-vqa with the given content of its test questions, and give its card."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "test_small_vqa-1.0.dist-info").mkdir()
    (tmp_path / "test_small_vqa-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: test-small-vqa\nVersion: 1.0\n"
    )
    folder = tmp_path / "test_small_vqa" / "data" / "test"
    folder.mkdir(parents=True)
    (tmp_path / "test_small_vqa" / "__init__.py").touch()

    def make(content, n=2):
        if content is not None:
            (folder / "questions.json").write_text(content if isinstance(content, str) else json.dumps(content))
        source = easy_vqa.source.model_copy(update={"name": "test_small_vqa", "requirement": "test-small-vqa==1.0"})
        return easy_vqa.model_copy(update={"name": "small-vqa", "source": source, "splits": {"test": n}})

    return make


def test_files_of_a_package(package):
    card = package([["is there a circle?", "no", 0], ["What color is it?", "red", 12]])
    samples = VQA().load(card, "test")
    assert len(samples) == 2
    assert samples[1].id == "test/1"
    assert samples[1].inputs["image"].parts[-4:] == ("data", "test", "images", "12.png")
    assert samples[0].meta == {"question_type": "yes/no"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[["a", "b", 1], ["c", "d"', r"test/questions\.json:1: not JSON: .* at column 26"),
        (
            [["a", "b", 1], ["c", "d"]],
            r"questions\.json: row 1: expected \[question, answer, image number\], found \['c', 'd'\]",
        ),
        ([["a", "b", "1"], ["c", "d", 2]], r"questions\.json: row 0: expected .* found \['a', 'b', '1'\]"),
        ([["a", "b", 1], None], r"questions\.json: row 1: expected .* found None"),
        ([["a", "b", 1]], "small-vqa test: expected 2 samples, found 1"),
        ([["a", "b", 1]] * 3, "small-vqa test: expected 2 samples, found 3"),
        (None, r"data set 'small-vqa': no test/questions\.json in .*; reinstall test-small-vqa==1\.0"),
    ],
)
def test_damaged_file_gives_file_and_row(package, content, message):
    with pytest.raises(UsageError, match=message) as caught:
        VQA().load(package(content), "test")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [5, None, {"questions": []}])
def test_file_that_holds_no_list(package, content):
    with pytest.raises(UsageError, match=re.escape("questions.json")):
        VQA().load(package(json.dumps(content)), "test")
