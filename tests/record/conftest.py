from pathlib import Path

import pyarrow as pa
import pytest

from mmbench.profile.results import Passes
from mmbench.record.profile import ProfileRecord
from mmbench.record.schema import RunRecord

EXAMPLE = Path(__file__).with_name("example_record.json")


@pytest.fixture
def example_text() -> str:
    return EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture
def record(example_text: str) -> RunRecord:
    return RunRecord.model_validate_json(example_text, strict=True)


@pytest.fixture
def profile(record: RunRecord) -> ProfileRecord:
    """The cost passes of the example, as a profile."""
    fields = record.model_dump(include=set(ProfileRecord.model_fields) - {"cost"})
    assert record.cost is not None
    return ProfileRecord.model_validate({**fields, "cost": record.cost.model_dump(include=set(Passes.model_fields))})


@pytest.fixture
def samples() -> pa.Table:
    return pa.table({"id": ["q1", "q2"], "prediction": ["circle", "yes"], "accuracy.correct": [1, 0]})
