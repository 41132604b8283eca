"""Reader of speech on the Hugging Face hub, and the choice between that and files in their official layout."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from mmbench.data.annotations import field
from mmbench.data.card import DatasetCard
from mmbench.data.hub import HubRows, open_hub
from mmbench.errors import UsageError
from mmbench.sample import Dataset, Sample

from .utterances import Found, Utterance, Utterances, sample_of, several


class HubSpeech:
    """One split with the columns that the card names: `audio`, `text`, and maybe `group` and `id`.

    Groups are as in `Utterances`; of a stream nobody knows yet whether there are several.

    Rows whose text is the card's option `ignored_text` are no samples.

    Attributes:
        revision: the hub's commit, where it is known.
    """

    def __init__(self, card: DatasetCard, split: str) -> None:
        """Open the split.

        Raises:
            UsageError: it cannot be loaded, or is not what the card says.
        """
        self._split = split
        self._columns = card.columns
        self._rows = open_hub(card, split)
        self.revision = self._rows.revision
        ignored = card.options.get("ignored_text")
        self._indices: Sequence[int] = range(len(self._rows))
        if ignored is not None:
            texts = self._column(self._columns["text"])
            self._indices = [index for index, text in enumerate(texts) if text != ignored]
        card.check_count(split, len(self._indices))
        self._grouped = "group" in self._columns
        if self._grouped and isinstance(self._rows, HubRows):
            groups = self._rows.column(self._columns["group"])
            self._grouped = several(groups[index] for index in self._indices)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int, /) -> Sample:
        row, columns = self._rows[self._indices[index]], self._columns
        place = f"{self._split}/{self._indices[index]}"
        utterance = Utterance(
            id=str(field(row, columns["id"], (str, int), place)) if "id" in columns else place,
            audio=field(row, columns["audio"], dict, place),
            text=field(row, columns["text"], str, place),
            group=str(field(row, columns["group"], (str, int), place)) if "group" in columns else None,
        )
        return sample_of(utterance, grouped=self._grouped)

    def _column(self, name: str) -> Iterable[Any]:
        """All values of a column: alone where that is possible; a stream is read with its sound."""
        rows = self._rows
        return rows.column(name) if isinstance(rows, HubRows) else (rows[index][name] for index in range(len(rows)))


def local_or_hub(
    card: DatasetCard, split: str, read: Callable[[DatasetCard, Path, str], Found | None], layout: str
) -> Dataset:
    """Files in their official layout where the user has them, else the hub or a copy of it.

    Args:
        card: of the data set.
        split: which part.
        read: the utterances of a split below a folder; `None` if the folder has another layout.
        layout: what `read` looks for, for the message.

    Raises:
        UsageError: no such split, or neither can be read.
    """
    card.check_split(split)
    found = None if card.local is None else read(card, card.local, split)
    if found is not None:
        return Utterances(card, split, found)
    try:
        return HubSpeech(card, split)
    except UsageError as error:
        hint = card.options["elsewhere"] if card.local is None else f"no {layout} there either"
        raise UsageError(f"{error}; {hint}") from error
