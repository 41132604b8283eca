"""av-digits: recordings of the Free Spoken Digit Dataset, each with an image of the same digit from MNIST."""

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mmbench.data.annotations import field, shown
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder
from mmbench.errors import UsageError
from mmbench.sample import Sample

from ..asr.utterances import known_seconds
from ..image_classification.mnist import read_pair

_NAME = re.compile(r"([0-9])_(\w+)_([0-9]+)\.wav")
_TEST = 5  # indices 0 to 4 of each speaker and digit are the official test set
_IMAGES = "t10k-images-idx3-ubyte"
_LABELS = "t10k-labels-idx1-ubyte"


class _Recording(NamedTuple):
    number: int  # of those of its digit and speaker
    speaker: str
    digit: str
    path: Path


class AVDigits:
    """One split: `{digit}_{speaker}_{index}.wav` below `fsdd/`, MNIST's `t10k` files below `mnist*/`.

    There is no given pairing. For each digit, MNIST's images are shuffled by the card's `seed`; the recordings,
    sorted by index, then speaker, take them one by one. So no image is used twice, and the test set, which has the
    lowest indices, is the same however many training recordings there are.

    A sample has no group: every recording and image is there once. Speakers are the same six in both splits, so an
    interval is about more recordings of these six, not about other speakers.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Find the recordings, read the images, and pair them.

        Raises:
            UsageError: no such split, or the files are missing, damaged, too few, or not named as they should be.
        """
        card.check_split(split)
        root = data_folder(card)
        recordings = _recordings(root)
        self._pixels, labels = read_pair(_file(root, _IMAGES), _file(root, _LABELS))
        self._split = split
        self._pairs = _pairs(recordings, labels, field(card.options, "seed", int, f"card {card.name}: options"), split)
        card.check_count(split, len(self._pairs))

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int, /) -> Sample:
        recording, image = self._pairs[index]
        return Sample(
            id=f"{self._split}/{recording.path.stem}",
            inputs={"image": Image.fromarray(self._pixels[image]), "audio": recording.path},
            target=recording.digit,
            meta={"speaker": recording.speaker},
            duration=known_seconds(recording.path),
        )


def _recordings(root: Path) -> list[_Recording]:
    """All recordings, sorted by index, speaker and digit: the first few have all digits.

    Raises:
        UsageError: there are none, or one is not named as they should be.
    """
    folders = [root / "fsdd" / "recordings", root / "fsdd", root / "recordings"]
    folder = next((folder for folder in folders if any(folder.glob("*.wav"))), None)
    if folder is None:
        raise UsageError(f"{shown(root)}: no recordings (*.wav) in {', '.join(shown(folder) for folder in folders)}")
    found = []
    for path in folder.glob("*.wav"):
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise UsageError(f"{shown(path)}: expected a name like 7_jackson_32.wav: digit, speaker, index")
        found.append(_Recording(int(name[3]), name[2], name[1], path))
    return sorted(found)


def _file(root: Path, name: str) -> Path:
    for pattern in (f"mnist*/{name}*", f"MNIST*/{name}*", f"{name}*"):
        for path in sorted(root.glob(pattern)):
            if path.name in (name, f"{name}.gz"):
                return path
    raise UsageError(f"{shown(root)}: no file {name} or {name}.gz in a folder mnist*")


def _pairs(
    recordings: list[_Recording], labels: NDArray[np.uint8], seed: int, split: str
) -> list[tuple[_Recording, int]]:
    """Recordings of a split with the numbers of their images.

    Raises:
        UsageError: there are fewer images of a digit than recordings.
    """
    rng = np.random.RandomState(seed)  # its sequence for a seed is the same in every version of numpy
    images = {str(digit): rng.permutation(np.flatnonzero(labels == digit)).tolist() for digit in range(10)}
    needed = Counter(recording.digit for recording in recordings)
    for digit, count in needed.items():
        if count > len(images[digit]):
            raise UsageError(f"{count} recordings of the digit {digit}, and only {len(images[digit])} images of it")
    taken = {digit: iter(numbers) for digit, numbers in images.items()}
    pairs = [(recording, next(taken[recording.digit])) for recording in recordings]
    return [pair for pair in pairs if (pair[0].number < _TEST) == (split == "test")]
