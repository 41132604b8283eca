"""What is done to the inputs of a run: modalities taken away, values permuted between samples, noise added.

`altered` makes the samples; `Alteration` says what was done, in a record and to people. Nothing heavy is imported
before it is asked for, since every command knows these options.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import JsonValue, ValidationError

from mmbench.data.noise_summaries import SUMMARIES
from mmbench.errors import UsageError, unknown_name
from mmbench.part import Part

if TYPE_CHECKING:
    from mmbench.sample import Dataset

_FORM = "MODALITY=NAME:LEVEL, as in image=gaussian:0.3"


class _Stored(Part):
    drop: list[str]
    shuffle: list[str]
    noise: list[str]
    seed: int


@dataclass(frozen=True, slots=True)
class Alteration:
    """What is done to the inputs of every sample of a run, in this order.

    What alters alike is equal: modalities are sorted, and noises by modality, between which the order does not matter.

    Attributes:
        drop: modalities that are taken away, so that the model masks them.
        shuffle: modalities whose values are permuted between the samples that have them, each by itself.
        noise: modality, name and level from 0 (nothing) to 1 of each noise, applied in order.
        seed: of permutations and noise.
    """

    drop: tuple[str, ...] = ()
    shuffle: tuple[str, ...] = ()
    noise: tuple[tuple[str, str, float], ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        """Sort, and refuse levels that mean nothing and what contradicts itself.

        Raises:
            UsageError: a level outside [0, 1], a modality or a noise twice, or one dropped and altered.
        """
        for modality, name, level in self.noise:
            if not 0 <= level <= 1:
                raise UsageError(f"--noise {modality}={name}:{_short(level)}: the level must be from 0 to 1")
        for option, whole in (("--drop", self.drop), ("--shuffle", self.shuffle)):
            for modality, times in Counter(whole).items():
                if times > 1:
                    raise UsageError(f"{option} names {modality!r} twice")
        for (modality, name), times in Counter((modality, name) for modality, name, _ in self.noise).items():
            if times > 1:
                raise UsageError(f"--noise names {modality}={name} twice")
        for option, modality in self._altering():
            if modality in self.drop:
                raise UsageError(f"{modality!r} is dropped, so {option} has nothing of it to alter")
        object.__setattr__(self, "drop", tuple(sorted(self.drop)))  # the instance is frozen
        object.__setattr__(self, "shuffle", tuple(sorted(self.shuffle)))
        object.__setattr__(self, "noise", tuple(sorted(self.noise, key=lambda noise: noise[0])))

    def __bool__(self) -> bool:
        """Whether anything is altered; noise of level 0 is nothing."""
        return bool(self.drop or self.shuffle or self.present_noise)

    @property
    def present_noise(self) -> tuple[tuple[str, str, float], ...]:
        """Noise above level 0."""
        return tuple(noise for noise in self.noise if noise[2] > 0)

    @property
    def is_random(self) -> bool:
        """Whether the seed matters."""
        return bool(self.shuffle or self.present_noise)

    def to_json(self) -> dict[str, JsonValue]:
        """As settings of a record have it, the same for all that alter alike; empty where nothing is altered."""
        if not self:
            return {}
        return {
            "drop": [*self.drop],
            "shuffle": [*self.shuffle],
            "noise": [f"{modality}={name}:{_short(level)}" for modality, name, level in self.present_noise],
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, data: JsonValue) -> "Alteration":
        """Inverse of `to_json`; nothing where older records have nothing (`None`).

        Raises:
            UsageError: it is not of that form.
        """
        if not data:
            return cls()
        try:
            given = _Stored.model_validate(data, strict=True)
        except ValidationError as error:
            reason = error.errors()[0]
            where = ".".join(map(str, ("alteration", *reason["loc"])))
            raise UsageError(f"the record's {where} is not as mmbench writes it: {reason['msg']}") from error
        return parse_alteration(given.drop, given.shuffle, given.noise, given.seed)

    def label(self) -> str:
        """For people: `without image, text shuffled, audio white 0.3`; empty where nothing is altered."""
        return ", ".join(
            [
                *(f"without {modality}" for modality in self.drop),
                *(f"{modality} shuffled" for modality in self.shuffle),
                *(f"{modality} {name} {_short(level)}" for modality, name, level in self.present_noise),
            ]
        )

    def title(self) -> str:
        """The label, with the seed where it matters: what runs must share to be comparable."""
        return f"{self.label()} (seed {self.seed})" if self.is_random else self.label()

    def check(self, modalities: Sequence[str]) -> None:
        """Refuse what samples with these modalities do not have.

        Raises:
            UsageError: a modality or a noise that is not there; says the nearest.
        """
        for option, modality in [*(("--drop", modality) for modality in self.drop), *self._altering()]:
            if modality not in modalities:
                raise unknown_name(f"modality in {option}", modality, modalities)
        for modality, name, _ in self.noise:
            if name not in SUMMARIES.get(modality, {}):
                raise unknown_name(f"noise of {modality}", name, SUMMARIES.get(modality, {}))

    def _altering(self) -> list[tuple[str, str]]:
        """Options that alter a modality and leave it, with the modality."""
        return [*(("--shuffle", m) for m in self.shuffle), *(("--noise", m) for m, _, _ in self.noise)]


def parse_alteration(drop: Sequence[str], shuffle: Sequence[str], noise: Sequence[str], seed: int = 0) -> Alteration:
    """What `--drop`, `--shuffle` and `--noise MODALITY=NAME:LEVEL` say.

    Raises:
        UsageError: a noise of another form, and as `Alteration` does.
    """
    return Alteration(tuple(drop), tuple(shuffle), tuple(map(_parse_noise, noise)), seed)


def altered(samples: "Dataset", alteration: Alteration) -> "Dataset":
    """The samples as the alteration leaves them, made one by one as they are taken; `samples` itself if it is nothing.

    Take the first of them (`head`) before, since a permutation is of these very samples.
    """
    if not alteration:
        return samples
    from mmbench.data.altered import Altered  # noqa: PLC0415  # loads NumPy and Pillow

    return Altered(samples, alteration)


def _parse_noise(text: str) -> tuple[str, str, float]:
    modality, equals, rest = text.partition("=")
    name, colon, level = rest.partition(":")
    if not (modality and equals and name and colon):
        raise UsageError(f"--noise expects {_FORM}, not {text!r}")
    try:
        value = float(level)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise UsageError(f"--noise {text}: the level must be a number from 0 to 1, not {level!r}")
    return modality, name, value


def _short(level: float) -> str:
    return f"{level:.12g}"
