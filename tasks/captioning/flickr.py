"""Flickr8k and Flickr30k as their home pages give them out: files of captions, lists of images."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import UniqueIds, read_lines, shown
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder
from mmbench.errors import UsageError

from .images import CaptionedImage, check_caption, locate
from .karpathy import read_karpathy

WHOLE = "all"
"""The split of Flickr30k that is its whole file of captions, which has no splits of its own."""

_CSV_HEADER = "image_name| comment_number| comment"


def read_flickr8k(card: DatasetCard, split: str) -> Iterator[CaptionedImage]:
    """Images of a split, in the order of its list; the captions' file has more images, which belong to no split.

    The card's options give the names that the file of `captions`, the `lists` of each split and the folder of `images`
    may have.

    Raises:
        UsageError: a file is missing or has a bad line, or an image of the list has no captions; says where.
    """
    root = data_folder(card)
    captions_file = locate(card, root, card.options["captions"])
    image_list = locate(card, root, card.options["lists"][split])
    folder = locate(card, root, card.options["images"])
    captions = _captions(captions_file)
    for number, line in read_lines(image_list):
        where, name = f"{shown(image_list)}:{number}", line.strip()
        if name not in captions:
            raise UsageError(f"{where}: image {name!r} has no captions in {captions_file.name}")
        yield CaptionedImage(where, name, folder, name, captions[name][1])


def read_flickr30k(card: DatasetCard, split: str) -> Iterator[CaptionedImage]:
    """Images of a split: `all` is the file of captions, the others are those of Karpathy's file.

    The card's options give the names that the file of `captions` and the folder of `images` may have, besides what
    `read_karpathy` needs.

    Raises:
        UsageError: a file is missing or is not in its layout; says where.
    """
    if split != WHOLE:
        yield from read_karpathy(card, split)
        return
    root = data_folder(card)
    captions_file = locate(card, root, card.options["captions"])
    folder = locate(card, root, card.options["images"])
    for name, (where, captions) in _captions(captions_file).items():
        yield CaptionedImage(where, name, folder, name, captions)


def _captions(path: Path) -> dict[str, tuple[str, list[str]]]:
    """By image: the place of its first caption, and its captions in the order of the file."""
    found: dict[str, tuple[str, list[str]]] = {}
    ids = UniqueIds()
    for where, name, number, caption in (_csv_rows if path.suffix == ".csv" else _token_rows)(path):
        ids.add(f"{name}#{number}", where)
        found.setdefault(name, (where, []))[1].append(check_caption(caption, f"{where}: image {name!r}"))
    return found


def _token_rows(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Place, image, number and text of each line `IMAGE#NUMBER<tab>CAPTION`."""
    for line_number, line in read_lines(path):
        where = f"{shown(path)}:{line_number}"
        key, tab, caption = line.partition("\t")
        name, _, number = key.rpartition("#")
        if not (tab and name and number.isdecimal()):
            raise UsageError(f"{where}: expected 'IMAGE#NUMBER<tab>CAPTION', found {line[:60]!r}")
        yield where, name, number, caption


def _csv_rows(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Place, image, number and text of each row `IMAGE| NUMBER| CAPTION` below the header."""
    lines = read_lines(path)
    first, header = next(lines, (1, ""))
    if header != _CSV_HEADER:
        raise UsageError(f"{shown(path)}:{first}: expected {_CSV_HEADER!r}, found {header[:60]!r}")
    for line_number, line in lines:
        where = f"{shown(path)}:{line_number}"
        name, _, rest = line.partition("| ")
        number, bar, caption = rest.partition("| ")
        if not (bar and name and number.isdecimal()):  # one line of the file as Kaggle has it lacks its second bar
            raise UsageError(f"{where}: expected 'IMAGE| NUMBER| CAPTION', found {line[:60]!r}; mend the line")
        yield where, name, number, caption
