"""The gate's report as JSON: its schema is that of the models."""

import json

import jsonschema

from mmbench.record.gate import GATE_SCHEMA_FILE, GateReport
from mmbench.record.schema import json_schema


def test_exported_schema_is_that_of_the_models():
    exported = json.loads(GATE_SCHEMA_FILE.read_text(encoding="utf-8"))
    assert exported == json_schema(GateReport), (
        'write it again: python -c "from mmbench.record.schema import export_schema; '
        'from mmbench.record.gate import *; export_schema(GATE_SCHEMA_FILE, GateReport)"'
    )
    jsonschema.Draft202012Validator.check_schema(exported)
