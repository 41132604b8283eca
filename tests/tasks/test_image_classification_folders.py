"""Data sets of image classification that are image files: folders by class, Food-101, ImageNet, copies of hub sets."""

import re

import datasets
import numpy as np
import pytest
from PIL import Image

from mmbench.data.decode import DecodeError, load_image
from mmbench.errors import UsageError
from mmbench_tasks.image_classification.datasets import clothing, food_101, image_folder, imagenet_1k
from mmbench_tasks.image_classification.task import ImageClassification


def load(card, folder, split, n=None):
    """A split of files in `folder`, of `n` samples instead of the official number."""
    splits = {name: n or count for name, count in card.splits.items()}
    return ImageClassification().load(card.model_copy(update={"splits": splits, "local": folder}), split)


def refused(card, folder, split, message, n=None):
    with pytest.raises(UsageError, match=message) as caught:
        load(card, folder, split, n)
    assert "\n" not in str(caught.value)
    assert str(folder) not in str(caught.value)


def pairs(dataset):
    return [(dataset[i].id, dataset[i].target) for i in range(len(dataset))]


@pytest.fixture
def write(tmp_path):
    """Write images, each of a colour of its own, and give the folder."""

    def make(*names):
        for number, name in enumerate(names):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (4, 4), (number, 100, 200)).save(path, format="PNG")
        return tmp_path

    return make


def test_folders_by_split_and_class(write):
    folder = write("test/cat/2.PNG", "test/dog/1.jpeg", "test/cat/3.webp", "train/cat/1.png", "test/dog/2.PNG")
    (folder / "LICENSE").touch()
    samples = load(image_folder, folder, "test")
    assert pairs(samples) == [  # by file name, so that classes are mixed
        ("test/dog/1.jpeg", "dog"),
        ("test/cat/2.PNG", "cat"),
        ("test/dog/2.PNG", "dog"),
        ("test/cat/3.webp", "cat"),
    ]
    assert samples[0].inputs == {"image": folder / "test" / "dog" / "1.jpeg"}
    assert samples[0].group is None
    assert [load_image(samples[i].inputs["image"]).getpixel((0, 0))[0] for i in range(4)] == [1, 0, 4, 2]
    assert pairs(load(image_folder, folder, "train")) == [("train/cat/1.png", "cat")]
    assert samples.splits == ("test", "train")


def test_folders_by_class_are_one_split(write):
    folder = write("cat/2.png", "dog/1.png")
    (folder / "README.md").touch()
    assert pairs(load(image_folder, folder, "test")) == [("test/dog/1.png", "dog"), ("test/cat/2.png", "cat")]
    assert load(image_folder, folder, "test").splits == ()
    refused(image_folder, folder, "train", "class folders and no split folders, so it is one split, 'test', and has no")


def test_what_is_hidden_or_left_by_file_managers_is_passed_over(write):
    folder = write("test/cat/1.png", "test/cat/._1.png", "test/.trash/1.png", "test/cat/.hidden/1.png")
    for name in (
        "test/.DS_Store",
        "test/cat/.DS_Store",
        "test/cat/Thumbs.db",
        "test/cat/desktop.ini",
        "test/index.csv",
    ):
        (folder / name).touch()
    assert pairs(load(image_folder, folder, "test")) == [("test/cat/1.png", "cat")]


@pytest.mark.parametrize(
    ("names", "extra", "message"),
    [
        (
            ["test/cat/1.png"],
            "test/cat/notes.txt",
            r"cat/notes\.txt: no image by its name \(\.bmp, .*\.webp\); a class",
        ),
        (["test/cat/1.png"], "test/cat/model.bin", r"cat/model\.bin: no image by its name"),
        (["test/cat/1.png"], "test/cat/image", "cat/image: no image by its name"),
        (["test/cat/1.png"], "test/dog/", "test/dog: a class folder without an image"),
        (["test/cat/1.png"], "test/dog/.DS_Store", "test/dog: a class folder without an image"),
        (
            ["test/cat/1.png", "test/cat/small/1.png"],
            None,
            "cat/small: a folder; expected the images of a class directly",
        ),
        (["test/cat/1.png", "test/2.png"], None, r"test/2\.png: an image without a class"),
        (["test/2.png"], None, r"test/2\.png: an image without a class"),
        ([], "test/", "image-folder test: no samples found"),
        (["train/cat/1.png", "tests/cat/1.png"], None, "has no folder 'test'; did you mean 'tests'"),
        ([], "cat.zip", "has no folders; expected test/CLASS/IMAGE in it"),
    ],
)
def test_folders_that_hold_something_else(write, names, extra, message):
    folder = write(*names)
    if extra:
        (folder / extra).parent.mkdir(parents=True, exist_ok=True)
        (folder / extra).mkdir() if extra.endswith("/") else (folder / extra).touch()
    refused(image_folder, folder, "test", message)


