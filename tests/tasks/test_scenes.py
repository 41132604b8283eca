"""The generated scenes: what is claimed is true, and pixels show it; `test_captioning_sentences.py` reads sentences.

The checks are written here anew: they read annotations and pixels, and share no code with the generator.
"""

import json
from collections import Counter, defaultdict
from hashlib import sha256
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from mmbench.errors import UsageError
from mmbench_tasks.captioning.datasets import scenes
from mmbench_tasks.captioning.readers import open_captions

SPLITS = {"train": 4000, "validation": 500, "test": 1000}
ANNOTATIONS = "507940f4e9473085"  # the first digits of SHA-256 over all files of annotations

RGB = {
    "red": (214, 32, 32),
    "green": (40, 160, 50),
    "blue": (40, 80, 230),
    "yellow": (240, 210, 20),
    "orange": (250, 130, 10),
    "purple": (135, 50, 175),
    "pink": (250, 140, 190),
    "brown": (130, 80, 40),
    "white": (245, 245, 245),
    "grey": (175, 175, 175),
    "black": (15, 15, 15),
}

# Areas in squared radii: of the disc, of a square of half side .84, of a triangle and a star with corners at 1.18 (the
# star's inner ones at .5), of two bars of 2 by .72 that cross.
AREAS = {
    "circle": np.pi,
    "square": 1.68**2,
    "triangle": 3 * np.sqrt(3) / 4 * 1.18**2,
    "star": 5 * np.sin(np.pi / 5) * 1.18 * 0.5,
    "cross": 2 * 2 * 0.72 - 0.72**2,
}


@pytest.fixture(scope="module")
def folder(cache):
    """Where the data set is generated, by reading it once."""
    open_captions(scenes, "test")
    return cache / "scenes" / "1-seed0"


@pytest.fixture(scope="module")
def data(folder):
    """Scenes and captions by split, as their files have them."""
    return {
        split: [json.loads((folder / split / name).read_text("utf-8")) for name in ("scenes.json", "captions.json")]
        for split in SPLITS
    }


def matches(kind, thing):
    return all(thing[key] == value for key, value in kind.items())


def find(kind, scene):
    return [thing for thing in scene["objects"] if matches(kind, thing)]


def distinct(kinds, scene, used=()):
    """Whether a different object can be found for each kind."""
    if not kinds:
        return True
    things = scene["objects"]
    return any(
        matches(kinds[0], thing) and distinct(kinds[1:], scene, (*used, index))
        for index, thing in enumerate(things)
        if index not in used
    )


BESIDE = {
    "left of": lambda one, other: one["x"] < other["x"],
    "right of": lambda one, other: one["x"] > other["x"],
    "above": lambda one, other: one["y"] < other["y"],
    "below": lambda one, other: one["y"] > other["y"],
}
FIRST = {"leftmost": "left of", "rightmost": "right of", "highest": "above", "lowest": "below"}
ALONG = {
    "left to right": "left of",
    "right to left": "right of",
    "top to bottom": "above",
    "bottom to top": "below",
}


def holds(claim, scene):
    """Whether a claim is true of a scene."""
    match claim:
        case {"background": name}:
            return scene["background"] == name
        case {"total": number}:
            return len(scene["objects"]) == number
        case {"count": number, "of": kind}:
            return len(find(kind, scene)) == number
        case {"some": kinds}:
            return distinct(kinds, scene)
        case {"relation": name, "one": one, "other": other}:
            return any(BESIDE[name](a, b) for a in find(one, scene) for b in find(other, scene))
        case {"order": name, "of": kinds}:
            chosen = [find(kind, scene) for kind in kinds]
            return all(map(len, chosen)) and all(BESIDE[ALONG[name]](a[0], b[0]) for a, b in pairwise(chosen))
        case {"extreme": name, "is": kind}:
            rest = [thing for thing in scene["objects"] if not matches(kind, thing)]
            return any(all(BESIDE[FIRST[name]](thing, other) for other in rest) for thing in find(kind, scene))
        case {"place": name, "has": kind}:
            row, column = name.split()
            return any(
                (thing["y"] < 48) == (row == "upper") and (thing["x"] < 48) == (column == "left")
                for thing in find(kind, scene)
            )
    raise AssertionError(f"unknown claim {claim}")


@pytest.mark.parametrize("split", SPLITS)
def test_every_claim_is_true(data, split):
    described, _ = data[split]
    for scene in described:
        for claims in scene["claims"]:
            assert all(holds(claim, scene) for claim in claims), (scene["id"], claims)


def test_the_checker_itself_tells_false_from_true(data):
    """A caption of one scene is false of nearly all others."""
    described, _ = data["test"]
    claims = described[0]["claims"][0]
    assert sum(all(holds(claim, scene) for claim in claims) for scene in described) == 1


def test_no_two_scenes_of_any_splits_have_the_same_objects_on_the_same_background(data):
    contents = [
        (scene["background"], *sorted((t["size"], t["colour"], t["shape"]) for t in scene["objects"]))
        for described, _ in data.values()
        for scene in described
    ]
    assert len(set(contents)) == len(contents) == sum(SPLITS.values())
    ids = [scene["id"] for described, _ in data.values() for scene in described]
    assert len(set(ids)) == len(ids)


