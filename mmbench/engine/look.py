"""Looking at a data set: a few samples, and whether all of it is there."""

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from mmbench.data.annotations import shown
from mmbench.data.audio import load_audio
from mmbench.data.card import DatasetCard, HubSource
from mmbench.data.decode import DecodeError, load_image
from mmbench.data.source import located
from mmbench.engine.resolve import resolve_task
from mmbench.errors import MMBenchError, UsageError
from mmbench.registry import registry
from mmbench.sample import Dataset, Sample
from mmbench.task import Task

_DECODERS: dict[str, Any] = {"image": load_image, "audio": load_audio}


@dataclass(frozen=True, slots=True)
class SplitCheck:
    """What is there of a split.

    Attributes:
        split: its name.
        samples: how many there are; `None` if it cannot be opened.
        error: why it cannot be opened.
        missing: files that samples name and that are not there.
        broken: why files, or samples, cannot be decoded or made; each begins with a name.
    """

    split: str
    samples: int | None
    error: str = ""
    missing: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether all of it is there."""
        return not (self.error or self.missing or self.broken)


def open_data(name: str, data: Path | None) -> tuple[Task, DatasetCard]:
    """The card of a data set, in files at `data` if that is given, and the first of its tasks that is installed.

    Raises:
        UsageError: no such data set, or none of its tasks is installed.
    """
    card = registry.load("dataset", name)
    if not isinstance(card, DatasetCard):
        raise UsageError(f"data set {name!r} is registered as a {type(card).__name__}; expected a DatasetCard")
    installed = [task for task in card.tasks if task in registry.names("task")]
    if not installed:
        raise UsageError(f"data set {name!r} is for {', '.join(card.tasks)}, which is not installed")
    return resolve_task(installed[0]), located(card, data)


def is_at_hand(card: DatasetCard) -> bool:
    """Whether its samples can be had without a network."""
    return card.local is not None or not isinstance(card.source, HubSource)


def some_samples(task: Task, card: DatasetCard, split: str, count: int) -> list[Sample]:
    """`count` samples, evenly spread over a split: the first ones are often of one image, or of one class.

    Raises:
        UsageError: it cannot be opened.
    """
    card.check_split(split)
    dataset = task.load(card, split)
    positions = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round()
    return [dataset[int(index)] for index in positions]


def splits_of(task: Task, card: DatasetCard) -> list[str]:
    """The splits of a data set: those of its card, else what its reader finds in the files, else the default one."""
    if card.splits:
        return list(card.splits)
    try:
        found = getattr(task.load(card, card.default_split), "splits", None)
    except MMBenchError:  # `check_split` will tell
        found = None
    return list(found or [card.default_split])


def check_split(task: Task, card: DatasetCard, split: str, *, decode: bool) -> SplitCheck:
    """Go through every sample of a split; with `decode`, open every file too."""
    try:
        card.check_split(split)
        dataset = task.load(card, split)
    except MMBenchError as error:
        return SplitCheck(split, None, str(error))
    found = SplitCheck(split, len(dataset))
    seen: set[Hashable] = set()
    for sample in _samples(dataset, found):
        for modality, value in sample.inputs.items():
            if modality not in _DECODERS:
                continue
            path = _file(value)
            key = value if isinstance(value, Hashable) else path  # of one file there may be many parts
            if path is not None:
                if key in seen:
                    continue
                seen.add(key)
                if not path.exists():
                    found.missing.append(shown(path))
                    continue
            if decode:
                try:
                    _DECODERS[modality](value)
                except DecodeError as error:
                    found.broken.append(str(error))
                except Exception as error:  # as in `_samples`
                    found.broken.append(f"{sample.id}: {type(error).__name__}: {error}")
    return found


def _samples(dataset: Dataset, found: SplitCheck) -> Iterator[Sample]:
    for index in range(len(dataset)):
        try:
            yield dataset[index]
        except Exception as error:  # data may be broken in any way; the check is there to tell it
            found.broken.append(f"#{index}: {type(error).__name__}: {error}")


def _file(value: Any) -> Path | None:
    """The file that an input is read from; `None` where it is in memory."""
    if isinstance(value, str | Path):
        return Path(value)
    if isinstance(value, Mapping):
        return Path(value["path"]) if value.get("bytes") is None and value.get("path") else None
    path = getattr(value, "path", None)
    return path if isinstance(path, Path) else None


def as_json(sample: Sample) -> dict[str, Any]:
    """A sample for people: files by the end of their path, pixels and waves by their size."""
    return {
        "id": sample.id,
        "inputs": {modality: _shown_input(modality, value) for modality, value in sample.inputs.items()},
        "target": sample.target,
        "group": sample.group,
        "meta": dict(sample.meta),
        **({} if sample.duration is None else {"seconds": round(sample.duration, 3)}),
    }


def _shown_input(modality: str, value: Any) -> str:
    if modality == "text":
        return str(value)
    path = _file(value)
    if path is not None:
        return shown(path)
    if isinstance(value, dict):
        return shown(Path(value["path"])) if value.get("path") else f"{len(value.get('bytes') or b'')} bytes"
    size = getattr(value, "size", None)
    if size is not None:
        return f"image of {size[0]} x {size[1]} pixels"
    samples = getattr(value, "samples", None)
    return "in memory" if samples is None else f"{samples.shape[-1] / value.rate:.2f} s of audio at {value.rate} Hz"


def head(items: list[str], count: int = 3) -> str:
    """The first few of many, on one line."""
    rest = len(items) - count
    return ", ".join(islice(items, count)) + (f", and {rest:,} more" if rest > 0 else "")