def test_name_that_is_not_utf8(write):
    folder = write("test/cat/1.png")
    try:
        (folder / "test" / "cat" / "caf\udce9.png").touch()
    except (OSError, UnicodeEncodeError):
        pytest.skip("this file system takes UTF-8 names only")
    refused(image_folder, folder, "test", r"test/cat: the name of the file 'caf\\udce9\.png' is not UTF-8")


def test_card_with_splits_keeps_its_counts(write):
    folder = write("test/hat/1.jpg", "validation/hat/1.jpg")
    assert len(load(clothing, folder, "test", 1)) == 1
    refused(clothing, folder, "test", "clothing test: expected 372 samples, found 1")
    refused(clothing, folder, "train", "clothing in .* has no folder 'train'; known: test, validation")
    refused(clothing, folder, "val", "unknown split of clothing 'val'")


def food(write, lists):
    folder = write("images/apple_pie/11.jpg", "images/waffles/7.jpg", "images/waffles/8.jpg")
    (folder / "meta").mkdir(exist_ok=True)
    for split, text in lists.items():
        (folder / "meta" / f"{split}.txt").write_bytes(text)
    return folder


def test_food_101_as_distributed(write):
    folder = food(write, {"test": b"waffles/8\napple_pie/11\n", "train": b"waffles/7\r\nwaffles/9\r\n"})
    samples = load(food_101, folder, "test", 2)
    assert pairs(samples) == [("test/apple_pie/11.jpg", "apple_pie"), ("test/waffles/8.jpg", "waffles")]
    assert load_image(samples[1].inputs["image"]).getpixel((0, 0)) == (2, 100, 200)
    train = load(food_101, folder, "train", 2)  # one image is missing, which only its own sample suffers from
    assert load_image(train[0].inputs["image"]).size == (4, 4)
    with pytest.raises(DecodeError, match=r"waffles/9\.jpg: no such file"):
        load_image(train[1].inputs["image"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"waffles/8\nwaffles\n", r"meta/test\.txt:2: expected CLASS/NUMBER, found 'waffles'"),
        (b"waffles/8\na/b/c\n", r"meta/test\.txt:2: expected CLASS/NUMBER, found 'a/b/c'"),
        (b"../8\n", r"meta/test\.txt:1: file '\.\./8' lies outside the data set"),
        (b"waffles/8\n\nwaffles/8\n", r"test\.txt:3: id 'waffles/8' is there twice; the first is at meta/test\.txt:1"),
        (b"waffles/8\nwaffl\xe9s/8\n", r"meta/test\.txt:2: not UTF-8"),
        (b"waffles/8\n", "food-101 test: expected 2 samples, found 1"),
    ],
)
def test_food_101_with_a_damaged_list(write, content, message):
    refused(food_101, food(write, {"test": content}), "test", message, 2)


def test_food_101_without_a_list(write):
    refused(food_101, food(write, {}), "test", r"meta/test\.txt: No such file or directory", 2)


TENCH, CRANE = "n01440764", "n02012849"
VAL = "ILSVRC2012_val_0000000{}.JPEG".format
SOLUTION = (
    "ImageId,PredictionString\n"
    f"{VAL(3)[:-5]},{TENCH} 12 1 5 6 \n"
    f"{VAL(1)[:-5]},{CRANE} 85 1 499 272 {CRANE} 1 2 3 4 \n"
    f"{VAL(2)[:-5]},{TENCH} 85 1 499 272 \n"
)
EXPECTED = [(f"validation/{w}/{VAL(n)}", w) for n, w in ((1, CRANE), (2, TENCH), (3, TENCH))]