def test_objects_of_a_scene(data):
    """Two to four, none like another, none touching another or the border."""
    numbers = Counter()
    for described, _ in data.values():
        for scene in described:
            things = scene["objects"]
            numbers[len(things)] += 1
            assert len({(thing["colour"], thing["shape"]) for thing in things}) == len(things)
            for index, one in enumerate(things):
                assert (one["radius"] < 10) == (one["size"] == "small")
                assert all(1.18 * one["radius"] < one[axis] < 95 - 1.18 * one["radius"] for axis in "xy")
                for other in things[index + 1 :]:
                    apart = np.hypot(one["x"] - other["x"], one["y"] - other["y"])
                    assert apart > 1.19 * (one["radius"] + other["radius"])
    assert set(numbers) == {2, 3, 4}
    assert min(numbers.values()) > 1000


def test_how_many_captions_are_true_of_another_test_scene(data):
    """What the task's README says of retrieval on the test split."""
    described, _ = data["test"]
    holding = defaultdict(set)
    for index, scene in enumerate(described):
        for thing in scene["objects"]:
            holding[thing["size"], thing["colour"], thing["shape"]].add(index)
        holding[scene["background"]].add(index)
    others = Counter()
    for scene in described:
        for claims in scene["claims"]:
            named = [tuple(kind.values()) for claim in claims for kind in _kinds_of(claim)]
            grounds = [claim["background"] for claim in claims if "background" in claim]
            candidates = set.intersection(*(holding[key] for key in (*named, *grounds)))
            others[sum(all(holds(claim, described[index]) for claim in claims) for index in candidates) - 1] += 1
    assert others == {0: 4661, 1: 258, 2: 56, 3: 16, 4: 4, 5: 4, 6: 1}


def _kinds_of(claim):
    """The objects that a claim names in full."""
    parts = [part for value in claim.values() for part in (value if isinstance(value, list) else [value])]
    return [part for part in parts if isinstance(part, dict) and len(part) == 3]


@pytest.mark.parametrize("start", [0, 500])
def test_pixels_show_the_objects(folder, data, start):
    described, captioned = data["test"]
    for scene, entry in zip(described[start : start + 40], captioned[start : start + 40], strict=True):
        with Image.open(folder / "test" / entry["file_name"]) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "RGB", (96, 96))
            pixels = np.asarray(image).astype(int)
        distance = np.stack([np.abs(pixels - np.array(RGB[name])).sum(axis=2) for name in RGB])
        for corner in (0, 95):
            assert tuple(pixels[corner, corner]) == RGB[scene["background"]]
        for thing in scene["objects"]:
            assert tuple(pixels[thing["y"], thing["x"]]) == RGB[thing["colour"]]
            reach = int(np.ceil(1.2 * thing["radius"]))
            around = np.s_[thing["y"] - reach : thing["y"] + reach + 1, thing["x"] - reach : thing["x"] + reach + 1]
            colour, ground = (np.array(RGB[name]) for name in (thing["colour"], scene["background"]))
            cover = ((pixels[around] - ground) @ (colour - ground)) / ((colour - ground) @ (colour - ground))
            expected = AREAS[thing["shape"]] * thing["radius"] ** 2
            assert cover.sum() == pytest.approx(expected, rel=0.12), (scene["id"], thing)
        exact = (distance == 0).any(axis=0)
        assert 0 < (~exact).sum() < 0.1 * exact.size  # edges are smoothed, and only edges


def test_annotations_are_the_same_everywhere(folder):
    digest = sha256()
    for split in SPLITS:
        for name in ("captions.json", "scenes.json"):
            digest.update((folder / split / name).read_bytes())
    assert digest.hexdigest()[:16] == ANNOTATIONS


@pytest.mark.parametrize("split", SPLITS)
def test_samples(folder, data, split):
    samples = open_captions(scenes, split)
    assert len(samples) == SPLITS[split]
    sample, entry = samples[7], data[split][1][7]
    assert sample.id == entry["id"] == f"{split}-0007"
    assert sample.target == entry["captions"]
    assert sample.inputs == {"image": folder / split / "images" / "0007.png"}
    assert sample.group is None
    assert all(samples[index].inputs["image"].is_file() for index in range(len(samples)))


def test_a_folder_elsewhere(tmp_path, folder):
    (tmp_path / "test").mkdir()
    lines = (folder / "test" / "captions.json").read_text("utf-8")
    (tmp_path / "test" / "captions.json").write_text(lines, "utf-8")
    assert open_captions(scenes.at(tmp_path), "test")[0].inputs["image"] == tmp_path / "test" / "images" / "0000.png"
    (tmp_path / "test" / "captions.json").write_text("[]", "utf-8")
    with pytest.raises(UsageError, match="scenes test: expected 1000 samples, found 0"):
        open_captions(scenes.at(tmp_path), "test")
    with pytest.raises(UsageError, match=r"train/captions\.json: No such file"):
        open_captions(scenes.at(tmp_path), "train")
