"""Reader of Food-101: as its authors distribute it, or from the hub."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import UniqueIds, inside, read_lines, shown
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.sample import Dataset

from .hub_images import HubImages
from .image_files import ImageFiles


def open_food_101(card: DatasetCard, split: str) -> Dataset:
    """One split: `meta/SPLIT.txt` with a line `CLASS/NUMBER` for each `images/CLASS/NUMBER.jpg`; else the hub's.

    Raises:
        UsageError: no such split, or the list is missing or damaged; says at which line.
    """
    card.check_split(split)
    if card.local is None or not (card.local / "images").is_dir():
        return HubImages(card, split)
    listed = _listed(card.local / "meta" / f"{split}.txt", card.local / "images")
    samples = ImageFiles(split, card.local / "images", listed, in_class_folders=True)
    card.check_count(split, len(samples))
    return samples


def _listed(path: Path, images: Path) -> Iterator[tuple[str, str]]:
    """Class and name of each file."""
    seen = UniqueIds()
    for number, line in read_lines(path):
        where = f"{shown(path)}:{number}"
        label, slash, name = line.partition("/")
        if not (label and slash and name) or "/" in name:
            raise UsageError(f"{where}: expected CLASS/NUMBER, found {line!r:.80}")
        inside(images, line, where)
        seen.add(line, where)
        yield label, f"{name}.jpg"
