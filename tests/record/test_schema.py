import json
from datetime import datetime
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from pydantic import ValidationError

from mmbench.record.profile import PROFILE_SCHEMA_FILE, ProfileRecord
from mmbench.record.schema import SCHEMA_FILE, RunRecord, json_schema


@pytest.fixture
def data(example_text):
    return json.loads(example_text)


def test_exported_schema_is_that_of_the_models():
    exported = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    assert exported == json_schema(), (
        'write it again: python -c "from mmbench.record.schema import export_schema; export_schema()"'
    )


def test_exported_schema_of_profiles_is_that_of_the_models():
    exported = json.loads(PROFILE_SCHEMA_FILE.read_text(encoding="utf-8"))
    assert exported == json_schema(ProfileRecord), (
        'write it again: python -c "from mmbench.record.schema import export_schema; '
        'from mmbench.record.profile import *; export_schema(PROFILE_SCHEMA_FILE, ProfileRecord)"'
    )


@pytest.mark.parametrize("file", [SCHEMA_FILE, PROFILE_SCHEMA_FILE])
def test_exported_schema_is_valid_and_accepts_its_records_alone(record, profile, file):
    schema = json.loads(file.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    own, other = (record, profile) if file == SCHEMA_FILE else (profile, record)
    jsonschema.validate(json.loads(own.to_json()), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(other.to_json()), schema)


def test_text_has_every_key_in_order(example_text, record):
    assert json.loads(record.to_json()) == json.loads(example_text)
    assert list(json.loads(record.to_json())) == [
        "schema_version",
        "run_id",
        "created",
        "task",
        "main_metric",
        "dataset",
        "model",
        "metrics",
        "breakdowns",
        "details",
        "against",
        "cost",
        "failures",
        "environment",
        "settings",
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("dataset", "limit"), "all"),
        (("model", "weights", "sha256"), "not a hash"),
        (("metrics", "accuracy", "value"), float("nan")),
        (("metrics", "accuracy", "level"), 95),
        (("cost", "throughput", "samples_per_s"), float("inf")),
        (("settings", "rate"), float("nan")),
        (("model", "config", "deep"), [{"rate": float("inf")}]),
        (("settings", "object"), {1, 2}),
        (("run_id",), "../elsewhere"),
        (("created",), datetime(2026, 11, 23)),  # without a time zone, on purpose
        (("surprise",), 1),
    ],
)
def test_refuses(data, path, value):
    part = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ValidationError, match=path[-1]):
        RunRecord.model_validate(data)


@pytest.mark.parametrize("key", ["limit", "name", "revision"])
def test_refuses_a_record_that_lacks_a_key(data, key):
    del data["dataset"][key]
    with pytest.raises(ValidationError, match=key):
        RunRecord.model_validate(data)


def test_created_is_turned_into_utc(data):
    data["created"] = datetime(2026, 11, 23, 18, 30, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert json.loads(RunRecord.model_validate(data).to_json())["created"] == "2026-11-23T09:30:00Z"


def test_is_frozen(record):
    with pytest.raises(ValidationError, match="frozen"):
        record.task = "asr"
