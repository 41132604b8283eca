"""Real photographs with their captions, where the shared development data is beside the checkout."""

from collections import Counter

import pytest
from PIL import Image

from mmbench.data.decode import load_image
from mmbench_tasks.captioning.datasets import captions_json
from mmbench_tasks.captioning.readers import open_captions

pytestmark = pytest.mark.shared


@pytest.fixture(scope="module")
def samples(shared):
    dataset = open_captions(captions_json.at(shared / "caption" / "coco_open106"), "all")
    return [dataset[index] for index in range(len(dataset))]


def test_counts(samples):
    """Reference: the folder's README."""
    assert len(samples) == 106
    captions = [caption for sample in samples for caption in sample.target]
    assert len(captions) == 530
    assert {len(sample.target) for sample in samples} == {5}
    assert sum(caption != " ".join(caption.split()) for caption in captions) == 73
    assert sum("\n" in caption for caption in captions) == 2


def test_ids_are_those_of_coco(samples):
    assert len({sample.id for sample in samples}) == 106
    assert samples[0].id == "285"
    assert all(sample.inputs["image"].stem == sample.id.zfill(12) for sample in samples)


def test_one_text_on_two_images_stays_with_both(samples):
    counts = Counter(caption for sample in samples for caption in set(sample.target))
    ((text, number),) = [(caption, n) for caption, n in counts.items() if n > 1]
    assert (text, number) == ("A computer desk with two monitors and a laptop.", 2)
    assert {sample.id for sample in samples if text in sample.target} == {"255165", "465718"}


def test_every_image_decodes_to_rgb(samples):
    modes = Counter()
    for sample in samples:
        with Image.open(sample.inputs["image"]) as image:
            modes[image.mode] += 1
        decoded = load_image(sample.inputs["image"])
        assert decoded.mode == "RGB"
        assert min(decoded.size) > 100
    assert modes == {"RGB": 105, "L": 1}


def test_the_file_itself_can_be_named(shared, samples):
    dataset = open_captions(captions_json.at(shared / "caption" / "coco_open106" / "captions.json"), "all")
    assert [dataset[index] for index in range(len(dataset))] == samples
