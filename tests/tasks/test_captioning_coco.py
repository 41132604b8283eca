"""Captions in the JSON layouts of COCO and of Karpathy: what is read, and every damage told with file, place and id."""

import json

import pytest

from mmbench.errors import UsageError
from mmbench_tasks.captioning.datasets import coco_captions, coco_karpathy, nocaps
from mmbench_tasks.captioning.readers import open_captions

ODD = ' Two\tdogs ,\n"A" \u2028|#\x00\x1b é \U0001f415 .\r'
"""A caption with control characters, line ends of every kind and outer space."""


def counted(card, folder, **splits):
    """The card with files in `folder` and the numbers of a small split."""
    return card.at(folder).model_copy(update={"splits": {**card.splits, **splits}})


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8", newline="")


def read(card, split):
    """Everything of a split, by id."""
    dataset = open_captions(card, split)
    samples = [dataset[index] for index in range(len(dataset))]
    assert all(sample.group is None and set(sample.inputs) == {"image"} for sample in samples)
    return {sample.id: sample for sample in samples}


def refuses(card, split, message):
    with pytest.raises(UsageError, match=message) as caught:
        open_captions(card, split)
    assert "\n" not in str(caught.value)


def test_a_layout_that_is_not_there(tmp_path):
    refuses(coco_captions.at(tmp_path), "vall", "unknown split of coco-captions 'vall'; did you mean 'val'")
    refuses(
        coco_captions.at(tmp_path),
        "val",
        r"'coco-captions': .* has no annotations/captions_val2017\.json or captions_val2017\.json$",
    )
    write(tmp_path / "captions_val2017.json", {})
    refuses(coco_captions.at(tmp_path), "val", r"has no val2017 or images/val2017$")
    refuses(coco_captions.at(tmp_path / "captions_val2017.json"), "val", r"captions_val2017\.json is not a folder")


# COCO: images and annotations, joined by number.


def coco(images=None, annotations=None):
    default_images = [{"id": 7, "file_name": "7.jpg", "width": 5}, {"id": 3, "file_name": "3.jpg"}]
    default_annotations = [
        {"id": 12, "image_id": 3, "caption": ODD},
        {"id": 11, "image_id": 7, "caption": "A cat ."},
        {"id": 10, "image_id": 3, "caption": "A dog."},
    ]
    return {
        "info": {},
        "images": default_images if images is None else images,
        "annotations": default_annotations if annotations is None else annotations,
    }


@pytest.fixture
def coco_folder(tmp_path):
    (tmp_path / "val2017").mkdir()

    def make(content):
        write(tmp_path / "annotations" / "captions_val2017.json", content)
        return counted(coco_captions, tmp_path, val=2)

    return make


def test_coco(coco_folder, tmp_path):
    samples = read(coco_folder(coco()), "val")
    assert list(samples) == ["7", "3"]
    assert samples["3"].target == [ODD, "A dog."]
    assert samples["7"].target == ["A cat ."]
    assert samples["7"].inputs["image"] == tmp_path / "val2017" / "7.jpg"
    assert samples["7"].meta == {}


IMAGE, CAPTION = {"id": 7, "file_name": "7.jpg"}, {"id": 1, "image_id": 7, "caption": "A cat."}
FILE = r"annotations/captions_val2017\.json"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", f"{FILE}:1: not JSON"),
        (b'{"images": [],\n"annotations": ["\xff"]}', f"{FILE}:2: not UTF-8 text"),
        ([], f"{FILE}: expected a JSON object with 'images', found list"),
        ({"annotations": []}, f"{FILE}: no field 'images'"),
        ({"images": [IMAGE]}, f"{FILE}: no field 'annotations'"),
        (coco([7]), f"{FILE}: entry 1 of images: expected a JSON object, found int"),
        (coco([IMAGE, {"file_name": "3.jpg"}]), f"{FILE}: entry 2 of images: no field 'id'"),
        (coco([{"id": 7}]), f"{FILE}: entry 1 of images: id '7': no field 'file_name'"),
        (coco([{"id": True, "file_name": "7.jpg"}]), "entry 1 of images: field 'id': expected int, found bool True"),
        (coco([IMAGE, IMAGE]), "entry 2 of images: id '7' is there twice; the first is at .*entry 1 of images"),
        (coco([IMAGE], [CAPTION, CAPTION]), "entry 2 of annotations: id '1' is there twice"),
        (coco([IMAGE], [{"id": 1, "image_id": 7}]), "entry 1 of annotations: id '1': no field 'caption'"),
        (coco([IMAGE], [{**CAPTION, "caption": None}]), "id '1': field 'caption': expected str, found NoneType None"),
        (coco([IMAGE], [{**CAPTION, "image_id": 8}]), "id '1': its image_id 8 is not among the images"),
        (coco([IMAGE], []), "entry 1 of images: id '7': there are no captions"),
        (
            coco([IMAGE], [{**CAPTION, "caption": " \n"}]),
            f"{FILE}: entry 1 of annotations: id '1': .* is empty",
        ),
        (
            coco([{**IMAGE, "file_name": "../7.jpg"}], [CAPTION]),
            r"id '7': file '\.\./7\.jpg' lies outside the data set",
        ),
        (coco([{**IMAGE, "file_name": "/7.jpg"}], [CAPTION]), "id '7': file '/7.jpg' lies outside the data set"),
        (coco([IMAGE], [CAPTION]), "coco-captions val: expected 2 samples, found 1"),
        (coco([], []), "coco-captions val: expected 2 samples, found 0"),
    ],
)
def test_damaged_coco(coco_folder, content, message):
    refuses(coco_folder(content), "val", message)


