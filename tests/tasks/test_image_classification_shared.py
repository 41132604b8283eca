"""Real data sets of image classification; counts from the README of the shared data."""

from collections import Counter

import numpy as np
import pytest

from mmbench.data.decode import load_image
from mmbench_tasks.image_classification.datasets import clothing, image_folder, mnist
from mmbench_tasks.image_classification.task import ImageClassification

pytestmark = pytest.mark.shared

CLASSES = {"dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt"}


@pytest.mark.parametrize(
    ("split", "n", "some"),
    [
        ("test", 372, {"hat": 12, "skirt": 12, "shoes": 73}),
        ("validation", 341, {"t-shirt": 81, "hat": 14, "skirt": 12}),
    ],
)
def test_clothing(shared, split, n, some):
    folder = shared / "classification" / "clothing"
    dataset = ImageClassification().load(clothing.at(folder), split)
    samples = [dataset[index] for index in range(len(dataset))]
    assert len(samples) == n
    counts = Counter(sample.target for sample in samples)
    assert set(counts) == CLASSES
    assert some.items() <= counts.items()
    on_disk = {path.relative_to(folder).as_posix() for path in (folder / split).rglob("*.jpg")}
    assert {sample.id for sample in samples} == on_disk
    assert len({sample.target for sample in samples[:30]}) >= 5  # the first ones are of many classes
    for sample in samples:
        image = load_image(sample.inputs["image"])
        assert image.mode == "RGB"
        assert min(image.size) == 400


def test_clothing_as_an_image_folder_is_the_same(shared):
    folder = shared / "classification" / "clothing"
    by_card = ImageClassification().load(clothing.at(folder), "test")
    generic = ImageClassification().load(image_folder.at(folder), "test")
    one_split = ImageClassification().load(image_folder.at(folder / "test"), "test")
    assert [by_card[i] for i in range(372)] == [generic[i] for i in range(372)] == [one_split[i] for i in range(372)]


def test_mnist(shared):
    dataset = ImageClassification().load(mnist.at(shared / "av" / "mnist_t10k"), "test")
    counts, total = Counter(), 0
    for index in range(len(dataset)):
        sample = dataset[index]
        counts[sample.target] += 1
        pixels = np.asarray(load_image(sample.inputs["image"]))
        assert pixels.shape == (28, 28, 3)
        total += int(pixels[0].max())  # the border is black: white on black, and no image is shifted
    assert [counts[str(digit)] for digit in range(10)] == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert len(dataset) == 10_000
    assert total / 10_000 < 1
