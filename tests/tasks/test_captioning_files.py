"""Flickr8k, Flickr30k and captions of one's own: what is read, and every damage told with file, place and id."""

import json

import pytest

from mmbench.errors import UsageError
from mmbench_tasks.captioning.datasets import (
    captions_json,
    coco_captions,
    coco_karpathy,
    flickr8k,
    flickr30k,
    nocaps,
)
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


def test_official_numbers():
    """References: cocodataset.org, Karpathy's split files, the READMEs of Flickr8k and Flickr30k, nocaps.org."""
    assert coco_captions.splits == {"train": 118_287, "val": 5_000, "train2014": 82_783, "val2014": 40_504}
    assert coco_karpathy.splits == {
        "train": 113_287,
        "train-without-restval": 82_783,
        "restval": 30_504,
        "val": 5_000,
        "test": 5_000,
    }
    assert flickr8k.splits == {"train": 6_000, "dev": 1_000, "test": 1_000}
    assert flickr30k.splits == {"train": 29_000, "val": 1_014, "test": 1_000, "all": 31_783}
    assert nocaps.splits == {"val": 4_500}
    assert captions_json.splits == {}


def test_an_unknown_format(tmp_path):
    card = captions_json.model_copy(update={"format": "captions-jsn", "local": tmp_path})
    refuses(card, "all", "unknown format of data set captions-json 'captions-jsn'; did you mean 'captions-json'")


# Flickr: lines of captions, lists of images.


@pytest.fixture
def flickr8k_folder(tmp_path):
    (tmp_path / "Flicker8k_Dataset").mkdir()

    def make(tokens, images="b.jpg\na.jpg\n"):
        write(tmp_path / "Flickr8k.token.txt", tokens)
        write(tmp_path / "Flickr_8k.testImages.txt", images)
        return counted(flickr8k, tmp_path, test=2)

    return make


TOKENS = 'a.jpg#0\tA "dog" \u2028 runs .\na.jpg#1\t Two\tdogs \r\nb.jpg.1#0\tNo such file\n\nb.jpg#0\tA cat\n'


def test_flickr8k(flickr8k_folder, tmp_path):
    """The list gives images and order; images of no list, as the official file has some, belong to no split."""
    samples = read(flickr8k_folder(TOKENS), "test")
    assert list(samples) == ["b.jpg", "a.jpg"]
    assert samples["a.jpg"].target == ['A "dog" \u2028 runs .', " Two\tdogs "]
    assert samples["a.jpg"].inputs["image"] == tmp_path / "Flicker8k_Dataset" / "a.jpg"


@pytest.mark.parametrize(
    ("tokens", "images", "message"),
    [
        ("a.jpg#0\tA dog\na.jpg#1 A dog\n", "a.jpg", r"Flickr8k\.token\.txt:2: expected 'IMAGE#NUMBER<tab>CAPTION'"),
        ("a.jpg\tA dog\n", "a.jpg", r"Flickr8k\.token\.txt:1: expected 'IMAGE#NUMBER<tab>CAPTION', found 'a\.jpg"),
        ("#0\tA dog\n", "a.jpg", r"token\.txt:1: expected"),
        ("a.jpg#0\tA\na.jpg#0\tB\n", "a.jpg", r"token\.txt:2: id 'a\.jpg#0' is there twice; the first is at .*:1"),
        ("a.jpg#0\t \n", "a.jpg\n", r"Flickr8k\.token\.txt:1: image 'a\.jpg': the caption is empty"),
        (b"a.jpg#0\tA\nb.jpg#0\t\xe9\n", "a.jpg", r"token\.txt:2: not UTF-8 text \(byte 0xe9\)"),
        (TOKENS, "a.jpg\nc.jpg\n", r"testImages\.txt:2: image 'c\.jpg' has no captions in Flickr8k\.token\.txt"),
        (TOKENS, "a.jpg\na.jpg\n", r"testImages\.txt:2: id 'a\.jpg' is there twice; the first is at .*:1"),
        ("../a.jpg#0\tA\n", "../a.jpg\n", r"testImages\.txt:1: id '\.\./a\.jpg': file '\.\./a\.jpg' lies outside"),
        (TOKENS, "a.jpg\n", "flickr8k test: expected 2 samples, found 1"),
    ],
)
def test_damaged_flickr8k(flickr8k_folder, tokens, images, message):
    refuses(flickr8k_folder(tokens, images), "test", message)


