"""spoken-sentences: English sentences of our own, spoken by eSpeak NG; the reader, and how they are made."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from mmbench.data.annotations import UniqueIds, inside, read_tsv, shown
from mmbench.data.card import DatasetCard
from mmbench.data.source import generated_folder
from mmbench.sample import Sample

from .espeak import Espeak
from .recording import record, write
from .sentence_grammar import sentences
from .spoken_files import note_version, seconds, spoken_revision, write_table
from .voices import VOICES

RATE = 16_000
"""Sampling rate of the recordings, Hz."""

COUNTS = {"train": 500, "validation": 100, "test": 300}
"""Recordings by split: as many of each voice in each condition."""

CONDITIONS: dict[str, float | None] = {"clean": None, "20 dB": 20.0, "10 dB": 10.0, "0 dB": 0.0}
"""Power of the speech over that of the white noise in dB, by name."""

_SLOWEST, _FASTEST = 130, 210  # words a minute
_COLUMNS = ("file", "text", "spoken", "voice", "rate", "condition", "seconds")


class SpokenSentences:
    """One split: `SPLIT.tsv` with one row a recording, and the recordings that it names.

    A sample's group is its voice: errors on one voice go together, and an interval is to say how well a model does on
    voices to come. Each sentence is spoken once, so that sentences need no group.

    Attributes:
        revision: the card's, with the version of eSpeak NG.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Read the transcripts; the first use makes all splits.

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
    """Write the recordings and tables of all splits.

    Raises:
        UsageError: speech cannot be synthesised here.
    """
    rng = np.random.RandomState(seed)  # its sequence for a seed is the same in every version of numpy
    drawn = iter(sentences(rng, sum(COUNTS.values())))
    with Espeak() as espeak:
        note_version(folder, espeak.version)
        for split, count in COUNTS.items():
            (folder / split).mkdir()
            rows = []
            for number in range(count):
                sentence, voice, condition = next(drawn), *_cell(split, number)
                rate = int(rng.randint(_SLOWEST, _FASTEST + 1))
                speech = espeak.say(sentence.spoken, voice, rate=rate)
                clip = record(speech, espeak.rate, RATE, CONDITIONS[condition], rng)
                file = f"{split}/{number:03d}.flac"
                length = write(folder / file, clip, RATE)
                rows.append((file, sentence.written, sentence.spoken, voice, rate, condition, length))
            write_table(folder / f"{split}.tsv", _COLUMNS, rows)


def _cell(split: str, number: int) -> tuple[str, str]:
    """Voice and condition of a recording: all pairs in turn, and both vary among the first few already."""
    voices, conditions = VOICES[split], list(CONDITIONS)
    turn, place = divmod(number, len(voices))
    return voices[place], conditions[(turn + place) % len(conditions)]


def _read(folder: Path, split: str) -> Iterator[Sample]:
    path = folder / f"{split}.tsv"
    ids = UniqueIds()
    for line, row in read_tsv(path, _COLUMNS):
        where = f"{shown(path)}:{line}"
        name = row["file"].removesuffix(".flac")
        ids.add(name, where)
        yield Sample(
            id=name,
            inputs={"audio": inside(folder, row["file"], where)},
            target=row["text"],
            group=row["voice"],
            meta={"condition": row["condition"], "voice": row["voice"]},
            duration=seconds(row, where),
        )
