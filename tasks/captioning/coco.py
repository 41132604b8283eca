"""Captions in the JSON layout of COCO: one list of images, one of annotations, joined by the number of the image."""

from collections.abc import Iterator
from typing import Any

from mmbench.data.annotations import UniqueIds, field, read_json, shown
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder
from mmbench.errors import UsageError

from ..json_entries import entries
from .images import CaptionedImage, check_caption, locate


def read_coco(card: DatasetCard, split: str) -> Iterator[CaptionedImage]:
    """Images of a split, in the order of the file's `images`, with captions in the order of its `annotations`.

    The card's options give for each split, under `files`, the names that the file of `annotations` and the folder of
    `images` may have, and under `meta` the fields of an image that breakdowns need.

    Raises:
        UsageError: a file is missing or is not in that layout, or a caption belongs to no image; says where.
    """
    root = data_folder(card)
    names = card.options["files"][split]
    path = locate(card, root, names["annotations"])
    folder = locate(card, root, names["images"])
    content = read_json(path)
    images: dict[str, CaptionedImage] = {}
    for place, number, entry in _numbered(content, "images", shown(path)):
        where = f"{place}: id {number!r}"
        meta = {key: field(entry, key, str, where) for key in card.options.get("meta", ())}
        images[number] = CaptionedImage(place, number, folder, field(entry, "file_name", str, where), [], meta)
    for place, number, entry in _numbered(content, "annotations", shown(path)):
        where = f"{place}: id {number!r}"
        image = images.get(str(field(entry, "image_id", int, where)))
        if image is None:
            raise UsageError(f"{where}: its image_id {entry['image_id']} is not among the images")
        image.captions.append(check_caption(field(entry, "caption", str, where), where))
    yield from images.values()


def _numbered(content: Any, name: str, path: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Place, number and object of each entry of a list; the numbers of one list are different."""
    ids = UniqueIds()
    for place, entry in entries(content, path, name):
        number = str(field(entry, "id", int, place))
        ids.add(number, place)
        yield place, number, entry
