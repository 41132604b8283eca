"""The split files of Karpathy and Fei-Fei: one JSON list of images, each with its split and its sentences."""

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmbench.data.annotations import UniqueIds, field, inside, read_json, shown
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder

from ..json_entries import entries
from .images import CaptionedImage, check_caption, locate


def read_karpathy(card: DatasetCard, split: str) -> Iterator[CaptionedImage]:
    """Images of a split, in the order of the file.

    The card's options give the names that the file of `annotations` and the folder of `images` may have, and under
    `parts` which of the file's splits make up one of ours, where it is not the one of the same name. The file of an
    image that has a `filepath` is looked for there. Its id is its `cocoid`, else the name of its file.

    Raises:
        UsageError: a file is missing or is not in that layout; says where.
    """
    root = data_folder(card)
    path = locate(card, root, card.options["annotations"])
    parts = card.options.get("parts", {}).get(split, [split])

    @cache
    def folder_of(filepath: str) -> Path:
        return locate(card, root, [filepath, f"images/{filepath}"] if filepath else card.options["images"])

    sentences = UniqueIds()
    for place, entry in entries(read_json(path), shown(path), "images"):
        file = field(entry, "filename", str, place)
        image_id = str(field(entry, "cocoid", int, place)) if "cocoid" in entry else file
        where = f"{place}: id {image_id!r}"
        if field(entry, "split", str, where) not in parts:
            continue
        filepath = field(entry, "filepath", str, where) if "filepath" in entry else ""
        inside(root, filepath, where)
        captions = [_caption(sentence, inner, sentences) for inner, sentence in entries(entry, where, "sentences")]
        yield CaptionedImage(place, image_id, folder_of(filepath), file, captions)


def _caption(sentence: Mapping[str, Any], where: str, ids: UniqueIds) -> str:
    if "sentid" in sentence:
        ids.add(str(field(sentence, "sentid", int, where)), where)
    return check_caption(field(sentence, "raw", str, where), where)
