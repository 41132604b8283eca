"""The run record: everything one evaluation found, as versioned JSON.

The pydantic models below are the format; `run_record.schema.json` is exported from them. Every key is always present;
what is not known is null. NaN and infinity are refused, since JSON has neither.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from mmbench.part import Count, Json, Part, RunId, UtcDatetime
from mmbench.record.cost import Cost

SCHEMA_VERSION: Final = 1
GIVEN: Final = "given"
"""Name of the data set, and split, where targets stand beside predictions that were made elsewhere."""

SCHEMA_FILE = Path(__file__).with_name("run_record.schema.json")


class DatasetInfo(Part):
    """What was evaluated on."""

    name: str
    revision: str = Field(description="version or content hash of the data set")
    split: str
    n: Count = Field(description="samples asked for")
    limit: Count | None = Field(description="the limit that was set on the number of samples")


class WeightsInfo(Part):
    """The file that a model's parameters came from."""

    source: str = Field(description="where the weights came from; no machine path")
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ModelInfo(Part):
    """What was evaluated."""

    name: str
    config: dict[str, Json]
    parameters: Count | None = Field(
        description="null where the model does not tell, or the predictions were made elsewhere"
    )
    modalities: list[str] | None = Field(
        default=None, description="the inputs it reads; null where that was not recorded or predictions were given"
    )
    weights: WeightsInfo | None


class MetricValue(Part):
    """A metric over n samples with its confidence interval; null where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    level: float = Field(gt=0, lt=1, description="confidence level of [low, high]")
    n: Count = Field(description="samples scored")
    method: str = Field(description="how the interval was made")
    higher_is_better: bool | None = Field(description="null for what describes and does not judge")


class Failure(Part):
    """A sample that could not be scored."""

    id: str
    stage: str
    reason: str


class GitState(Part):
    """State of the working directory's repository."""

    commit: str
    dirty: bool = Field(description="tracked files differ from the commit")


class Environment(Part):
    """Where the run happened: hardware and software, nothing that names a machine or a person."""

    versions: dict[str, str] = Field(description="Python and installed packages by name")
    os: str
    cpu: str
    logical_cores: Count
    memory_bytes: Count | None = Field(description="physical memory of the machine")
    accelerators: list[str]
    git: GitState | None
    threads: Count = Field(description="intra-op threads of torch")


class DifferenceValue(Part):
    """A metric of this run minus that of another on the same samples; null where it is not defined."""

    value: float | None
    low: float | None
    high: float | None
    level: float = Field(gt=0, lt=1, description="confidence level of [low, high]")
    n: Count
    method: str = Field(description="how the interval was made")
    p_value: Annotated[float, Field(ge=0, le=1)] | None
    test: str = Field(description="how the p-value was made")


class Against(Part):
    """The other predictions, and the differences by metric."""

    model: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", description="of its ids and predictions")]
    differences: dict[str, DifferenceValue]


class RunRecord(Part):
    """One evaluation of one model on one split of one data set."""

    schema_version: Literal[1] = SCHEMA_VERSION
    run_id: RunId
    created: UtcDatetime
    task: str
    main_metric: str = Field(description="the metric that ranks models on this task")
    dataset: DatasetInfo
    model: ModelInfo
    metrics: dict[str, MetricValue]
    breakdowns: dict[str, dict[str, dict[str, MetricValue]]] = Field(description="metrics by key and value of the key")
    details: dict[str, dict[str, Json]] = Field(
        default_factory=dict, description="what a metric tells besides its value, by metric"
    )
    against: Against | None = Field(default=None, description="paired differences to other predictions")
    cost: Cost | None = Field(description="null where the predictions were made elsewhere")
    failures: list[Failure]
    environment: Environment
    settings: dict[str, Json]

    def to_json(self) -> str:
        """Return the text of `record.json`."""
        return self.model_dump_json(indent=2) + "\n"


def json_schema(record: type[Part] = RunRecord) -> dict[str, Any]:
    """JSON Schema (2020-12) of a type of record."""
    schema = record.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def export_schema(path: Path = SCHEMA_FILE, record: type[Part] = RunRecord) -> None:
    """Write `json_schema(record)` to a file; to be run after a change of the models."""
    path.write_text(json.dumps(json_schema(record), indent=2) + "\n", encoding="utf-8")
