"""Captions in a JSON list or in JSON Lines, one object an image: the layout for data sets of one's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmbench.data.annotations import field, read_json, read_jsonl, shown, texts
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder
from mmbench.errors import UsageError

from ..json_entries import entries
from .images import CaptionedImage, CaptionedImages, check_caption, locate

WHOLE = "all"
"""The split that has every image, whatever split an entry names."""


def open_captions_json(card: DatasetCard, split: str) -> CaptionedImages:
    """One split, from one file or from the one that the card's option `annotations` names in a folder.

    Raises:
        UsageError: the file is missing or is not in the layout, or has no such split; says where.
    """
    root = data_folder(card)
    path = root if root.is_file() else locate(card, root, card.options["annotations"])
    found = list(read_entries(path))
    splits = sorted({own_split for _, own_split in found} - {""})
    if split not in (WHOLE, *splits):
        known = ", ".join(sorted({WHOLE, *splits}))
        raise UsageError(f"{shown(path)}: no entry has the field 'split' {split!r}; there is {known}")
    images = CaptionedImages(card, split, (image for image, own_split in found if split in (WHOLE, own_split)))
    images.splits = tuple(dict.fromkeys((WHOLE, *splits)))
    return images


def read_entries(path: Path) -> Iterator[tuple[CaptionedImage, str]]:
    """Images of a file with the split that each names, or an empty text.

    An entry has `file_name` (or `image`) below the file's folder, `captions`, and may have `id` (or `image_id`), else
    the file's name is the id, `split` and `domain`.

    Raises:
        UsageError: the file is missing or is not in the layout; says where.
    """
    for place, entry in _objects(path):
        name = "file_name" if "file_name" in entry or "image" not in entry else "image"
        file = field(entry, name, str, place)
        key = next((key for key in ("id", "image_id") if key in entry), name)
        image_id = str(field(entry, key, (str, int), place))
        where = f"{place}: id {image_id!r}"
        meta = {"domain": field(entry, "domain", str, where)} if "domain" in entry else {}
        split = field(entry, "split", str, where) if "split" in entry else ""
        captions = texts(entry, "captions", where, least=0)  # where there is none, the image is named
        for number, caption in enumerate(captions, start=1):
            check_caption(caption, f"{where}: caption {number}")
        yield CaptionedImage(place, image_id, path.parent, file, captions, meta), split


def _objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    match path.suffix:
        case ".json":
            return entries(read_json(path), shown(path))
        case ".jsonl":
            return ((f"{shown(path)}:{line}", entry) for line, entry in read_jsonl(path))
    raise UsageError(f"{shown(path)}: expected a file that ends in .json (a list) or .jsonl (an object a line)")
