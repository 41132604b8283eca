"""What `results/make.py` leaves out, since it is there, and what it makes again."""

import json
import runpy
from hashlib import sha256
from pathlib import Path

import pytest

MAKE = runpy.run_path(str(Path(__file__).parents[1] / "results" / "make.py"))


@pytest.fixture
def job(tmp_path, monkeypatch):
    """One whose files lie below `tmp_path`."""
    monkeypatch.setitem(MAKE["recorded"].__globals__, "ROOT", tmp_path)
    return MAKE["Job"]("vqa", "easy-vqa", "film", 0)


def record(root, job, run, weights):
    folder = root / job.records / job.task / job.dataset / job.model / run
    folder.mkdir(parents=True)
    stored = {"source": "film.safetensors", "sha256": sha256(weights).hexdigest()}
    (folder / "record.json").write_text(json.dumps({"model": {"weights": stored}}))
    return folder


def test_records_of_other_weights_are_told_from_those_of_the_weights_as_they_are(tmp_path, job):
    older, newer = record(tmp_path, job, "1", b"older"), record(tmp_path, job, "2", b"newer")
    path = tmp_path / job.weights
    path.parent.mkdir(parents=True)
    path.write_bytes(b"newer")
    assert MAKE["recorded"](job) == ([newer], [older])
    path.write_bytes(b"newest")
    assert MAKE["recorded"](job) == ([], [older, newer])


def test_records_stay_where_the_weights_are_gone(tmp_path, job):
    """Those of further seeds are not kept."""
    folder = record(tmp_path, job, "1", b"gone")
    assert MAKE["recorded"](job) == ([folder], [])


def test_nothing_is_recorded_yet(job):
    assert MAKE["recorded"](job) == ([], [])
