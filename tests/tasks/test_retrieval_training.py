"""What retrieval teaches: pairs of an image and one of its texts, from any part of the items."""

import json

import pytest

from mmbench.data.split import split_by_group
from mmbench.errors import UsageError
from mmbench.registry import registry
from mmbench.sample import Dataset, Sample, Subset, head
from mmbench.task import Teaches
from mmbench_tasks.retrieval.task import Retrieval

CAPTIONS = {"red": ["a red square", "red"], "green": ["green"], "blue": ["a blue square", "a red square"]}
"""One text is on two images."""


def written(folder, captions):
    """The items of images that are not there, for nothing here opens one."""
    entries = [{"id": name, "file_name": f"{name}.png", "captions": texts} for name, texts in captions.items()]
    (folder / "captions.json").write_text(json.dumps(entries), encoding="utf-8")
    return Retrieval().load(registry.load("dataset", "captions-json").at(folder), "all")


@pytest.fixture
def items(tmp_path):
    """Three images, then their five texts."""
    return written(tmp_path, CAPTIONS)


def training(items):
    assert isinstance(Retrieval(), Teaches)
    pairs = Retrieval().training(items)
    assert isinstance(pairs, Dataset)
    return [pairs[index] for index in range(len(pairs))]


def contents(pairs):
    return [(pair.inputs["image"].stem, pair.inputs["text"]) for pair in pairs]


def test_every_text_with_its_own_image(items):
    pairs = training(Subset(items, range(8)))
    assert contents(pairs) == [(name, text) for name, texts in CAPTIONS.items() for text in texts]
    assert [pair.id for pair in pairs] == ["text/red/0", "text/red/1", "text/green/0", "text/blue/0", "text/blue/1"]
    assert [pair.group for pair in pairs] == ["red", "red", "green", "blue", "blue"]
    assert pairs[1] == Sample("text/red/1", pairs[1].inputs, "red", "red")


def test_order_of_the_items_does_not_matter(items):
    assert contents(training(Subset(items, [6, 4, 2, 0, 3]))) == [
        ("blue", "a blue square"),
        ("red", "red"),
        ("red", "a red square"),
    ]


def test_items_without_their_counterpart_are_left_out(items):
    """Image green and the texts of blue stand alone."""
    assert contents(training(Subset(items, [0, 1, 3, 6, 7]))) == [("red", "a red square")]


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([0, 1, 2], "none of 0 texts belongs to one of 3 images"),
        ([3, 7], "none of 2 texts belongs to one of 0 images"),
        ([2, 3, 5], "none of 2 texts belongs to one of 1 images"),
        ([], "none of 0 texts belongs to one of 0 images"),
    ],
)
def test_no_pair_at_all(items, indices, message):
    with pytest.raises(UsageError, match=message):
        training(Subset(items, indices))


def test_held_out_images_are_in_no_training_pair(tmp_path):
    """As `train` splits the items, of the 200 images that `--limit` leaves."""
    items = written(tmp_path, {f"image{n}": [f"{k} of {n}" for k in range(5)] for n in range(300)})
    part, held_out = split_by_group(head(items, 200), 0.1)
    images = {part[index].target for index in range(len(part))}
    assert 150 < len(images) < 200
    pairs = training(part)
    assert len(pairs) == 5 * len(images)
    assert {pair.group for pair in pairs} == images
    assert not images & {held_out[index].target for index in range(len(held_out))}
    for pair in pairs:
        assert pair.inputs["image"].stem == pair.target == pair.group
        assert pair.inputs["text"].endswith(f" of {pair.target.removeprefix('image')}")
