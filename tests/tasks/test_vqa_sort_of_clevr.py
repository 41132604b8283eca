"""Sort-of-CLEVR: what the images show, read from their pixels, gives the answers; a seed gives the same files again."""

import json
import math
import re
from collections import Counter
from hashlib import sha256

import numpy as np
import pytest

from mmbench.data.decode import load_image
from mmbench.errors import UsageError
from mmbench_tasks.lot import Lot
from mmbench_tasks.vqa.datasets import sort_of_clevr, sort_of_clevr_non_relational
from mmbench_tasks.vqa.sort_of_clevr import write_split
from mmbench_tasks.vqa.sort_of_clevr_questions import TYPES, ask
from mmbench_tasks.vqa.sort_of_clevr_scene import Thing, make_scene
from mmbench_tasks.vqa.task import VQA

COLOURS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "orange": (255, 156, 0),
    "gray": (128, 128, 128),
    "yellow": (255, 255, 0),
}
SMALL = sort_of_clevr.model_copy(
    update={
        "name": "test-sort-of-clevr",
        "splits": {"train": 60 * 30, "test": 8 * 30},
        "options": {**sort_of_clevr.options, "images": {"train": 60, "test": 8}},
    }
)


def load(split, card=SMALL):
    dataset = VQA().load(card, split)
    return [dataset[index] for index in range(len(dataset))]


@pytest.fixture(scope="module")
def train():
    return load("train")


@pytest.fixture(scope="module")
def scenes(train):
    """(shape, x, y) of each colour by image, seen in the pixels; (0, 0) is the middle of the image."""
    found = {}
    for path in {sample.inputs["image"] for sample in train}:
        pixels = np.asarray(load_image(path))
        assert pixels.shape == (75, 75, 3)
        found[path] = {}
        for colour, rgb in COLOURS.items():
            rows, columns = np.nonzero((pixels == rgb).all(axis=2))
            assert np.ptp(rows) == np.ptp(columns) == 10  # 11 x 11 pixels: nothing is hidden or cut
            shape = {121: "square", 89: "circle"}[len(rows)]
            found[path][colour] = (shape, columns.mean() - 37, rows.mean() - 37)
    return found


def expected(text, scene):
    """The answer, worked out in floating point, in other ways than the generator's."""
    names = [word for word in re.findall(r"\w+", text) if word in COLOURS]
    (shape, *a), *rest = (scene[name] for name in names)
    others = [thing for name, thing in scene.items() if name not in names]
    distances = [math.hypot(x - a[0], y - a[1]) for _, x, y in others]
    if text.startswith("What is the shape of the object"):
        return others[int(np.argmin(distances) if "closest" in text else np.argmax(distances))][0]
    if text.startswith("What"):
        return shape
    if "have the shape" in text:
        return str(Counter(thing[0] for thing in scene.values())[shape])
    if not rest:
        return "yes" if a["top" in text] < 0 else "no"
    b = rest[0][1:]
    points = np.array([[x, y] for _, x, y in others])
    if "between" in text:
        low, high = np.minimum(a, b), np.maximum(a, b)
        return str(int(((points >= low) & (points <= high)).all(axis=1).sum()))
    if "near the line" in text:
        if a[0] == b[0]:
            return "yes" if (points[:, 0] == a[0]).any() else "no"
        height = np.polyval(np.polyfit([a[0], b[0]], [a[1], b[1]], 1), points[:, 0])
        return "yes" if (abs(points[:, 1] - height) <= 12 + 1e-9).any() else "no"
    assert "obtuse" in text
    return str(sum(widest_angle(a, b, point) > 90 + 1e-6 for point in points))


def widest_angle(*corners):
    """In degrees."""
    angles = []
    for turn in range(3):
        at, one, two = (np.asarray(corners[(turn + step) % 3]) for step in range(3))
        u, v = one - at, two - at
        angles.append(math.degrees(math.acos(np.clip(u @ v / np.linalg.norm(u) / np.linalg.norm(v), -1, 1))))
    return max(angles)


def test_answers_are_what_the_image_shows(train, scenes):
    for sample in train:
        assert sample.target == expected(sample.inputs["text"], scenes[sample.inputs["image"]]), sample
    assert len({sample.target for sample in train}) >= 10


def test_every_image_has_ten_different_questions_of_each_type(train):
    by_image = {}
    for sample in train:
        assert sample.meta["question_kind"] in TYPES[sample.meta["question_type"]]
        by_image.setdefault(sample.group, []).append(sample)
    assert len(by_image) == 60
    for samples in by_image.values():
        assert Counter(sample.meta["question_type"] for sample in samples) == dict.fromkeys(TYPES, 10)
        assert len({sample.inputs["text"] for sample in samples}) == 30
        assert len({sample.inputs["image"] for sample in samples}) == 1


def test_official_numbers():
    """Reference: Santoro et al. 2017 and the implementations after it; 9,800 and 200 images, 10 questions a type."""
    assert sort_of_clevr.options["images"] == {"train": 9800, "test": 200}
    assert sort_of_clevr.splits == {"train": 9800 * 30, "test": 200 * 30}


