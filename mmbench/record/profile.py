"""The record of `mmbench profile`: cost alone, as versioned JSON; `profile_record.schema.json` is exported from it."""

from pathlib import Path
from typing import Literal

from mmbench.part import Json, Part, RunId, UtcDatetime
from mmbench.profile.results import Passes
from mmbench.record.schema import DatasetInfo, Environment, ModelInfo

PROFILE_SCHEMA_FILE = Path(__file__).with_name("profile_record.schema.json")


class ProfileRecord(Part):
    """The cost passes of one model on one split of one data set."""

    schema_version: Literal[1] = 1
    run_id: RunId
    created: UtcDatetime
    task: str
    dataset: DatasetInfo
    model: ModelInfo
    cost: Passes
    environment: Environment
    settings: dict[str, Json]

    def to_json(self) -> str:
        """Return the text of `profile.json`."""
        return self.model_dump_json(indent=2) + "\n"
