"""`mmbench profile`: what it prints, draws and refuses."""

import json
from pathlib import Path

import jsonschema
import pytest
import torch

from mmbench.cli import main
from mmbench.errors import HarnessError
from mmbench.record.profile import PROFILE_SCHEMA_FILE, ProfileRecord
from mmbench.record.store import Store
from mmbench.registry import registry

RUN = ["--limit", "32", "--batch-size", "8", "--workers", "0", "--threads", "1", "--device", "cpu", "--cost", "quick"]
PROFILE = ["profile", "--model", "film", "--task", "vqa", *RUN]


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


def stored() -> tuple[Path, ProfileRecord]:
    (file,) = Path("results").rglob("profile.json")
    return file, Store(Path("results")).load_profile(file)


def test_text_tells_what_was_measured_and_a_figure_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*PROFILE, "--plot", "film.svg", "--batch-sizes", "1,8"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "wrote: film.svg\n"
    file, record = stored()
    shown = lines(printed.out)
    assert "film · vqa · easy-vqa test, cost alone" in shown
    for beginning in (
        "throughput ",
        "first call ",
        "latency p50 ",
        "iteration ",
        "work ",
        "memory ",
        "parameters 106,173",
    ):
        assert sum(line.startswith(beginning) for line in shown) == 1, beginning
    assert record.cost.stages is not None
    for stage in record.cost.stages.stages:
        assert sum(line.startswith(f"{stage.name} ") for line in shown) >= 1, stage.name
    assert not any(line.startswith("energy") for line in shown)  # of the full level
    assert shown[-2:] == [f"record {file}", f"next: mmbench show {file.parent}"]
    drawn = Path("film.svg").read_text(encoding="utf-8")
    for text in ("film on easy-vqa", "time by stage, batch size 8", "throughput by batch size"):
        assert f"<!-- {text} -->" in drawn


def test_json_is_the_stored_record_and_show_prints_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main([*PROFILE, "--json", "--stage", "trunk=fusion"]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    found = json.loads(printed.out)
    jsonschema.validate(found, json.loads(PROFILE_SCHEMA_FILE.read_text(encoding="utf-8")))
    file, record = stored()
    assert found == json.loads(file.read_text(encoding="utf-8"))
    assert record.cost.stages is not None
    assert "trunk" in [stage.name for stage in record.cost.stages.stages]
    for path in (file, file.parent):
        assert main(["show", str(path), "--json"]) == 0
        assert json.loads(capfd.readouterr().out) == found
        assert main(["show", str(path)]) == 0
        shown = lines(capfd.readouterr().out)
        assert "film · vqa · easy-vqa test, cost alone" in shown
        assert f"record {file}" in shown
        assert f"run_id {record.run_id}" in shown
        assert "settings.batch_size 8" in shown


@pytest.mark.parametrize("json_option", [[], ["--json"]])
def test_a_figure_that_fails_takes_nothing_with_it(
    json_option: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise HarnessError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr("mmbench.leaderboard.figure.write_file", full)
    Path("figures").mkdir()
    assert main([*PROFILE, "--plot", "figures/film.png", *json_option]) == 4
    printed = capsys.readouterr()
    file, _ = stored()
    assert printed.err == "error: cannot write figures/film.png: No space left on device\n"
    if json_option:
        assert json.loads(printed.out) == json.loads(file.read_text(encoding="utf-8"))
    else:
        assert f"record {file}" in lines(printed.out)
    assert not list(Path("figures").iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "film.pdf"], "a figure is written as .svg or .png, not .pdf: film.pdf"),
        (["--plot", "no/film.svg"], "cannot write no/film.svg: there is no folder no"),
        (["--stage", "trunk=fussion"], "fussion"),
        (["--stage", "whole=fusion"], "--stage whole=fusion: whole means the model as a whole"),
        (["--stage", "other=fusion"], "--stage other=fusion: other means what lies in no stage"),
        (["--batch-sizes", "1,64"], "--batch-sizes: 64 is above the 32 samples that there are"),
        (["--rate", "5"], "--rate goes with --scenario server"),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(*_: object) -> None:
        raise AssertionError("something ran")

    monkeypatch.setattr("mmbench.engine.profile.measure_cost", measure)
    assert main([*PROFILE, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ")
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not Path("results").exists()
