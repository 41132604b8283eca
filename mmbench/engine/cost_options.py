"""What a caller may set for the cost passes, and how long they take."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mmbench.errors import UsageError

CostLevel = Literal["off", "quick", "full"]
ScenarioName = Literal["single-stream", "multi-stream", "server", "offline"]


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds for the parts of one cost pass.

    Attributes:
        warm_up_s: at least, over all shapes of input together.
        most_warm_up_s: at most.
        pass_s: what is timed.
    """

    warm_up_s: float
    most_warm_up_s: float
    pass_s: float


BUDGETS: dict[str, Budget] = {"quick": Budget(0.3, 1.5, 1.0), "full": Budget(1.0, 6.0, 6.0)}
"""By level."""


@dataclass(frozen=True, slots=True)
class CostOptions:
    """Which cost passes to run, and on what.

    Attributes:
        level: `quick`: throughput, latency, stages, memory, FLOPs; `full`: longer, and data, roofline, energy besides.
        batch_sizes: of a sweep; none where empty.
        scenario: how requests are sent, besides the passes.
        rate: queries a second of the `server` scenario; `None` for a share of what single requests allow.
        bound_s: seconds that 99 % of the `server` scenario's queries must keep to.
        stages: path of a module by the name of the stage that it shall be.
        trace: write a profiler's trace of a few batches.
    """

    level: CostLevel = "quick"
    batch_sizes: tuple[int, ...] = ()
    scenario: ScenarioName | None = None
    rate: float | None = None
    bound_s: float | None = None
    stages: Mapping[str, str] = field(default_factory=dict)
    trace: bool = False

    def __post_init__(self) -> None:
        """Refuse values that make no sense.

        Raises:
            UsageError: which one, and what was expected.
        """
        for size in self.batch_sizes:
            if size < 1:
                raise UsageError(f"--batch-sizes must be at least 1, not {size}")
        for name in ("rate", "bound_s"):
            value = getattr(self, name)
            if value is None:
                continue
            flag = f"--{name.removesuffix('_s')}"
            if self.scenario != "server":
                raise UsageError(f"{flag} goes with --scenario server")
            if not 0 < value < math.inf:
                raise UsageError(f"{flag} must be a number above 0, not {value:g}")

    @property
    def budget(self) -> Budget:
        """Of the level."""
        return BUDGETS[self.level]


def parse_sizes(text: str | None) -> tuple[int, ...]:
    """`N,N,...` as numbers, ascending, each once.

    Raises:
        UsageError: one is no number.
    """
    try:
        return tuple(sorted({int(size) for size in text.split(",")})) if text is not None else ()
    except ValueError:
        raise UsageError(f"--batch-sizes takes numbers with commas between, as 1,8,64, not {text!r}") from None


def parse_stages(given: Sequence[str]) -> dict[str, str]:
    """`NAME=MODULE` texts: paths of modules by the names of their stages.

    Raises:
        UsageError: not of that form, a name twice, or one that results use for something else.
    """
    if not given:
        return {}
    from mmbench.profile.roofline import WHOLE  # noqa: PLC0415  # help and completion need no pydantic
    from mmbench.profile.stage import OTHER  # noqa: PLC0415

    found: dict[str, str] = {}
    for text in given:
        name, equals, path = (part.strip() for part in text.partition("="))
        if not (name and equals and path):
            raise UsageError(f"--stage expects NAME=MODULE, as encode.image=model.vision_tower, not {text!r}")
        if name in (WHOLE, OTHER):
            meaning = "the model as a whole" if name == WHOLE else "what lies in no stage"
            raise UsageError(f"--stage {text}: {name} means {meaning}; give the stage another name")
        if name in found:
            raise UsageError(f"--stage names {name} twice: {found[name]} and {path}")
        found[name] = path
    return found