def test_half_a_character_is_no_text(coco_folder):
    content = json.dumps(coco([IMAGE], [CAPTION])).replace("A cat.", r"A \ud83d.")
    refuses(coco_folder(content), "val", rf"{FILE}:1: a text holds '\\ud83d', half of a character")


def test_nocaps_is_broken_down_by_domain(tmp_path):
    (tmp_path / "images").mkdir()
    images = [{**IMAGE, "domain": "near-domain"}, {"id": 0, "file_name": "0.jpg", "domain": "out-domain"}]
    content = coco(images, [CAPTION, {**CAPTION, "id": 2, "image_id": 0}])
    write(tmp_path / "nocaps_val_4500_captions.json", content)
    samples = read(counted(nocaps, tmp_path, val=2), "val")
    assert {name: sample.meta for name, sample in samples.items()} == {
        "7": {"domain": "near-domain"},
        "0": {"domain": "out-domain"},
    }
    write(tmp_path / "nocaps_val_4500_captions.json", coco([IMAGE], [CAPTION]))
    refuses(nocaps.at(tmp_path), "val", r"captions\.json: entry 1 of images: id '7': no field 'domain'")


# Karpathy: a list of images, each with its split.


def karpathy_image(number, split, **other):
    return {
        "filepath": "val2014",
        "filename": f"COCO_val2014_{number}.jpg",
        "cocoid": number,
        "split": split,
        "sentences": [{"raw": f"Image {number}. ", "tokens": ["image", str(number)]}, {"raw": ODD}],
        **other,
    }


def without(entry, name):
    return {key: value for key, value in entry.items() if key != name}


@pytest.fixture
def karpathy_folder(tmp_path):
    (tmp_path / "val2014").mkdir()
    (tmp_path / "images" / "train2014").mkdir(parents=True)

    def make(*images):
        write(tmp_path / "dataset_coco.json", {"images": images, "dataset": "coco"})
        return counted(
            coco_karpathy, tmp_path, **{"train": 2, "train-without-restval": 1, "restval": 1, "val": 1, "test": 1}
        )

    return make


def test_karpathy(karpathy_folder, tmp_path):
    card = karpathy_folder(
        karpathy_image(5, "test"),
        karpathy_image(4, "restval"),
        karpathy_image(3, "train", filepath="train2014"),
        karpathy_image(2, "val"),
    )
    assert read(card, "test")["5"].target == ["Image 5. ", ODD]
    assert read(card, "test")["5"].inputs["image"] == tmp_path / "val2014" / "COCO_val2014_5.jpg"
    train = read(card, "train")
    assert list(train) == ["4", "3"]
    assert train["3"].inputs["image"].parent == tmp_path / "images" / "train2014"
    assert list(read(card, "train-without-restval")) == ["3"]
    assert list(read(card, "restval")) == ["4"]
    assert list(read(card, "val")) == ["2"]


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (without(karpathy_image(5, "test"), "filename"), r"dataset_coco\.json: entry 1 of images: no field 'filename'"),
        (without(karpathy_image(5, "test"), "split"), "entry 1 of images: id '5': no field 'split'"),
        (without(karpathy_image(5, "test"), "sentences"), "id '5': no field 'sentences'"),
        (karpathy_image(5, "test", cocoid="5"), "entry 1 of images: field 'cocoid': expected int, found str '5'"),
        (karpathy_image(5, "test", sentences=[]), "id '5': there are no captions"),
        (
            karpathy_image(5, "test", sentences=["A."]),
            "id '5': entry 1 of sentences: expected a JSON object, found",
        ),
        (karpathy_image(5, "test", sentences=[{"raw": "A."}, {}]), "id '5': entry 2 of sentences: no field 'raw'"),
        (karpathy_image(5, "test", sentences=[{"raw": ""}]), "id '5': entry 1 of sentences: the caption is empty"),
        (karpathy_image(5, "test", filepath="../val2014"), r"id '5': file '\.\./val2014' lies outside the data set"),
        (karpathy_image(5, "test", filename="../../5.jpg"), r"id '5': file '\.\./\.\./5\.jpg' lies outside"),
        (karpathy_image(5, "test", filepath="test2014"), "has no test2014 or images/test2014"),
        (karpathy_image(5, "tset"), "coco-karpathy test: expected 1 samples, found 0"),
    ],
)
def test_damaged_karpathy(karpathy_folder, image, message):
    refuses(karpathy_folder(image), "test", message)


def test_karpathy_with_an_image_twice(karpathy_folder):
    card = karpathy_folder(karpathy_image(5, "test"), karpathy_image(5, "test"))
    refuses(card, "test", "entry 2 of images: id '5' is there twice; the first is at .*entry 1 of images")


def test_karpathy_with_a_sentence_twice(karpathy_folder):
    sentences = [{"raw": "A.", "sentid": 1}, {"raw": "B.", "sentid": 1}]
    card = karpathy_folder(karpathy_image(5, "test", sentences=sentences))
    refuses(card, "test", "entry 2 of sentences: id '1' is there twice; the first is at .*entry 1 of sentences")