@pytest.mark.parametrize("val", ["val", "validation", "ILSVRC/Data/CLS-LOC/val"])
@pytest.mark.parametrize("flat", [False, True])
def test_imagenet_layouts_give_the_same_samples(write, val, flat):
    where = ["", "", ""] if flat else [f"{CRANE}/", f"{TENCH}/", f"{TENCH}/"]
    folder = write(*(f"{val}/{w}{VAL(n)}" for n, w in enumerate(where, start=1)), f"train/{TENCH}/{TENCH}_1.JPEG")
    (folder / "LOC_val_solution.csv").write_text(SOLUTION)
    samples = load(imagenet_1k, folder, "validation", 3)
    assert pairs(samples) == EXPECTED
    assert [load_image(samples[i].inputs["image"]).getpixel((0, 0))[0] for i in range(3)] == [0, 1, 2]
    assert pairs(load(imagenet_1k, folder, "train", 1)) == [(f"train/{TENCH}/{TENCH}_1.JPEG", TENCH)]


@pytest.mark.parametrize(
    ("solution", "message"),
    [
        (None, r"val holds images and no class folders; expected LOC_val_solution\.csv in "),
        ("ImageId,PredictionString\nx\n", r"LOC_val_solution\.csv:2: expected IMAGE,WNID BOX \.\.\., found 'x'"),
        (f"h\n{VAL(1)},tench 1 2 3 4\n", r"LOC_val_solution\.csv:2: expected IMAGE,WNID"),
        (f"h\n../x,{TENCH} 1 2 3 4\n", r"LOC_val_solution\.csv:2: file '\.\./x' lies outside the data set"),
        (SOLUTION + f"{VAL(2)[:-5]},{CRANE} 1 2 3 4\n", r"csv:5: id 'ILSVRC2012_val_00000002' is there twice; .*csv:4"),
        (SOLUTION[: SOLUTION.rindex("ILSVRC")], "imagenet-1k validation: expected 3 samples, found 2"),
    ],
)
def test_imagenet_with_a_damaged_list(write, solution, message):
    folder = write(*(f"val/{VAL(n)}" for n in (1, 2, 3)))
    if solution:
        (folder / "LOC_val_solution.csv").write_text(solution)
    refused(imagenet_1k, folder, "validation", message, 3)


def test_imagenet_without_the_split(write):
    folder = write(f"train/{TENCH}/1.JPEG")
    refused(imagenet_1k, folder, "validation", "has no folder val or validation or ILSVRC/Data/CLS-LOC/val", 1)


def hub_copy(folder, labels, names=("apple_pie", "waffles"), **columns):
    """What `save_to_disk` writes of a data set with the split `validation`."""
    images = [Image.new("RGB", (5, 4), (number, 0, 0)) for number in range(len(labels))]
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=list(names))}
    rows = {"image": images, "label": labels} | columns
    made = datasets.Dataset.from_dict(rows, features=datasets.Features(features) if names else None)
    if not names:
        made = made.cast_column("image", datasets.Image())
    datasets.DatasetDict({"validation": made}).save_to_disk(folder)
    return folder


def test_copy_of_the_hub_gives_names_and_undecoded_images(tmp_path):
    samples = load(food_101, hub_copy(tmp_path / "copy", [1, 0, 1]), "test", 3)  # the hub calls it validation
    assert pairs(samples) == [("test/0", "waffles"), ("test/1", "apple_pie"), ("test/2", "waffles")]
    pixels = [np.asarray(load_image(samples[i].inputs["image"])) for i in range(3)]
    assert [image[0, 0, 0] for image in pixels] == [0, 1, 2]
    assert pixels[0].shape == (4, 5, 3)


def test_copy_of_the_hub_with_labels_as_text(tmp_path):
    samples = load(food_101, hub_copy(tmp_path / "copy", ["pie", "waffles"], names=()), "test", 2)
    assert [target for _, target in pairs(samples)] == ["pie", "waffles"]


def test_label_that_the_hub_hides_fails_with_its_sample(tmp_path):
    samples = load(food_101, hub_copy(tmp_path / "copy", [0, -1]), "test", 2)
    assert samples[0].target == "apple_pie"
    with pytest.raises(UsageError, match=re.escape("test/1: column 'label' holds -1, which is no label")):
        samples[1]


def test_copy_of_the_hub_of_another_size(tmp_path):
    refused(food_101, hub_copy(tmp_path / "copy", [0, 1]), "test", "food-101 test: expected 25250 samples, found 2")
