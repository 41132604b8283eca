"""Reader of the binary version of CIFAR-10 and CIFAR-100."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmbench.data.annotations import field, read_text, shown
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError

from .image_folder import folder_of
from .pixel_images import PixelImages


def open_cifar(card: DatasetCard, split: str) -> PixelImages:
    """One split: files of records, each one or two label bytes and 3 x 32 x 32 pixels; they are mapped, not read.

    The card's options give the folder's official name, the files of each split, the file with the labels' names, how
    many label bytes there are and which one counts, and how many classes.

    Raises:
        UsageError: no such split, a file is missing or damaged, or this is the Python version, which is pickled.
    """
    card.check_split(split)
    options = _Options(card)
    root = folder_of(card)
    if (root / options.folder).is_dir():
        root = root / options.folder
    paths = [root / name for name in options.files[split]]
    if not paths[0].is_file() and any((root / name).exists() for name in options.pickled):
        raise UsageError(
            f"{shown(root)}: this is the Python version of {card.name}, whose pickled files are not opened because "
            f"they can run code; get the binary version ({card.homepage})"
        )
    names = _names(root / options.names, options.classes)
    parts, targets = [], []
    for path in paths:
        records = _map(path, options.label_bytes)
        labels = records["labels"][:, options.label]
        for entry in np.flatnonzero(labels >= options.classes):
            raise UsageError(
                f"{shown(path)}: entry {entry}: label {labels[entry]}; expected 0 to {options.classes - 1}"
            )
        parts.append(records["pixels"].transpose(0, 2, 3, 1))
        targets += [names[label] for label in labels]
    card.check_count(split, len(targets))
    return PixelImages(split, parts, targets)


class _Options:
    """What the card says of the files."""

    def __init__(self, card: DatasetCard) -> None:
        where = f"card {card.name}: options"
        self.folder = field(card.options, "folder", str, where)
        self.files: dict[str, list[str]] = field(card.options, "files", dict, where)
        self.names = field(card.options, "names", str, where)
        self.classes = field(card.options, "classes", int, where)
        self.label_bytes = field(card.options, "label_bytes", int, where)
        self.label = field(card.options, "label", int, where)
        self.pickled: list[str] = field(card.options, "pickled", list, where)


def _names(path: Path, classes: int) -> list[str]:
    """Names by label: a line that is missing, empty or there twice would give wrong ones to all labels after it."""
    names: list[str] = []
    for number, line in enumerate(read_text(path).rstrip().split("\n"), start=1):
        name = line.strip()
        if not name:
            raise UsageError(f"{shown(path)}:{number}: expected the name of a class, found an empty line")
        if name in names:
            raise UsageError(
                f"{shown(path)}:{number}: {name!r} is there twice; the first is at {names.index(name) + 1}"
            )
        names.append(name)
    if len(names) != classes:
        raise UsageError(f"{shown(path)}: expected {classes} names of classes, found {len(names)}")
    return names


def _map(path: Path, label_bytes: int) -> NDArray[np.void]:
    record = np.dtype([("labels", "u1", (label_bytes,)), ("pixels", "u1", (3, 32, 32))])
    try:
        size = path.stat().st_size
        if not size or size % record.itemsize:
            raise UsageError(f"{shown(path)}: truncated: {size} bytes are no multiple of {record.itemsize}")
        return np.memmap(path, dtype=record, mode="r")
    except OSError as error:
        raise UsageError(f"{shown(path)}: {error.strerror}") from error
