"""Sort-of-CLEVR, generated as Santoro et al. 2017 describe it, and its reader."""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from mmbench.data.annotations import field, inside, read_jsonl, shown
from mmbench.data.source import generated_folder

from ..lot import Lot
from .reader import Question, QuestionReader
from .sort_of_clevr_questions import ask
from .sort_of_clevr_scene import draw, make_scene


class SortOfCLEVR(QuestionReader):
    """`SPLIT.jsonl`: {"image", "objects", "questions": [{"type", "kind", "text", "answer"}]}; `SPLIT/NUMBER.png`.

    Options of the card: `images` by split, `questions` of each type an image, and `types`, those that are read.
    """

    def find_folder(self) -> Path:
        """The generated folder, made on first use."""
        return generated_folder(self.card, self._make)

    def image_folder(self) -> Path:
        """The same: images are named with their split."""
        return self.folder

    def read(self) -> Iterator[tuple[str, Question]]:
        """The questions of the types that the card names, image by image."""
        types = self.card.options["types"]
        path = self.folder / f"{self.split}.jsonl"
        for line, scene in read_jsonl(path):
            where = f"{shown(path)}:{line}"
            image = field(scene, "image", str, where)
            inside(self.folder, image, where)
            group = image.removesuffix(".png")
            for number, asked in enumerate(field(scene, "questions", list, where)):
                here = f"{where}: question {number}"
                if field(asked, "type", str, here) in types:
                    yield here, _question(asked, f"{group}/{number}", image, group, here)

    def _make(self, folder: Path, seed: int) -> None:
        for split, images in self.card.options["images"].items():
            write_split(folder, split, images, self.card.options["questions"], seed)


def _question(asked: Mapping[str, Any], name: str, image: str, group: str, where: str) -> Question:
    return Question(
        id=name,
        text=sys.intern(field(asked, "text", str, where)),
        image=image,
        answer=sys.intern(field(asked, "answer", str, where)),
        group=group,
        meta={
            "question_type": field(asked, "type", str, where),
            "question_kind": field(asked, "kind", str, where),
        },
    )


def write_split(folder: Path, split: str, images: int, questions: int, seed: int) -> None:
    """Generate a split; every image has a lot of its own, so that it depends on no other one.

    Args:
        folder: where to write.
        split: its name.
        images: how many.
        questions: of each type about each image.
        seed: of all lots.

    Raises:
        OSError: the folder cannot be written.
    """
    (folder / split).mkdir()
    with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as lines:
        for number in range(images):
            lot = Lot(f"{seed}/{split}/{number}")
            things = make_scene(lot)
            name = f"{split}/{number:05d}.png"
            Image.fromarray(draw(things)).save(folder / name)
            scene = {
                "image": name,
                "objects": [asdict(thing) for thing in things],
                "questions": [asdict(asked) for asked in ask(things, questions, lot)],
            }
            lines.write(json.dumps(scene) + "\n")
