"""What all parts of a record have in common: strict, frozen, and nothing that JSON cannot hold."""

import math
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue

Count = Annotated[int, Field(ge=0)]
Seconds = Annotated[float, Field(ge=0)]
Rate = Annotated[float, Field(ge=0)]


def _finite(value: JsonValue) -> JsonValue:
    """Refuse NaN and infinity at any depth."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{value} is not JSON; use null")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        _finite(child)
    return value


def _to_utc(value: datetime) -> datetime:
    return value.astimezone(UTC)


Json = Annotated[JsonValue, AfterValidator(_finite)]
RunId = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
UtcDatetime = Annotated[AwareDatetime, AfterValidator(_to_utc)]


class Part(BaseModel):
    """A part of a record; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
