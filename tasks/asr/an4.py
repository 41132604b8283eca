"""Reader of CMU AN4: as it was published, or as a table of transcripts."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mmbench.data.annotations import UniqueIds, inside, read_lines, shown
from mmbench.data.audio import RawAudio
from mmbench.data.card import DatasetCard
from mmbench.data.source import data_folder
from mmbench.errors import UsageError

from .manifest import TABLES, read_rows, utterances
from .utterances import Found, Utterance, Utterances

_LINE = re.compile(r"(?:<s>)?(?P<text>.*?)(?:</s>)?\s*\((?P<id>[^()\s]+)\)")
_SUFFIXES = (".sph", ".wav", ".flac")
_RAW_RATE = 16_000  # Hz


class AN4(Utterances):
    """One split, in one of two layouts.

    - As published: `etc/an4_SPLIT.transcription` with lines "<s> TEXT </s> (ID)", `etc/an4_SPLIT.fileids` with paths
      that end in ID, and `wav/PATH.sph`, or `.raw` in the big-endian edition.
    - A table `transcripts.tsv` (see `utterances`) beside the files that it names.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Read the transcripts.

        Raises:
            UsageError: no such split, no such files, or they are not what the card says.
        """
        card.check_split(split)
        super().__init__(card, split, _find(card, data_folder(card), split))


def _find(card: DatasetCard, folder: Path, split: str) -> Found:
    for table in (folder, *(folder / name for name in TABLES)):
        if table.is_file():
            found = utterances(card, table, read_rows(table), split)
            return ((where, replace(u, id=Path(u.id).stem)) for where, u in found)
    for place in (folder, folder / "an4"):
        if (place / "etc").is_dir():
            return _read(place, split)
    raise UsageError(f"{shown(folder)}: neither etc/an4_{split}.transcription nor transcripts.tsv is there")


def _read(folder: Path, split: str) -> Iterator[tuple[str, Utterance]]:
    transcripts = folder / "etc" / f"an4_{split}.transcription"
    paths = _paths(folder / "etc" / f"an4_{split}.fileids")
    for number, line in read_lines(transcripts):
        where = f"{shown(transcripts)}:{number}"
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise UsageError(f"{where}: expected a text and an id in brackets, found {line!r:.80}")
        path = paths.pop(match["id"], None)
        if path is None:
            raise UsageError(f"{where}: id {match['id']!r} is there twice, or not in an4_{split}.fileids")
        sound = inside(folder / "wav", path, where)
        yield where, Utterance(match["id"], _audio(sound), match["text"].strip(), sound.parent.name)
    for name in paths:
        raise UsageError(f"{shown(transcripts)}: id {name!r} of an4_{split}.fileids has no transcript")


def _paths(file: Path) -> dict[str, str]:
    """Path by id."""
    ids = UniqueIds()
    paths: dict[str, str] = {}
    for number, line in read_lines(file):
        path = line.strip()
        name = path.rpartition("/")[2]
        ids.add(name, f"{shown(file)}:{number}")
        paths[name] = path
    return paths


def _audio(path: Path) -> Path | RawAudio:
    """The file of a path without suffix; where there is none, the one that is missing is named when it is decoded."""
    for suffix in _SUFFIXES:
        if (found := path.with_name(path.name + suffix)).is_file():
            return found
    raw = path.with_name(f"{path.name}.raw")
    return RawAudio(raw, _RAW_RATE, "big") if raw.is_file() else path.with_name(path.name + _SUFFIXES[0])
