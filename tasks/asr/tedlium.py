"""Reader of TED-LIUM: talks as NIST SPHERE with segments in STM files, or the hub."""

from collections.abc import Iterator
from pathlib import Path

from mmbench.data.annotations import inside, read_lines, shown
from mmbench.data.audio import AudioSlice
from mmbench.data.card import DatasetCard
from mmbench.errors import UsageError
from mmbench.sample import Dataset

from .hub_speech import local_or_hub
from .utterances import Found, Utterance


def tedlium(card: DatasetCard, split: str) -> Dataset:
    """One split: `legacy/SPLIT/stm/*.stm` (release 3) or `SPLIT/stm/*.stm` (1 and 2), and `sph/*.sph` beside `stm`.

    A line of an STM file is a segment: file, channel, speaker, start, stop, label, text. Those whose text is
    `ignore_time_segment_in_scoring` are no samples, as the corpus wants it.

    Raises:
        UsageError: no such split, it cannot be read, or is not what the card says.
    """
    return local_or_hub(card, split, _find, f"{split}/stm/*.stm")


def _find(card: DatasetCard, folder: Path, split: str) -> Found | None:
    for place in (folder / "legacy" / split, folder / split, *([folder] if folder.name == split else [])):
        if files := sorted(place.glob("stm/*.stm")):
            return _read(files, place / "sph", card.options["ignored_text"])
    return None


def _read(files: list[Path], audio: Path, ignored: str) -> Iterator[tuple[str, Utterance]]:
    for file in files:
        for number, line in read_lines(file):
            where = f"{shown(file)}:{number}"
            if line.startswith(";;"):
                continue
            utterance = _segment(line, audio, where)
            if utterance.text != ignored:
                yield where, utterance


def _segment(line: str, audio: Path, where: str) -> Utterance:
    try:
        talk, _, speaker, begin, end, *rest = line.split(maxsplit=5)
        start, stop = float(begin), float(end)
    except ValueError as error:
        expected = "file, channel, speaker, start and stop in seconds, text"
        raise UsageError(f"{where}: expected {expected}, found {line!r:.80}") from error
    text = rest[0] if rest else ""
    if text.startswith("<") and not text.startswith("<unk>"):  # the label, which need not be there
        text = text.partition(">")[2]
    sound = AudioSlice(inside(audio, f"{talk}.sph", where), start, stop)
    return Utterance(f"{talk}-{round(start * 100):07d}-{round(stop * 100):07d}", sound, text.strip(), speaker)
