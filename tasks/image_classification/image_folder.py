"""Reader of images sorted into folders by split and class."""

import os
from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import shown
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder
from mmbench.errors import UsageError, unknown_name

from .image_files import ImageFiles

_SUFFIXES = {".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
_LEFT_BY_FILE_MANAGERS = {"desktop.ini", "thumbs.db"}


def open_image_folder(card: DatasetCard, split: str) -> ImageFiles:
    """One split of `SPLIT/CLASS/IMAGE`; or, for a card without splits, all of `CLASS/IMAGE` as its default split.

    Every folder in the folder of a split is a class, and everything in a class folder must be an image; only what is
    hidden (`.DS_Store`) or left by a file manager (`Thumbs.db`) is passed over. Files beside the class folders that
    are no images (a licence, a table) belong to no class and are left alone.

    Raises:
        UsageError: no such split, or the folders hold something else than that; says what and where.
    """
    card.check_split(split)
    root = folder_of(card)
    folder = _split_folder(card, root, split)
    samples = class_folders(split, folder)
    if folder != root:
        samples.splits = tuple(_folders(root))
    card.check_count(split, len(samples))
    return samples


def folder_of(card: DatasetCard) -> Path:
    """The folder of a data set.

    Raises:
        UsageError: there is none, or it is a file.
    """
    root = data_folder(card)
    if not root.is_dir():
        raise UsageError(f"data set {card.name!r}: {shown(root)} is a file; expected a folder (archives: unpack them)")
    return root


def class_folders(split: str, folder: Path) -> ImageFiles:
    """The images of a folder of class folders.

    Raises:
        UsageError: there are none, one of them is empty, or something in them is no image.
    """
    return ImageFiles(split, folder, _class_files(folder), in_class_folders=True)


def has_images(folder: Path) -> bool:
    """Whether images lie directly in a folder."""
    return any(_is_image(entry) and not entry.is_dir() for entry in _entries(folder))


def _split_folder(card: DatasetCard, root: Path, split: str) -> Path:
    if (root / split).is_dir():
        return root / split
    folders = _folders(root)
    if not folders:
        raise UsageError(f"data set {card.name!r}: {shown(root)} has no folders; expected {split}/CLASS/IMAGE in it")
    if card.splits or not any(has_images(root / name) for name in folders):
        raise unknown_name(f"split: {card.name} in {shown(root)} has no folder", split, folders)
    if split != card.default_split:
        raise UsageError(
            f"data set {card.name!r}: {shown(root)} has class folders and no split folders, so it is one split, "
            f"{card.default_split!r}, and has no {split!r}"
        )
    return root


def _folders(root: Path) -> list[str]:
    return sorted(entry.name for entry in _entries(root) if entry.is_dir())


def _class_files(folder: Path) -> Iterator[tuple[str, str]]:
    """Class and name of each file."""
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        if entry.is_dir():
            yield from ((entry.name, name) for name in _image_names(Path(entry.path)))
        elif _is_image(entry):
            raise UsageError(f"{shown(Path(entry.path))}: an image without a class; expected class folders beside it")


def _image_names(folder: Path) -> Iterator[str]:
    name = None
    for entry in _entries(folder):
        name = entry.name
        if entry.is_dir():
            raise UsageError(f"{shown(Path(entry.path))}: a folder; expected the images of a class directly in its own")
        if not _is_image(entry):
            raise UsageError(
                f"{shown(Path(entry.path))}: no image by its name ({', '.join(sorted(_SUFFIXES))}); "
                "a class folder must hold nothing else"
            )
        yield name
    if name is None:
        raise UsageError(f"{shown(folder)}: a class folder without an image")


def _entries(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """What is in a folder, in any order, but for what is hidden or left by file managers."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.name.lower() not in _LEFT_BY_FILE_MANAGERS:
                    _check_name(entry.name, folder)
                    yield entry
    except OSError as error:
        raise UsageError(f"{shown(folder)}: {error.strerror}") from error


def _check_name(name: str, folder: Path) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:  # it could be neither printed nor stored as the name of a sample
        raise UsageError(f"{shown(folder)}: the name of the file {name!a} is not UTF-8") from error


def _is_image(entry: "os.DirEntry[str]") -> bool:
    return os.path.splitext(entry.name)[1].lower() in _SUFFIXES  # noqa: PTH122  # a Path for each of a million is slow
