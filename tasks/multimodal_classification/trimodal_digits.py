"""trimodal-digits: a digit as a picture, as a spoken word, and as a hint in words; the reader, and how it is made."""

from collections.abc import Iterator
from itertools import cycle, product
from pathlib import Path

import numpy as np

from mmbench.data.annotations import UniqueIds, inside, read_tsv, shown
from mmbench.data.card import DatasetCard
from mmbench.data.source import generated_folder
from mmbench.sample import Sample

from ..asr.espeak import Espeak
from ..asr.recording import record, write
from ..asr.spoken_files import note_version, seconds, spoken_revision, write_table
from ..asr.voices import VOICES
from . import digit_images
from .hints import KINDS, hint

RATE = 8_000
"""Sampling rate of the recordings, Hz: that of the Free Spoken Digit Dataset."""

REPEATS = {"train": 15, "test": 5}
"""Samples by split for each digit in each picture's and each recording's condition with each kind of hint."""

CONDITIONS: dict[str, float | None] = {"clean": None, "-6 dB": -6.0, "-12 dB": -12.0}
"""Power of the speech over that of the white noise in dB, by name."""

_WORDS = "zero one two three four five six seven eight nine"
_SLOWEST, _FASTEST = 130, 210  # words a minute
_LOWEST, _HIGHEST = 35, 65  # pitch; 50 is the voice's own
_COLUMNS = ("image", "audio", "text", "digit", "image_condition", "audio_condition", "hint", "number", "voice",
            "seconds")  # fmt: skip


class TrimodalDigits:
    """One split: `SPLIT.tsv` with one row a sample, and the pictures and recordings that it names.

    A sample's group is its voice. Each of scikit-learn's images goes with one voice only, so that a group holds all
    samples that share a voice or an image, and groups share neither.

    Attributes:
        revision: the card's, with the version of eSpeak NG.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Read the table; the first use makes both splits.

        Raises:
            UsageError: no such split, speech cannot be synthesised here, or a table is not as it was made.
        """
        card.check_split(split)
        folder = generated_folder(card, make)
        self.revision = spoken_revision(card, folder)
        self._samples = list(_read(folder, split))
        card.check_count(split, len(self._samples))

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int, /) -> Sample:
        return self._samples[index]


def make(folder: Path, seed: int) -> None:
    """Write the pictures, recordings and tables of both splits.

    Raises:
        UsageError: speech cannot be synthesised here.
    """
    rng = np.random.RandomState(seed)  # its sequence for a seed is the same in every version of numpy
    pixels = digit_images.digit_pixels()
    words = _WORDS.split()
    with Espeak() as espeak:
        note_version(folder, espeak.version)
        for split, repeats in REPEATS.items():
            (folder / split).mkdir()
            sources = _sources(split, rng)
            cells = [*product(range(10), digit_images.CONDITIONS, CONDITIONS, KINDS)] * repeats
            rows = []
            for number, cell in enumerate(rng.permutation(len(cells))):
                digit, image_condition, audio_condition, kind = cells[cell]
                source, voice = next(sources[digit])
                stem = f"{split}/{number:04d}"
                picture = digit_images.picture(pixels[source], image_condition, rng)
                picture.save(folder / f"{stem}.png")
                rate, pitch = int(rng.randint(_SLOWEST, _FASTEST + 1)), int(rng.randint(_LOWEST, _HIGHEST + 1))
                speech = espeak.say(words[digit], voice, rate=rate, pitch=pitch)
                clip = record(speech, espeak.rate, RATE, CONDITIONS[audio_condition], rng)
                length = write(folder / f"{stem}.flac", clip, RATE)
                text = hint(digit, kind, rng)
                rows.append((f"{stem}.png", f"{stem}.flac", text, digit, image_condition, audio_condition, kind,
                             source, voice, length))  # fmt: skip
            write_table(folder / f"{split}.tsv", _COLUMNS, rows)


def _sources(split: str, rng: np.random.RandomState) -> dict[int, Iterator[tuple[int, str]]]:
    """Pairs of an image's number and a voice by digit, in turn for ever; every image has one voice."""
    voices = VOICES[split]
    found: dict[int, Iterator[tuple[int, str]]] = {}
    for digit, numbers in digit_images.digit_numbers(split).items():
        shuffled = rng.permutation(numbers).tolist()
        turned = np.roll(voices, -digit).tolist()  # so that the first few samples have several voices
        found[digit] = cycle([(number, turned[place % len(voices)]) for place, number in enumerate(shuffled)])
    return found


def _read(folder: Path, split: str) -> Iterator[Sample]:
    path = folder / f"{split}.tsv"
    ids = UniqueIds()
    for line, row in read_tsv(path, _COLUMNS):
        where = f"{shown(path)}:{line}"
        name = row["image"].removesuffix(".png")
        ids.add(name, where)
        yield Sample(
            id=name,
            inputs={
                "image": inside(folder, row["image"], where),
                "audio": inside(folder, row["audio"], where),
                "text": row["text"],
            },
            target=row["digit"],
            group=row["voice"],
            meta={key: row[key] for key in ("image_condition", "audio_condition", "hint", "voice")},
            duration=seconds(row, where),
        )
