"""The record of `mmbench diagnose`, as versioned JSON; `diagnosis_record.schema.json` is exported from it.

Everything in it is a function of one metric's values under altered inputs, on the same samples.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mmbench.part import Count, Json, Part, RunId, UtcDatetime
from mmbench.record.schema import DatasetInfo, Environment, ModelInfo

DIAGNOSIS_SCHEMA_FILE = Path(__file__).with_name("diagnosis_record.schema.json")

Level = Annotated[float, Field(ge=0, le=1)]


class Measure(Part):
    """A number with its confidence interval; null where it is not defined, bounds also where no resample differs."""

    value: float | None
    low: float | None
    high: float | None
    level: float = Field(gt=0, lt=1, description="confidence level of [low, high]")
    n: Count = Field(description="samples that it is of")
    method: str = Field(description="how the interval was made")


class Interaction(Part):
    """EMAP (Hessel & Lee 2020): what is lost where a classifier's logits are replaced by their additive part."""

    full: Measure = Field(description="the metric of the model's logits")
    additive: Measure = Field(description="the metric of their additive projection")
    gain: Measure = Field(description="full minus additive; the projection is kept as it is in resamples")
    changed: Count = Field(description="samples to which the two give another answer or score")
    recombined: Literal["tokens", "inputs"] = Field(description="what was recombined between samples")


class Perceptual(Part):
    """Perceptual score (Gat et al. 2021) of a modality, whose values are permuted between samples."""

    shuffled: Measure = Field(description="the metric, mean over permutations")
    drop: Measure = Field(description="the metric minus that")
    score: Measure = Field(description="that drop by the metric")
    changed: Count = Field(description="samples that get another answer or score under some permutation")
    permutations: list[float | None] = Field(description="the metric under each permutation")


class Missing(Part):
    """What the metric loses without a modality."""

    without: Measure
    drop: Measure = Field(description="the metric minus that without")
    share: Measure = Field(description="that drop by the metric")
    changed: Count = Field(description="samples that get another answer or score without")


class Coalition(Part):
    """The metric with these modalities alone; with none it is that of the constant answer."""

    present: list[str]
    value: Measure


class Shapley(Part):
    """Shapley contributions (SHAPE, Hu et al. 2022); their sum is the metric minus that of the constant answer."""

    answer: str = Field(description="the constant answer: the most frequent target of the evaluated samples")
    contributions: dict[str, Measure]
    coalitions: list[Coalition]


class CurvePoint(Part):
    """The metric at one level of noise."""

    level: Level
    value: Measure


class Curve(Part):
    """Robustness to one noise of one modality."""

    modality: str
    noise: str
    points: list[CurvePoint] = Field(description="level 0 first")
    area: Measure = Field(description="area under the curve by the metric at level 0; 1 where noise changes nothing")


class Calibration(Part):
    """How far probabilities can be trusted, under one alteration of the inputs."""

    condition: str = Field(description="`clean`, or what was done")
    alteration: dict[str, Json]
    metrics: dict[str, Measure]


class DiagnosisRecord(Part):
    """What one model uses of its inputs, and how it bears their loss, on one split of one data set.

    A section that was left out or is not defined is null, and `absent` says why.
    """

    schema_version: Literal[1] = 1
    run_id: RunId
    created: UtcDatetime
    task: str
    metric: str = Field(description="of whose values everything but calibration is made")
    higher_is_better: bool | None
    dataset: DatasetInfo
    model: ModelInfo
    modalities: list[str] = Field(description="what the samples have")
    reads: list[str] = Field(description="those that the model reads; another one has no influence")
    verdict: str = Field(description="what the intervals show, in words")
    clean: Measure = Field(description="the metric on the samples as they are")
    interaction: Interaction | None
    perceptual: dict[str, Perceptual] | None
    shapley: Shapley | None
    missing: dict[str, Missing] | None
    imputation: Literal["masked"] = Field(default="masked", description="what stands for a missing modality")
    robustness: list[Curve] | None
    calibration: list[Calibration] | None
    absent: dict[str, str] = Field(description="why a section is null, by its name in --skip")
    environment: Environment
    settings: dict[str, Json]

    def to_json(self) -> str:
        """Return the text of `diagnosis.json`."""
        return self.model_dump_json(indent=2) + "\n"
