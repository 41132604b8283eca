"""`mmbench eval`: what it prints, for people and for programs."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch

from mmbench.cli import main
from mmbench.record.schema import SCHEMA_FILE, RunRecord
from mmbench.registry import registry

RUN = ["--limit", "64", "--workers", "0", "--threads", "1", "--device", "cpu"]
EVAL = ["eval", "--model", "film", "--task", "vqa", *RUN]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an empty folder, with no plugin file; PyTorch's threads are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_text_tells_what_a_reader_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(EVAL) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    (file,) = Path("results").rglob("record.json")
    record = RunRecord.model_validate_json(file.read_text(encoding="utf-8"))
    shown = lines(printed.out)
    for name, metric in record.metrics.items():
        (line,) = [line for line in shown if line.startswith(f"{name} ")]
        assert f"{metric.value:.4f}" in line
        assert " 64 " in line
        assert metric.method in line
    assert "film · vqa · easy-vqa test, 64 samples (limited: not comparable with a full run)" in shown
    assert any("95 % interval" in line for line in shown)
    for beginning in ("throughput ", "wall time ", "peak memory ", "parameters 106,173", "weights mmbench_baselines"):
        assert sum(line.startswith(beginning) for line in shown) == 1, beginning
    assert any("samples/s" in line for line in shown)
    assert f"record {file}" in shown
    assert shown[-1] == "next: mmbench leaderboard"


@pytest.mark.parametrize(("level", "is_full"), [("quick", False), ("full", True)])
def test_cost_passes_are_told_as_fully_as_was_asked(
    level: str, is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*EVAL, "--cost", level]) == 0
    shown = lines(capsys.readouterr().out)
    for beginning in ("model alone ", "throughput ", "latency p50 ", "iteration ", "parameters 106,173", "memory "):
        assert sum(line.startswith(beginning) for line in shown) == 1, beginning
    for beginning in ("first call ", "work ", "machine ", "model size ", "data the model waits", "energy "):
        assert sum(line.startswith(beginning) for line in shown) == is_full, beginning


def test_json_is_the_stored_record_and_nothing_else(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*EVAL, "--json", "--output", "out"]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    record = json.loads(printed.out)
    jsonschema.validate(record, json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))
    RunRecord.model_validate_json(printed.out, strict=True)
    (file,) = Path("out").rglob("record.json")
    assert record == json.loads(file.read_text(encoding="utf-8"))
    assert file.parent == Path("out/vqa/easy-vqa/film") / record["run_id"]


def test_json_has_no_note_on_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*EVAL, "--json", "--resume", "--batch-size", "auto"]) == 0
    printed = capfd.readouterr()
    assert json.loads(printed.out)["schema_version"] == 1
    notes = printed.err.splitlines()
    assert any(note.startswith("note: nothing to resume: ") for note in notes)
    assert all(note.startswith("note: ") for note in notes)


def test_record_appears_on_the_leaderboard_and_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*EVAL, "--output", "out", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert main(["leaderboard", "out"]) == 0
    assert any(" film " in line for line in lines(capsys.readouterr().out))
    assert main(["show", f"out/vqa/easy-vqa/film/{record['run_id']}", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == record


def test_unscored_samples_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plugin = Path(__file__).parents[1] / "engine" / "probes.py"
    weights = json.loads(_json(capsys, EVAL))["model"]["weights"]["source"]
    package, _, name = weights.partition(":")
    path = Path(__import__(package, fromlist=["x"]).__path__[0]) / name
    before = {kind: set(registry.names(kind)) for kind in ("task", "dataset", "metric", "model")}
    try:
        arguments = [*EVAL, "--plugin", str(plugin), "--dataset", "probe-corrupt", "--weights", str(path)]
        arguments[arguments.index("vqa")] = "probe"
        assert main([*arguments, "--on-error", "skip"]) == 0
    finally:
        for kind, names in before.items():
            for name in set(registry.names(kind)) - names:
                registry.unregister(kind, name)
    shown = lines(capsys.readouterr().out)
    assert "unscored 2 of 64 samples failed" in shown
    assert sum(line.startswith("test/5: decode: DecodeError: ") for line in shown) == 1


def _json(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    assert main([*arguments, "--json"]) == 0
    return capsys.readouterr().out
