"""The gate's report as JSON: its schema is that of the models."""

import json
from pathlib import Path

import jsonschema
import pytest
from pydantic import ValidationError

from mmbench.record.gate import GATE_SCHEMA_FILE, GateReport
from mmbench.record.schema import json_schema

EXAMPLE = Path(__file__).with_name("example_gate.json")


def test_exported_schema_is_that_of_the_models():
    exported = json.loads(GATE_SCHEMA_FILE.read_text(encoding="utf-8"))
    assert exported == json_schema(GateReport), (
        'write it again: python -c "from mmbench.record.schema import export_schema; '
        'from mmbench.record.gate import *; export_schema(GATE_SCHEMA_FILE, GateReport)"'
    )
    jsonschema.Draft202012Validator.check_schema(exported)


def test_the_example_keeps_to_the_schema_and_is_read_as_it_is_written():
    text = EXAMPLE.read_text(encoding="utf-8")
    jsonschema.validate(json.loads(text), json.loads(GATE_SCHEMA_FILE.read_text(encoding="utf-8")))
    assert GateReport.model_validate_json(text, strict=True).to_json() == text


def test_the_schema_refuses_what_the_models_refuse():
    schema = json.loads(GATE_SCHEMA_FILE.read_text(encoding="utf-8"))
    data = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    for wrong in (
        {"verdict": "fine"},
        {"seconds": -1},
        {"surprise": 1},
        {"findings": None},
        {"run_id": "../elsewhere"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data | wrong, schema)
        with pytest.raises(ValidationError):
            GateReport.model_validate_json(json.dumps(data | wrong), strict=True)