def test_flickr8k_without_lists(flickr8k_folder, tmp_path):
    card = flickr8k_folder(TOKENS)
    refuses(card, "train", r"has no Flickr_8k\.trainImages\.txt or Flickr8k_text/Flickr_8k\.trainImages\.txt$")


def test_flickr30k(tmp_path):
    (tmp_path / "flickr30k-images").mkdir()
    images = [
        {"filename": f"{n}.jpg", "split": split, "sentences": [{"raw": f"Image {n}. "}, {"raw": ODD}]}
        for n, split in ((9, "test"), (7, "train"), (8, "test"))
    ]
    write(tmp_path / "dataset_flickr30k.json", {"images": images, "dataset": "flickr30k"})
    write(tmp_path / "results_20130124.token", TOKENS)
    card = counted(flickr30k, tmp_path, test=2, all=3)
    test = read(card, "test")
    assert list(test) == ["9.jpg", "8.jpg"]
    assert test["9.jpg"].target == ["Image 9. ", ODD]
    assert test["9.jpg"].inputs["image"] == tmp_path / "flickr30k-images" / "9.jpg"
    whole = read(card, "all")
    assert list(whole) == ["a.jpg", "b.jpg.1", "b.jpg"]
    assert whole["a.jpg"].target == ['A "dog" \u2028 runs .', " Two\tdogs "]


CSV = "image_name| comment_number| comment\na.jpg| 0| A dog | a cat .\na.jpg| 1| 4, he said\nb.jpg| 0|  Two\n"


def test_flickr30k_as_kaggle_has_it(tmp_path):
    (tmp_path / "flickr30k_images" / "flickr30k_images").mkdir(parents=True)
    write(tmp_path / "results.csv", CSV)
    samples = read(counted(flickr30k, tmp_path, all=2), "all")
    assert samples["a.jpg"].target == ["A dog | a cat .", "4, he said"]
    assert samples["b.jpg"].target == [" Two"]
    assert samples["b.jpg"].inputs["image"] == tmp_path / "flickr30k_images" / "flickr30k_images" / "b.jpg"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (f"{CSV}c.jpg| 4   A dog runs .\n", r"results\.csv:5: expected 'IMAGE\| NUMBER\| CAPTION', found 'c\.jpg\| 4 "),
        (f"{CSV}b.jpg| 0| Two\n", r"results\.csv:5: id 'b\.jpg#0' is there twice; the first is at .*results\.csv:4"),
        ("image,caption\n", r"results\.csv:1: expected 'image_name\| comment_number\| comment', found 'image,caption'"),
        ("", r"results\.csv:1: expected 'image_name\| comment_number\| comment', found ''"),
    ],
)
def test_damaged_csv_of_flickr30k(tmp_path, content, message):
    (tmp_path / "flickr30k_images").mkdir()
    write(tmp_path / "results.csv", content)
    refuses(counted(flickr30k, tmp_path, all=2), "all", message)


# Captions of one's own.

ENTRY = {"file_name": "a.jpg", "captions": [ODD, "A dog."]}


def lines(*entries):
    return "".join(json.dumps(entry) + "\n" for entry in entries)


