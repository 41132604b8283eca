"""What a caller may set for a diagnosis, and the checks of it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mmbench.engine.options import check_at_least
from mmbench.errors import UsageError, unknown_name

SECTIONS = ("emap", "perceptual", "shapley", "missing", "robustness", "calibration")
"""The parts of a diagnosis, each of which can be left out."""


@dataclass(frozen=True, slots=True)
class DiagnoseOptions:
    """What to look at.

    Attributes:
        metric: of whose values everything is made; the data set's main one if `None`.
        permutations: of each modality, for the perceptual score.
        emap_samples: at most so many samples, drawn at random, are recombined with each other.
        levels: of noise above 0, ascending, the last 1.
        noises: (modality, noise) pairs to go through; all that there are if empty.
        skip: which of `SECTIONS` to leave out.
    """

    metric: str | None = None
    permutations: int = 5
    emap_samples: int = 500
    levels: tuple[float, ...] = (0.25, 0.5, 0.75, 1.0)
    noises: tuple[tuple[str, str], ...] = ()
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        check_at_least(self, 1, "permutations")
        check_at_least(self, 2, "emap_samples")
        ascending = all(low < high for low, high in zip((0.0, *self.levels), self.levels, strict=False))
        if not self.levels or not ascending or self.levels[-1] != 1:
            told = ",".join(f"{level:g}" for level in self.levels)
            raise UsageError(f"--levels must ascend, above 0 and up to 1, where the area ends; not {told}")
        for name in self.skip:
            if name not in SECTIONS:
                raise unknown_name("section in --skip", name, SECTIONS)
        if set(self.skip) == set(SECTIONS):
            raise UsageError("--skip names every section, so there is nothing to do")
        if len(set(self.noises)) < len(self.noises):
            raise UsageError("--noise names a noise twice")
        if self.noises and {"robustness", "calibration"} <= set(self.skip):
            raise UsageError("--noise is for robustness and calibration, which --skip leaves out")

    @property
    def middle(self) -> float:
        """The level of noise nearest to a half, at which calibration is measured."""
        return min(self.levels, key=lambda level: abs(level - 0.5))


def parse_levels(text: str) -> tuple[float, ...]:
    """What `--levels` says.

    Raises:
        UsageError: not numbers with commas between.
    """
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--levels takes numbers with commas between, as in 0.5,1; not {text!r}") from None
    if not all(map(math.isfinite, found)):
        raise UsageError(f"--levels takes numbers from 0 to 1, not {text!r}")
    return found


def parse_noises(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What `--noise` says: modality and noise of each.

    Raises:
        UsageError: not MODALITY=NOISE.
    """
    found = []
    for text in texts:
        modality, equals, name = text.partition("=")
        if not (modality and equals and name) or ":" in name:
            raise UsageError(
                f"--noise takes MODALITY=NOISE, as in image=gaussian; --levels sets its levels; not {text!r}"
            )
        found.append((modality, name))
    return tuple(found)


def parse_skip(text: str | None) -> tuple[str, ...]:
    """What `--skip` says."""
    return tuple(part.strip() for part in text.split(",")) if text else ()
