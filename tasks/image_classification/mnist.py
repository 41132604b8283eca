"""Reader of MNIST, Fashion-MNIST and others that are distributed as IDX files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmbench.data.annotations import field, shown
from mmbench.data.card import DatasetCard
from mmbench.data.idx import read_idx
from mmbench.errors import UsageError

from .image_folder import folder_of
from .pixel_images import PixelImages


def open_mnist(card: DatasetCard, split: str) -> PixelImages:
    """One split: `PREFIX-images-idx3-ubyte` and `PREFIX-labels-idx1-ubyte`, compressed (.gz) or not.

    The card's options give the PREFIX of each split and the names of the labels. Only the split that is asked for
    has to be there.

    Raises:
        UsageError: no such split, a file is missing or damaged, or the two do not belong together.
    """
    card.check_split(split)
    where = f"card {card.name}: options"
    names: list[str] = field(card.options, "labels", list, where)
    prefix = field(field(card.options, "prefixes", dict, where), split, str, f"{where}.prefixes")
    root = folder_of(card)
    images_path = _file(root, f"{prefix}-images", "idx3-ubyte")
    labels_path = _file(root, f"{prefix}-labels", "idx1-ubyte")
    images, labels = read_pair(images_path, labels_path)
    card.check_count(split, len(images))
    for entry in np.flatnonzero(labels >= len(names)):
        raise UsageError(f"{shown(labels_path)}: entry {entry}: label {labels[entry]}; expected 0 to {len(names) - 1}")
    return PixelImages(split, [images], [names[label] for label in labels])


def read_pair(images_path: Path, labels_path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Images [N, H, W] and their labels [N] of two IDX files.

    Raises:
        UsageError: a file is missing or damaged, or the two do not belong together.
    """
    images, labels = _read(images_path, 3), _read(labels_path, 1)
    if len(images) != len(labels):
        raise UsageError(f"{len(images)} images in {shown(images_path)}, {len(labels)} labels in {shown(labels_path)}")
    return images, labels


def _file(root: Path, stem: str, kind: str) -> Path:
    """The file, named as its authors do or, as in some copies, with a dot; compressed or not."""
    names = [f"{stem}{mark}{kind}{suffix}" for mark in "-." for suffix in ("", ".gz")]
    for name in names:
        if (root / name).is_file():
            return root / name
    raise UsageError(f"{shown(root)}: no file {names[0]} or {names[1]}")


def _read(path: Path, dimensions: int) -> NDArray[Any]:
    array = read_idx(path)
    if array.ndim != dimensions or array.dtype != np.uint8:
        raise UsageError(
            f"{shown(path)}: expected {dimensions}-dimensional bytes, found {array.ndim}-dimensional {array.dtype}"
        )
    return array
