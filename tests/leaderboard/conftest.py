import json
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from mmbench.record.schema import RunRecord
from mmbench.record.store import Store

EXAMPLE = Path(__file__).parents[1] / "record" / "example_record.json"


def metric(value, low=None, high=None, higher_is_better=True):
    return {
        "value": value,
        "low": low,
        "high": high,
        "level": 0.95,
        "n": 100,
        "method": "wilson",
        "higher_is_better": higher_is_better,
    }


@pytest.fixture
def make():
    """Make a record: `make("film", 0.9, 0.8, 1.0, day=1, dataset={...}, other_metric=metric(...))`."""

    def build(
        model="film", value=0.9, low=None, high=None, *, day=0, dataset=None, model_info=None, cost=None, **metrics
    ):
        data = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        created = datetime.fromisoformat(data["created"]) + timedelta(days=day)
        data |= {"run_id": f"run-{day}-{sum(map(ord, model))}", "created": created, "failures": []}
        data["metrics"] = {"accuracy": metric(value, low, high), **metrics}
        data["dataset"] |= dataset or {}
        data["model"] |= {"name": model, **(model_info or {})}
        data["cost"] |= cost or {}
        return RunRecord.model_validate(data)

    return build


@pytest.fixture
def metric_of():
    return metric


@pytest.fixture
def save(tmp_path, monkeypatch):
    """Save records below `results` of a fresh working directory."""
    monkeypatch.chdir(tmp_path)

    def save_all(*records):
        for record in records:
            Store(Path("results")).save(record, pa.table({"id": ["q1"]}))

    return save_all
