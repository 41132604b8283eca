"""Diagnoses as JSON, and on disk."""

import json
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from mmbench.errors import UsageError
from mmbench.record.diagnosis import DIAGNOSIS_SCHEMA_FILE, DiagnosisRecord
from mmbench.record.schema import json_schema
from mmbench.record.store import Store

EXAMPLE = Path(__file__).with_name("example_diagnosis.json")


@pytest.fixture
def text():
    return EXAMPLE.read_text(encoding="utf-8")


@pytest.fixture
def diagnosis(text):
    return DiagnosisRecord.model_validate_json(text, strict=True)


def test_exported_schema_is_that_of_the_models():
    exported = json.loads(DIAGNOSIS_SCHEMA_FILE.read_text(encoding="utf-8"))
    assert exported == json_schema(DiagnosisRecord), (
        'write it again: python -c "from mmbench.record.schema import export_schema; '
        'from mmbench.record.diagnosis import *; export_schema(DIAGNOSIS_SCHEMA_FILE, DiagnosisRecord)"'
    )


def test_exported_schema_is_valid_and_accepts_diagnoses_alone(diagnosis, record, profile):
    schema = json.loads(DIAGNOSIS_SCHEMA_FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(diagnosis.to_json()), schema)
    for other in (record, profile):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(json.loads(other.to_json()), schema)


def test_text_has_every_key_in_order(text, diagnosis):
    assert json.loads(diagnosis.to_json()) == json.loads(text)
    assert list(json.loads(diagnosis.to_json())) == list(DiagnosisRecord.model_fields)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("clean", "value"), float("nan")),
        (("clean", "level"), 1.0),
        (("interaction", "recombined"), "pixels"),
        (("perceptual", "image", "changed"), -1),
        (("robustness", 0, "points", 0, "level"), 1.5),
        (("surprise",), 1),
    ],
)
def test_refuses(text, path, value):
    data = json.loads(text)
    part = data
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ValidationError, match=str(path[-1])):
        DiagnosisRecord.model_validate(data)


def test_round_trip(tmp_path, diagnosis):
    store = Store(tmp_path / "results")
    folder = store.save_diagnosis(diagnosis)
    assert folder == tmp_path / "results" / "vqa" / "easy-vqa" / "film" / diagnosis.run_id
    assert [path.name for path in folder.iterdir()] == ["diagnosis.json"]
    assert store.load_diagnosis(folder) == store.load_diagnosis(folder / "diagnosis.json") == diagnosis


def test_find_takes_diagnoses_alone_and_sorts_by_time(tmp_path, diagnosis, record, samples):
    store = Store(tmp_path)
    store.save(record, samples)
    later = {"run_id": "b", "created": diagnosis.created + timedelta(days=1)}
    late = store.save_diagnosis(diagnosis.model_copy(update=later))
    store.save_diagnosis(diagnosis.model_copy(update={"run_id": "c"}))
    assert [found.run_id for _, found in store.find_diagnoses([tmp_path])] == ["c", "b"]
    assert [file for file, _ in store.find_diagnoses([late, late / "diagnosis.json"])] == [late / "diagnosis.json"]
    assert [found.run_id for _, found in store.find([tmp_path])] == [record.run_id]
    with pytest.raises(UsageError, match=r"nowhere does not exist; expected a folder of runs or a diagnosis\.json"):
        store.find_diagnoses([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), r"schema 2.*reads up to 1: upgrade"),
        (lambda text: text.replace('"schema_version"', '"version"'), "is not a diagnosis: it has no schema_version"),
        (lambda text: text.replace('"verdict"', '"verdicts"'), "is not a diagnosis: verdict: Field required"),
        (lambda text: text[:300], "is not JSON"),
    ],
    ids=["newer", "unversioned", "missing", "truncated"],
)
def test_bad_diagnoses_are_refused_in_one_line(tmp_path, text, change, message):
    (tmp_path / "diagnosis.json").write_text(change(text), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        Store(tmp_path).load_diagnosis(tmp_path)
    assert "\n" not in str(caught.value)