def test_splits_share_no_id_group_or_scene(train):
    test = load("test")
    assert not {sample.id for sample in train} & {sample.id for sample in test}
    assert not {sample.group for sample in train} & {sample.group for sample in test}
    pictures = [{sample.inputs["image"].read_bytes() for sample in samples} for samples in (train, test)]
    assert not pictures[0] & pictures[1]


def test_card_can_leave_ternary_questions_out():
    options = {**SMALL.options, "types": ["non-relational", "relational"]}
    samples = load("test", SMALL.model_copy(update={"options": options, "splits": {"test": 8 * 20}}))
    assert Counter(sample.meta["question_type"] for sample in samples) == {"non-relational": 80, "relational": 80}


def test_the_easier_set_has_the_same_images_and_the_questions_of_one_type():
    """Generated from the same seed: whoever learned from its training images saw no other test image."""
    same = {"name", "title", "splits", "options"}
    assert sort_of_clevr_non_relational.model_dump(exclude=same) == sort_of_clevr.model_dump(exclude=same)
    options = {**sort_of_clevr.options, "types": ["non-relational"]}
    assert sort_of_clevr_non_relational.options == options
    assert sort_of_clevr_non_relational.splits == {"train": 9800 * 10, "test": 200 * 10}


def test_seed_gives_the_same_files_and_another_seed_others(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        write_split(tmp_path / name, "test", 2, 10, seed)
    first, second, third = (
        [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))] for name in ("a", "b", "c")
    )
    assert first == second
    assert len(first) == 3
    assert not set(first) & set(third)


def test_revision_is_raised_when_the_files_change(tmp_path):
    """Caches are found by revision: whatever changes this hash needs another one in the card."""
    write_split(tmp_path, "test", 3, 10, sort_of_clevr.source.seed)
    digest = sha256((tmp_path / "test.jsonl").read_bytes())
    for path in sorted((tmp_path / "test").iterdir()):
        digest.update(load_image(path).tobytes())  # a file's own bytes depend on the version of zlib
    assert (sort_of_clevr.revision, digest.hexdigest()[:16]) == ("2", "b19cd2112f6432fa")


def test_image_does_not_depend_on_how_many_there_are(tmp_path):
    for name, images in (("few", 1), ("more", 3)):
        (tmp_path / name).mkdir()
        write_split(tmp_path / name, "test", images, 10, 0)
    lines = [(tmp_path / name / "test.jsonl").read_text().splitlines()[0] for name in ("few", "more")]
    assert lines[0] == lines[1]


def test_objects_never_touch_the_middle_or_each_other():
    for number in range(300):
        things = make_scene(Lot(number))
        assert [thing.colour for thing in things] == list(COLOURS)
        for index, thing in enumerate(things):
            assert 37 not in (thing.x, thing.y)
            assert 5 <= min(thing.x, thing.y) <= max(thing.x, thing.y) <= 69
            assert all(abs(thing.x - o.x) > 10 or abs(thing.y - o.y) > 10 for o in things[:index])


def test_question_without_one_answer_is_not_asked():
    """Two objects of different shape at the same least distance: which is closest is not decided."""
    things = [
        Thing("red", "square", 30, 30),
        Thing("green", "square", 42, 30),
        Thing("blue", "circle", 18, 30),
        Thing("orange", "square", 60, 60),
        Thing("gray", "square", 60, 10),
        Thing("yellow", "square", 10, 60),
    ]
    asked = [question for seed in range(50) for question in ask(things, 10, Lot(seed))]
    about_red = {question.kind for question in asked if "the red object" in question.text}
    assert "closest" not in about_red
    assert {"furthest", "same-shape", "shape", "left"} <= about_red
    assert any(question.kind == "closest" for question in asked)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda scene: scene.pop("image"), r"test\.jsonl:1: no field 'image'"),
        (lambda scene: scene.update(image="../x.png"), r"test\.jsonl:1: file '../x.png' lies outside"),
        (lambda scene: scene["questions"][2].pop("answer"), r"test\.jsonl:1: question 2: no field 'answer'"),
    ],
)
def test_damaged_files(tmp_path, change, message):
    write_split(tmp_path, "test", 1, 10, 0)
    scene = json.loads((tmp_path / "test.jsonl").read_text())
    change(scene)
    (tmp_path / "test.jsonl").write_text(json.dumps(scene))
    with pytest.raises(UsageError, match=message):
        VQA().load(SMALL.at(tmp_path), "test")


def test_split_that_is_not_in_a_folder(tmp_path):
    write_split(tmp_path, "test", 1, 10, 0)
    with pytest.raises(UsageError, match=r"train\.jsonl: No such file or directory"):
        VQA().load(SMALL.at(tmp_path), "train")
    with pytest.raises(UsageError, match="test-sort-of-clevr test: expected 240 samples, found 30"):
        VQA().load(SMALL.at(tmp_path), "test")
