"""Reader of ImageNet-1k: in folders, or from the hub."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import UniqueIds, field, inside, read_lines, shown
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.sample import Dataset

from .hub_images import HubImages
from .image_files import ImageFiles
from .image_folder import class_folders, has_images

_SOLUTION = "LOC_val_solution.csv"


def open_imagenet(card: DatasetCard, split: str) -> Dataset:
    """One split: class folders named by WordNet id, or the flat folder of official validation images; else the hub's.

    The card's options say where the folder of each split may lie. The classes of a flat folder are in
    `LOC_val_solution.csv`, which is distributed with the images: a line `IMAGE,WNID BOX ...` each.

    Raises:
        UsageError: no such split, or the files are not laid out like that.
    """
    card.check_split(split)
    folder = _folder(card, split)
    if folder is None:
        return HubImages(card, split)
    if not has_images(folder):
        samples = class_folders(split, folder)
    else:
        samples = ImageFiles(split, folder, _solution(card, folder), in_class_folders=False)
    card.check_count(split, len(samples))
    return samples


def _folder(card: DatasetCard, split: str) -> Path | None:
    """Where the images of a split are; `None` if the user gave no folder, or one that is laid out otherwise."""
    root = card.local
    places: dict[str, list[str]] = field(card.options, "folders", dict, f"card {card.name}: options")
    if root is None or not any((root / place).is_dir() for each in places.values() for place in each):
        return None
    for place in places[split]:
        if (root / place).is_dir():
            return root / place
    raise UsageError(f"data set {card.name!r}: {shown(root)} has no folder {' or '.join(places[split])}")


def _solution(card: DatasetCard, folder: Path) -> Iterator[tuple[str, str]]:
    """Class and name of each file of the flat folder."""
    assert card.local is not None  # noqa: S101  # there is a folder
    path = card.local / _SOLUTION
    if not path.is_file():
        raise UsageError(
            f"data set {card.name!r}: {shown(folder)} holds images and no class folders; "
            f"expected {_SOLUTION} in {shown(card.local)}, which says their classes"
        )
    seen = UniqueIds()
    lines = read_lines(path)
    next(lines, None)  # the names of the columns
    for number, line in lines:
        where = f"{shown(path)}:{number}"
        image, _, boxes = line.partition(",")
        wnid = boxes.split(" ")[0]
        if not (image and wnid.startswith("n") and wnid[1:].isdecimal()):
            raise UsageError(f"{where}: expected IMAGE,WNID BOX ..., found {line!r:.80}")
        inside(folder, image, where)
        seen.add(image, where)
        yield wnid, f"{image}.JPEG"
