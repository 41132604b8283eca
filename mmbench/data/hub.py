"""Data sets of the Hugging Face hub, or a local copy of one, through `datasets`."""

import logging
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmbench.data.card import DatasetCard, HubSource
from mmbench.errors import HarnessError, UsageError

if TYPE_CHECKING:
    import datasets

_COMMIT = re.compile(r"[0-9a-f]{40}")
_WINDOW = 1024  # rows of a stream that are kept, so that a batch can be asked for again


class HubRows:
    """Rows of one split by position; images and audio as {"bytes", "path"} cells, decoded only when a batch is made.

    Attributes:
        revision: the commit of the hub, where it is known.
    """

    def __init__(self, rows: "datasets.Dataset") -> None:
        self._rows = _undecoded(rows)
        self.revision = _commit(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        row: dict[str, Any] = self._rows[index]
        return row

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._rows.column_names)

    def column(self, name: str) -> list[Any]:
        """All values of one column, without reading the others."""
        return list(self._rows.select_columns(name)[name])

    def names(self, column: str) -> list[str] | None:
        """Names of the classes of a column of class labels; `None` for another."""
        return _names(self._rows, column)


class StreamedRows:
    """Rows of one split as they come from the hub, without downloading all of it first.

    They are read in order; only the last ones are kept, and asking for an earlier one starts again from the beginning.

    Attributes:
        revision: the commit of the hub, where it is known.
    """

    def __init__(self, stream: "datasets.IterableDataset", length: int, revision: str | None = None) -> None:
        self._stream = _undecoded(stream)
        self._length = length
        self.revision = revision
        self._restart()

    def _restart(self) -> None:
        self._rows: Iterator[dict[str, Any]] = iter(self._stream)
        self._kept: list[dict[str, Any]] = []
        self._first = 0  # position of the first row that is kept

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int, /) -> dict[str, Any]:
        if not 0 <= index < self._length:
            raise IndexError(index)
        if index < self._first:
            self._restart()
        while index >= self._first + len(self._kept):
            self._read_one()
        return self._kept[index - self._first]

    def _read_one(self) -> None:
        position = self._first + len(self._kept)
        try:
            row = next(self._rows, None)
            further = next(self._rows, None) if position == self._length - 1 else None
        except Exception:  # of any kind: a stream that failed has ended, and the next sample must not be blamed
            self._restart()
            raise
        if row is None:
            raise HarnessError(f"the stream ended after {position} of {self._length} samples")
        if further is not None:
            raise HarnessError(f"the stream has more than the {self._length} samples that were expected")
        self._kept.append(row)
        if len(self._kept) > _WINDOW:
            del self._kept[0]
            self._first += 1

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._stream.column_names or self[0])

    def names(self, column: str) -> list[str] | None:
        """Names of the classes of a column of class labels; `None` for another."""
        return _names(self._stream, column)


def open_hub(card: DatasetCard, split: str) -> HubRows | StreamedRows:
    """One split of a data set on the hub, in the card's revision; or of a copy in a folder, if `--data` names one.

    A copy is a folder that `datasets` reads (Parquet, JSON, CSV, a folder of images) or that `save_to_disk` wrote.
    `HF_HUB_OFFLINE` is respected: what was downloaded before is then used.

    Raises:
        UsageError: it cannot be reached or read, has no such split or lacks a column of the card; says what to do.
    """
    import datasets  # noqa: PLC0415  # takes most of a second

    source = card.source
    theirs = _theirs(card, split)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    logging.getLogger("datasets").setLevel(logging.ERROR)
    try:
        rows: HubRows | StreamedRows
        if card.local is not None:
            rows = HubRows(_local(card, card.local, theirs))
        else:
            assert isinstance(source, HubSource)  # noqa: S101  # what a reader of the hub is for
            if source.streaming:
                commit = _present_commit(source)
                stream = datasets.load_dataset(
                    source.repo, source.config, split=theirs, revision=commit, streaming=True
                )
                rows = StreamedRows(stream, _length(card, split, stream), commit)
            else:
                rows = HubRows(
                    datasets.load_dataset(source.repo, source.config, split=theirs, revision=source.revision)
                )
    except UsageError:
        raise
    except Exception as error:  # the hub, the network, files and their formats fail in many ways; one line for all
        raise UsageError(_told(card, error)) from error
    for column in card.columns.values():
        if column not in rows.columns:
            raise UsageError(f"data set {card.name!r}: no column {column!r}; there are {', '.join(rows.columns)}")
    return rows


def _local(card: DatasetCard, path: Path, split: str) -> "datasets.Dataset":
    import datasets  # noqa: PLC0415  # as in `open_hub`

    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        stored = datasets.load_from_disk(str(path))
        if isinstance(stored, datasets.Dataset):
            return _right_split(stored, split, path, card)
        if split not in stored:
            raise UsageError(f"{path.name} has no split {split!r}; it has {', '.join(map(str, stored))}")
        return stored[split]
    return datasets.load_dataset(str(path), split=split)


def _right_split(stored: "datasets.Dataset", split: str, path: Path, card: DatasetCard) -> "datasets.Dataset":
    """One split that was saved alone, if it is the one that is asked for."""
    name = None if stored.split is None else str(stored.split)
    if name is None and split == _theirs(card, card.default_split):
        return stored  # it does not say which it is
    if name != split:
        raise UsageError(f"{path.name} is one split ({name or 'it does not say which'}), not {split!r}")
    return stored


def _theirs(card: DatasetCard, split: str) -> str:
    """The hub's name of a split."""
    return card.source.splits.get(split, split) if isinstance(card.source, HubSource) else split


def _undecoded(rows: Any) -> Any:
    """Media as bytes or paths: what cannot be decoded must fail where its sample is known, and not here."""
    import datasets  # noqa: PLC0415  # as in `open_hub`

    for name, feature in (rows.features or {}).items():
        if isinstance(feature, datasets.Audio | datasets.Image) and feature.decode:
            rows = rows.cast_column(name, type(feature)(decode=False))
    return rows


def _names(rows: Any, column: str) -> list[str] | None:
    names = getattr((rows.features or {}).get(column), "names", None)
    return None if names is None else list(names)


def _commit(rows: "datasets.Dataset") -> str | None:
    """The hub's commit: `datasets` names the folder of its cache after it."""
    for file in rows.cache_files:
        if _COMMIT.fullmatch(folder := Path(file["filename"]).parent.name):
            return folder
    return None


def _present_commit(source: HubSource) -> str:
    """The commit that the revision stands for now: a stream that is read again must be the same."""
    import huggingface_hub  # noqa: PLC0415  # comes with datasets

    return str(huggingface_hub.HfApi().dataset_info(source.repo, revision=source.revision).sha)


def _length(card: DatasetCard, split: str, stream: "datasets.IterableDataset") -> int:
    known = card.splits.get(split)
    if known is None:
        info = (stream.info.splits or {}).get(_theirs(card, split))
        known = info.num_examples if info else None
    if not known:
        raise UsageError(f"data set {card.name!r} cannot be streamed: the number of samples in {split!r} is not known")
    return int(known)


def _told(card: DatasetCard, error: Exception) -> str:
    reason = " ".join(str(error).split()).rstrip(".")
    if card.local is not None:
        return f"data set {card.name!r}: the copy in {card.local.name!r} cannot be read: {reason}"
    return (
        f"data set {card.name!r} cannot be loaded from the hub: {reason}; "
        "without network, give --data FOLDER with a copy of it"
    )
