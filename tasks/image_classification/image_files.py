"""Image files, each with the class that it shows."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from mmbench.sample import Sample


class ImageFiles:
    """One split: image files and the class of each, in order of file name, then class.

    That order mixes the classes of most data sets, so that `--limit` does not mean the first classes. A sample is
    named `SPLIT/CLASS/FILE` however the files are laid out.

    Attributes:
        splits: the names of all that there are, where the files tell.
    """

    def __init__(self, split: str, folder: Path, files: Iterable[tuple[str, str]], *, in_class_folders: bool) -> None:
        """Args:
        split: what the samples' names begin with.
        folder: where the files lie.
        files: class and file name of each.
        in_class_folders: whether each lies in a folder of its class, or all directly in `folder`.
        """
        self.splits: tuple[str, ...] = ()
        self._split = split
        self._folder = folder
        self._in_class_folders = in_class_folders
        ordered = sorted((name, label) for label, name in files)
        self._labels = sorted({label for _, label in ordered})
        position = {label: index for index, label in enumerate(self._labels)}
        # Apart, and labels as numbers, since a million tuples take 100 MB more.
        self._names = [name for name, _ in ordered]
        self._label = np.fromiter((position[label] for _, label in ordered), np.int32, count=len(ordered))

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int, /) -> Sample:
        name, label = self._names[index], self._labels[self._label[index]]
        folder = self._folder / label if self._in_class_folders else self._folder
        return Sample(id=f"{self._split}/{label}/{name}", inputs={"image": folder / name}, target=label)
