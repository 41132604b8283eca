"""What captioning teaches: one sample a caption, of whole images, without opening any."""

from pathlib import Path

import pytest

from mmbench.data.split import split_by_group
from mmbench.sample import Dataset, Sample, Subset, head
from mmbench.task import Teaches
from mmbench_tasks.captioning.datasets import scenes
from mmbench_tasks.captioning.task import Captioning

IMAGES = [
    Sample("a", {"image": Path("a.png")}, ["one", "two"], meta={"domain": "near"}),
    Sample("b", {"image": Path("b.png")}, ["three"]),
    Sample("c", {"image": Path("c.png")}, ["four", "five", "six"], group="album"),
]


def pairs(images):
    return Captioning().training(images)


def test_task_keeps_the_protocol():
    assert isinstance(Captioning(), Teaches)
    assert isinstance(pairs(IMAGES), Dataset)


def test_every_caption_is_a_sample_of_its_image():
    samples = list(map(pairs(IMAGES).__getitem__, range(6)))
    assert len(pairs(IMAGES)) == 6
    assert [sample.target for sample in samples] == ["one", "two", "three", "four", "five", "six"]
    assert [sample.id for sample in samples] == ["a/0", "a/1", "b/0", "c/0", "c/1", "c/2"]
    assert [sample.group for sample in samples] == ["a", "a", "b", "album", "album", "album"]
    assert [sample.inputs["image"].stem for sample in samples] == list("aabccc")
    assert [dict(sample.meta) for sample in samples[:3]] == [{"domain": "near"}, {"domain": "near"}, {}]


@pytest.mark.parametrize("index", [-1, 6])
def test_position_beyond_the_captions(index):
    with pytest.raises(IndexError, match=f"caption {index} of 6"):
        pairs(IMAGES)[index]


def test_nothing_to_learn_from():
    assert len(pairs([])) == 0


def test_part_of_the_images_gives_their_captions_alone():
    part = pairs(Subset(IMAGES, [2, 0]))
    assert [part[index].target for index in range(len(part))] == ["four", "five", "six", "one", "two"]


def test_limit_and_held_out_images_leave_captions_together():
    """Counts: the data set has five captions an image; held-out images are split off before captions are."""
    images = head(Captioning().load(scenes, "train"), 60)
    training, held_out = split_by_group(images, 0.2)
    part = pairs(training)
    assert len(part) == 5 * len(training) == 5 * (60 - len(held_out))
    owners = [part[index].group for index in range(len(part))]
    assert set(owners).isdisjoint(held_out[index].id for index in range(len(held_out)))
    assert all(owners.count(owner) == 5 for owner in owners)
