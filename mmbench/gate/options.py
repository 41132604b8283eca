"""What may be set of a gate."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mmbench.errors import UsageError

TIMINGS = ("throughput", "latency", "data")
"""Metrics that are timed by turns."""

EXACT = ("memory", "flops", "parameters")
"""Metrics that are the same each time, or nearly so."""

BUDGET = 0.03
"""Of timings, where none is given: what a noisy runner of two cores was measured to hold."""

_BUDGETS = {**dict.fromkeys(TIMINGS, BUDGET), "memory": 0.02}
"""Where none is given; of what is not here, nothing is borne. Resident memory varies by pages and arenas."""

_QUALITY = 0.01
"""Of a quality: a point, since no interval of samples that differ lies at nothing."""


@dataclass(frozen=True, slots=True)
class GateOptions:
    """How to gate.

    Attributes:
        metrics: what is gated: timings, exact metrics, or metrics of the task.
        budgets: by metric, the change that is borne: a share, of a quality a difference; under "" that of all others
            but qualities, of whose differences a share says nothing.
            Where there is none it is `BUDGET` for timings, 2 % for memory, .01 for a quality, nothing for the others.
            Of memory, what processes of the same code differ by is borne in any case.
        pairs, most_pairs: pairs of processes at first, and at most where a verdict is not clear.
        blocks: of four chunks, in a pair: at least.
        chunk_s: seconds that a chunk takes, about. The shorter it is, the less the machine changes within a block.
        play_s: seconds for which a pair takes turns on a metric, about; more where so many blocks take longer.
        time_limit_s: seconds after which no further pair is begun.
        patience_s: seconds that a worker may take for one answer.
        level: confidence of the intervals of all timings together, and of each quality.
    """

    metrics: tuple[str, ...] = ("throughput",)
    budgets: Mapping[str, float] = field(default_factory=dict)
    pairs: int = 3
    most_pairs: int = 10
    blocks: int = 20
    chunk_s: float = 0.01
    play_s: float = 2.5
    time_limit_s: float = 300.0
    patience_s: float = 120.0
    level: float = 0.95

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: a number out of its range, or a metric twice.
        """
        for name, least in (("pairs", 1), ("blocks", 2), ("time_limit_s", 1), ("patience_s", 1)):
            value, flag = getattr(self, name), "--" + name.removesuffix("_s").replace("_", "-")
            if not math.isfinite(value):
                raise UsageError(f"{flag} must be finite, not {value}")
            if value < least:
                raise UsageError(f"{flag} must be at least {least}, not {value:g}")
        if self.most_pairs < self.pairs:
            raise UsageError(f"--most-pairs {self.most_pairs} is below --pairs {self.pairs}")
        for name in self.metrics:
            if self.metrics.count(name) > 1:
                raise UsageError(f"--metric {name} is given twice")
        for name in self.budgets:
            if name and name not in self.metrics:
                raise UsageError(f"--budget {name}=...: {name} is not gated; add --metric {name}")

    def budget(self, metric: str) -> float:
        """The change of a metric that is borne."""
        if metric in self.qualities:  # a share says nothing of a difference
            return self.budgets.get(metric, _QUALITY)
        return self.budgets.get(metric, self.budgets.get("", _BUDGETS.get(metric, 0.0)))

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self) | {"metrics": list(self.metrics), "budgets": dict(self.budgets)}

    @property
    def timings(self) -> tuple[str, ...]:
        """The gated metrics that are timed."""
        return tuple(name for name in self.metrics if name in TIMINGS)

    @property
    def timing_level(self) -> float:
        """Confidence of the interval of one timing, so that all of them together keep the level (Bonferroni)."""
        return 1 - (1 - self.level) / max(1, len(self.timings))

    @property
    def exact(self) -> tuple[str, ...]:
        """The gated metrics that need no statistics."""
        return tuple(name for name in self.metrics if name in EXACT)

    @property
    def qualities(self) -> tuple[str, ...]:
        """The gated metrics of the task."""
        return tuple(name for name in self.metrics if name not in (*TIMINGS, *EXACT))


def parse_budgets(texts: Sequence[str]) -> dict[str, float]:
    """What `--budget` says: `5%`, `0.05` or `latency=8%`.

    Raises:
        UsageError: another form, a negative number, or the same metric twice.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = text.rpartition("=")
        share = number.strip().removesuffix("%")
        try:
            value = float(share) / (100 if share != number.strip() else 1)
        except ValueError:
            raise UsageError(f"--budget takes 5%, 0.05 or METRIC=5%, not {text!r}") from None
        if not 0 <= value < float("inf"):
            raise UsageError(f"--budget {text}: a budget is not below zero")
        if value >= 1 and share == number.strip() and name in ("", *TIMINGS, *EXACT):  # a quality may have any scale
            raise UsageError(f"--budget {text} bears a change of {value:.0%}; for percent write {text}%")
        if name in found:
            raise UsageError(f"--budget is given twice for {name or 'all metrics'}")
        found[name] = value
    return found