def test_captions_json(tmp_path):
    entries = [
        {**ENTRY, "image_id": 285},
        {"image": "sub/b.jpg", "captions": ["A cat."], "id": "x", "split": "test", "domain": "far", "other": [1]},
        {"file_name": "c.jpg", "captions": ["A cat."], "split": "train"},
    ]
    for name, content in {"captions.json": entries, "captions.jsonl": lines(*entries)}.items():
        write(tmp_path / name, content)
        samples = read(captions_json.at(tmp_path), "all")
        assert list(samples) == ["285", "x", "c.jpg"]
        assert samples["285"].target == [ODD, "A dog."]
        assert samples["x"].inputs["image"] == tmp_path / "sub" / "b.jpg"
        assert samples["x"].meta == {"domain": "far"}
        assert read(captions_json.at(tmp_path / name), "all") == samples
        assert list(read(captions_json.at(tmp_path), "test")) == ["x"]
        assert open_captions(captions_json.at(tmp_path), "test").splits == ("all", "test", "train")
        refuses(captions_json.at(tmp_path), "tset", f"{name}: no entry has .* 'tset'; there is all, test, train$")
        (tmp_path / name).unlink()
    refuses(captions_json.at(tmp_path), "all", r"has no captions\.json or captions\.jsonl")
    write(tmp_path / "captions.txt", "")
    refuses(captions_json.at(tmp_path / "captions.txt"), "all", r"captions\.txt: expected a file that ends in \.json")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([5], "expected a JSON object, found int"),
        ([{"captions": ["A."]}], "no field 'file_name'"),
        ([{"file_name": 5, "captions": ["A."]}], "field 'file_name': expected str, found int 5"),
        ([{"file_name": "a.jpg"}], r"id 'a\.jpg': no field 'captions'"),
        ([{**ENTRY, "captions": "A."}], r"id 'a\.jpg': field 'captions': expected list, found str 'A\.'"),
        ([{**ENTRY, "captions": ["A.", 5]}], r"id 'a\.jpg': field 'captions': expected texts, found int 5"),
        ([{**ENTRY, "captions": []}], r"id 'a\.jpg': there are no captions"),
        ([{**ENTRY, "captions": ["A.", "\u2028"]}], r"id 'a\.jpg': caption 2: the caption is empty"),
        ([{**ENTRY, "id": 2.5}], "field 'id': expected str or int, found float 2.5"),
        ([{**ENTRY, "domain": None}], r"id 'a\.jpg': field 'domain': expected str, found NoneType None"),
        ([{**ENTRY, "file_name": "../../x.jpg"}], r"file '\.\./\.\./x\.jpg' lies outside the data set"),
    ],
)
def test_damaged_captions_json(tmp_path, entries, message):
    write(tmp_path / "captions.json", [{**ENTRY, "id": "first"}, *entries])
    refuses(captions_json.at(tmp_path), "all", rf"{tmp_path.name}/captions\.json: entry 2: .*{message}")
    write(tmp_path / "captions.jsonl", lines({**ENTRY, "id": "first"}, *entries))
    refuses(captions_json.at(tmp_path / "captions.jsonl"), "all", rf"{tmp_path.name}/captions\.jsonl:2: .*{message}")


def test_captions_json_with_an_id_twice(tmp_path):
    write(tmp_path / "captions.json", [ENTRY, {**ENTRY, "file_name": "b.jpg", "id": "a.jpg"}])
    refuses(captions_json.at(tmp_path), "all", r"entry 2: id 'a\.jpg' is there twice; the first is at")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a.jpg": ["A."]}, r"captions\.json: expected a JSON list, found dict"),
        ([], "captions-json all: no samples found"),
        ('[{"file_name": "a.jpg",\n "captions": ["A."]', r"captions\.json:2: not JSON"),
        (b'[{"file_name": "a.jpg",\n\n "captions": ["\xe9"]}]', r"captions\.json:3: not UTF-8 text"),
        ("[" * 100_000, r"captions\.json:1: JSON nested too deeply"),
    ],
)
def test_files_that_hold_no_list(tmp_path, content, message):
    write(tmp_path / "captions.json", content)
    refuses(captions_json.at(tmp_path), "all", message)
