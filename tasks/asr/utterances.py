"""What the readers of all data sets share: utterances as annotations name them, and samples made of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from mmbench.data.annotations import UniqueIds
from mmbench.data.audio import AudioValue, duration
from mmbench.data.card import DatasetCard
from mmbench.data.decode import DecodeError
from mmbench.sample import Sample


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody said, and where it was recorded.

    Attributes:
        id: unique in its split.
        audio: the recording.
        text: what was said.
        group: with what errors go together: who spoke, or else the sentence that several read; `None` where neither is
            known.
        meta: what breakdowns need.
    """

    id: str
    audio: AudioValue
    text: str
    group: str | None = None
    meta: Mapping[str, str] = field(default_factory=dict)


Found = Iterable[tuple[str, Utterance]]
"""Utterances, each with where it stands ("FILE:LINE")."""


class Utterances:
    """The utterances of one split, read whole; audio stays where it is until a batch is made.

    The speaker is a sample's group, since errors on one speaker go together and an interval is to say how well a model
    does on speakers to come. A single speaker is no group: with one cluster there would be no interval at all.

    Attributes:
        splits: the names of all that there are, where the files tell.
    """

    def __init__(self, card: DatasetCard, split: str, found: Found) -> None:
        """Read the annotations.

        Raises:
            UsageError: an id is there twice, or there are not as many utterances as the card says.
        """
        self.splits: tuple[str, ...] = ()
        ids = UniqueIds()
        self._utterances: list[Utterance] = []
        for where, utterance in found:
            ids.add(utterance.id, where)
            self._utterances.append(utterance)
        card.check_count(split, len(self._utterances))
        self._several = several(utterance.group for utterance in self._utterances)

    def __len__(self) -> int:
        return len(self._utterances)

    def __getitem__(self, index: int, /) -> Sample:
        return sample_of(self._utterances[index], grouped=self._several)


def several(groups: Iterable[object]) -> bool:
    """Whether there is more than one group, `None` being none."""
    return len({*groups} - {None}) > 1


def sample_of(utterance: Utterance, *, grouped: bool) -> Sample:
    """An utterance as a sample."""
    return Sample(
        id=utterance.id,
        inputs={"audio": utterance.audio},
        target=utterance.text,
        group=utterance.group if grouped else None,
        meta=utterance.meta,
        duration=known_seconds(utterance.audio),
    )


def known_seconds(audio: AudioValue) -> float | None:
    """What the header of a sound says; `None` where it cannot be read.

    That is told when the sound is decoded, so that the failure is a recorded one.
    """
    try:
        return duration(audio)
    except DecodeError:
        return None
