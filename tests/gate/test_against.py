"""Head against the head of a stored report: it works, and is marked as weak."""

import json
from pathlib import Path

import pytest

from mmbench.cli import main

WORDS = ["gate", "--model", "planted", "--task", "planted", "--plugin", "model.py", "--batch-size", "8", "--pairs", "1"]


@pytest.fixture
def stored(tmp_path, monkeypatch, plant):
    """A report of a planted side against itself, in the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plant(tmp_path / "same")
    words = ["--base", "same", "--head", "same", "--budget", "50%", "--most-pairs", "1", "--report", "json=stored.json"]
    assert main([*WORDS, *words]) == 0
    return Path("stored.json")


def test_a_slower_head_is_found_and_the_report_is_weak(stored, plant, capsys):
    stored_on = json.loads(stored.read_text(encoding="utf-8"))["created"][:10]
    plant(Path("slow"), read_s=0.012)
    capsys.readouterr()
    assert main([*WORDS, "--against", "stored.json", "--head", "slow", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["weak"], report["verdict"], report["base"]["label"]) == (
        True,
        "regression",
        f"same, stored on {stored_on}",
    )
    (finding,) = report["findings"]
    assert 1.5 < finding["change"]["value"] < 3.5
    assert finding["head"] < finding["base"]
    assert report["places"] == []
    assert main([*WORDS, "--against", "stored.json", "--head", "same", "--budget", "200%"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "weak: base was stored by another run" in shown
    plant(Path("bad"), crashes_at=1)
    assert main([*WORDS, "--against", "stored.json", "--head", "bad"]) == 1
    assert capsys.readouterr().out.startswith("failure ValueError: planted: it crashes")
    plant(Path("wrong"), wrong=3)
    assert main([*WORDS, "--against", "stored.json", "--head", "wrong"]) == 1
    assert capsys.readouterr().out.startswith("failure answers otherwise than what is stored; if that is meant")
    plant(Path("new"), revision="2")
    assert main([*WORDS, "--against", "stored.json", "--head", "new"]) == 1
    assert capsys.readouterr().out.startswith("failure does not run the same as what is stored: revision 2, not 1")
    for words, message in (
        (["--limit", "100"], "stored.json is of another workload: its limit is none, and here it is 100"),
        (
            ["--metric", "latency"],
            "stored.json holds no timings of latency, only these can be gated against it: throughput",
        ),
        (["--base", "same"], "--base and --against exclude each other: the one is run, the other was stored; give one"),
        (["--calibrate"], "--calibrate measures head against itself; leave out --against"),
    ):
        assert main([*WORDS, "--against", "stored.json", "--head", "same", *words]) == 2
        assert capsys.readouterr().err == f"error: {message}\n"


def test_on_another_machine_it_cannot_tell(stored, capsys):
    report = json.loads(stored.read_text(encoding="utf-8"))
    report["environment"]["cpu"] = "another"
    stored.write_text(json.dumps(report), encoding="utf-8")
    capsys.readouterr()
    assert main([*WORDS, "--against", "stored.json", "--head", "same", "--budget", "200%"]) == 3
    assert "it was stored on another kind of machine, or by other versions" in capsys.readouterr().out


def test_a_process_ends_in_time(stored, capsys):
    """Two blocks are made in any case."""
    capsys.readouterr()
    words = ["--against", "stored.json", "--head", "same", "--budget", "400%", "--time-limit", "1", "--json"]
    assert main([*WORDS, *words]) == 0
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert [len(process) for process in finding["head_s"]] == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot read other.json: No such file or directory"), ("{}", "other.json is no report of `mmbench gate")],
)
def test_what_is_no_report(tmp_path, monkeypatch, capsys, text, message):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("other.json").write_text(text)
    assert main([*WORDS, "--against", "other.json"]) == 2
    assert capsys.readouterr().err.startswith(f"error: {message}")
