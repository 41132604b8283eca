"""The data set `scenes`: generated on first use, pictures and annotations in plain sight."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmbench.data.card import DatasetCard
from mmbench.data.source import generated_folder

from ..lot import Lot
from .captions_json import read_entries
from .images import CaptionedImage
from .scene import draw_scene
from .scene_captions import describe
from .scene_drawing import draw

SIZES = {"train": 4000, "validation": 500, "test": 1000}
"""Scenes of each split."""


def read_scenes(card: DatasetCard, split: str) -> Iterator[CaptionedImage]:
    """Images of a split, made first where they are not there yet.

    Raises:
        UsageError: the files of `--data` are not those of this data set.
        HarnessError: the data set cannot be written.
    """
    folder = generated_folder(card, make_scenes)
    return (image for image, _ in read_entries(folder / split / "captions.json"))


def make_scenes(folder: Path, seed: int) -> None:
    """Fill `folder`: for each split `captions.json`, `scenes.json` (objects and claims) and `images/`.

    No two scenes of any splits have the same objects on the same background. The annotations depend on the seed alone;
    pixels may differ in the last bit between versions of Pillow.
    """
    lot = Lot(seed)
    seen: set[tuple[str, ...]] = set()
    for split, number in SIZES.items():
        images = folder / split / "images"
        images.mkdir(parents=True)
        captioned: list[dict[str, Any]] = []
        described: list[dict[str, Any]] = []
        while len(captioned) < number:
            scene = draw_scene(lot)
            captions = describe(scene, lot)
            if captions is None or scene.content in seen:
                continue
            seen.add(scene.content)
            index = len(captioned)
            scene_id, file = f"{split}-{index:04}", f"{index:04}.png"
            draw(scene).save(images / file)
            texts, claims = [caption.text for caption in captions], [caption.claims for caption in captions]
            captioned.append({"id": scene_id, "file_name": f"images/{file}", "captions": texts})
            objects = [asdict(thing) for thing in scene.things]
            described.append({"id": scene_id, "background": scene.background, "objects": objects, "claims": claims})
        _write(folder / split / "captions.json", captioned)
        _write(folder / split / "scenes.json", described)


def _write(path: Path, entries: list[dict[str, Any]]) -> None:
    """A JSON list with an entry a line."""
    lines = ",\n".join(json.dumps(entry) for entry in entries)
    path.write_text(f"[\n{lines}\n]\n", encoding="utf-8", newline="\n")
