"""The report of `mmbench gate`, as versioned JSON; `gate_report.schema.json` is exported from it.

A change is head's cost by base's, minus one, so above zero it is worse whatever the metric: 0.05 is 5 % slower, larger,
or more. Only of a quality it is a plain difference, base minus head where more is better.
"""

from enum import StrEnum
from pathlib import Path
from typing import Literal

from pydantic import Field

from mmbench.part import Count, Json, Part, Rate, RunId, Seconds, UtcDatetime
from mmbench.record.schema import Environment

GATE_SCHEMA_FILE = Path(__file__).with_name("gate_report.schema.json")


class Verdict(StrEnum):
    """What a gate says."""

    PASS = "pass"  # noqa: S105  # no password
    IMPROVEMENT = "improvement"
    REGRESSION = "regression"
    INCONCLUSIVE = "inconclusive"
    FAILURE = "failure"


class Change(Part):
    """How much worse head is than base, with its interval where it is an estimate."""

    value: float
    low: float
    high: float
    level: float | None = Field(description="confidence of [low, high]; null where the numbers are exact")
    method: str
    pairs: Count = Field(description="pairs of processes")
    blocks: Count = Field(description="blocks of chunks in them, or samples of a quality")


class Finding(Part):
    """One metric on both sides, and what follows."""

    metric: str
    unit: str
    higher_is_better: bool
    base: float | None
    head: float | None
    change: Change | None
    budget: Rate = Field(description="a change up to it is borne")
    verdict: Verdict
    reason: str | None = Field(description="why there is no other verdict, where that is not plain")
    base_s: list[list[Seconds]] | None = Field(
        default=None, description="of timings: seconds of an iteration, by pair and block"
    )
    head_s: list[list[Seconds]] | None = None


class Place(Part):
    """Where time goes: one part of the work or of the start, on both sides."""

    name: str
    group: Literal["model", "data", "start"]
    base_s: Seconds
    head_s: Seconds
    change: Change | None = Field(description="null where too few pairs, or no time on one side")
    slower: bool = Field(
        description="head takes more for certain, and enough more to matter: of a part of the work the whole interval "
        "lies above the budget of throughput, of the start every pair does"
    )


class Answers(Part):
    """What both sides answered on the batches that were timed."""

    samples: Count
    differ: Count
    largest: float | None = Field(description="the largest difference of scores or vectors, absolute")
    first: str | None = Field(description="the first that differs, in words")


class SideInfo(Part):
    """One side."""

    label: str
    commit: str | None
    dirty: bool
    versions: dict[str, str]
    answers: str | None = Field(
        description="SHA-256 of the texts that it answered on the batches that were timed; null where it did not come "
        "so far"
    )


class Floor(Part):
    """What the same code seems to change against itself on this runner."""

    runner: str = Field(description="its fingerprint: hardware and versions, nothing that names a machine")
    workload: str = Field(description="fingerprint of what was run")
    created: UtcDatetime
    pairs: Count
    most_pairs: Count = Field(description="of a gate of which this holds, where it makes all of them")
    floors: dict[str, Rate] = Field(description="by metric: a smaller budget cannot be held")


class GateReport(Part):
    """Base and head, compared."""

    schema_version: Literal[1] = 1
    run_id: RunId
    created: UtcDatetime
    verdict: Verdict
    reason: str
    base: SideInfo
    head: SideInfo
    workload: dict[str, Json]
    ran: dict[str, Json] = Field(
        description="what that was on both sides: task, data set and its revision, samples, batches, device; empty "
        "where it did not come so far"
    )
    findings: list[Finding]
    places: list[Place] = Field(description="for information; no verdict rests on them")
    answers: Answers | None
    floor: Floor | None = Field(description="null where this runner was not calibrated")
    weak: bool = Field(
        default=False, description="base was stored by another run: drift of the machine counts as head's"
    )
    seconds: Seconds
    environment: Environment
    settings: dict[str, Json]

    def to_json(self) -> str:
        """Return the text of the report."""
        return self.model_dump_json(indent=2) + "\n"
