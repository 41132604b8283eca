"""`mmbench eval` on altered inputs: on every task, recorded, told, and never in a table with others."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

from mmbench.cli import main
from mmbench.metrics.java import find_java
from mmbench.record.schema import RunRecord
from mmbench.registry import registry

QUICK = ["--limit", "16", "--workers", "0", "--threads", "1", "--device", "cpu", "--invariance", "2", "--cost", "off"]
VQA = ["eval", "--model", "film", "--task", "vqa", *QUICK]
TASKS = {
    "vqa": ("film", "easy-vqa", ["image", "text"]),
    "multimodal_classification": ("film", "trimodal-digits", ["image", "audio", "text"]),
    "image_classification": ("cnn", "digits", ["image"]),
    "captioning": ("captioner", "scenes", ["image"]),
    "retrieval": ("dual-encoder", "scenes", ["image", "text"]),
    "asr": ("ctc", "spoken-sentences", ["audio"]),
}
HARDEST = {"image": "occlusion", "text": "drop", "audio": "dropout"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an empty folder, with no plugin file; PyTorch's threads are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def evaluated(capsys: pytest.CaptureFixture[str]):
    """The record of a run with these further arguments."""

    def run(*arguments: str, start: list[str] = VQA) -> RunRecord:
        assert main([*start, *arguments, "--json"]) == 0
        return RunRecord.model_validate_json(capsys.readouterr().out, strict=True)

    return run


@pytest.fixture
def without_java(monkeypatch: pytest.MonkeyPatch):
    """No Java, so that captions are scored by the metrics that take no 10 s to start."""
    find_java.cache_clear()
    monkeypatch.setenv("PATH", "")
    yield
    find_java.cache_clear()


def cases(task: str) -> list[list[str]]:
    """Without each modality, without any, with each permuted, each wholly destroyed; fewer of three modalities."""
    modalities = TASKS[task][2]
    one = [["--drop", m] for m in modalities] if len(modalities) > 1 else []
    none = [part for m in modalities for part in ("--drop", m)]
    permuted = [part for m in modalities for part in ("--shuffle", m)]
    destroyed = [part for m in modalities for part in ("--noise", f"{m}={HARDEST[m]}:1")]
    return [one[0], none, destroyed] if len(modalities) > 2 else [*one, none, permuted, destroyed]


@pytest.mark.parametrize("task", TASKS)
def test_every_task_runs_on_alterations(task: str, evaluated, without_java) -> None:
    model, dataset, modalities = TASKS[task]
    if "audio" in modalities:
        pytest.importorskip("espeakng_loader", reason="the extra `speech` is not installed")
    few = [*QUICK[:1], "4", *QUICK[2:]]
    queries = 20 if task == "retrieval" else 4  # of five captions an image
    for case in cases(task):
        record = evaluated(*case, start=["eval", "--model", model, "--task", task, "--dataset", dataset, *few])
        assert not record.failures
        assert record.metrics[record.main_metric].n == queries
        assert record.metrics[record.main_metric].value is not None
        assert record.settings["alteration"]["seed"] == 0


def test_settings_tell_what_was_done(evaluated) -> None:
    record = evaluated("--drop", "text", "--noise", "image=gaussian:0.3", "--noise", "image=blur:0.2", "--seed", "4")
    assert record.settings["alteration"] == {
        "drop": ["text"],
        "shuffle": [],
        "noise": ["image=gaussian:0.3", "image=blur:0.2"],
        "seed": 4,
    }


def test_noise_at_level_0_is_the_run_without(evaluated) -> None:
    """The same record, but for what each run has of its own, and the same rows."""
    records = [evaluated(), evaluated("--noise", "image=gaussian:0", "--noise", "text=swap:0")]
    assert records[0].metrics == records[1].metrics
    assert records[0].settings == records[1].settings


def test_modality_that_the_model_does_not_read_changes_nothing(evaluated) -> None:
    blind = ["eval", "--model", "text-only", "--task", "vqa", *QUICK]
    clean = evaluated(start=blind).metrics
    for case in (["--drop", "image"], ["--shuffle", "image"], ["--noise", "image=gaussian:1"]):
        assert evaluated(*case, start=blind).metrics == clean


def test_nothing_to_go_by_is_one_answer_to_all(evaluated) -> None:
    """Without any modality the model answers every question alike: accuracy is that answer's share."""
    record = evaluated("--drop", "image", "--drop", "text")
    (folder,) = Path("results").rglob(record.run_id)
    assert len(set(pq.read_table(folder / "samples.parquet")["prediction"].to_pylist())) == 1


def test_workers_and_batch_size_change_no_prediction(evaluated) -> None:
    found = []
    for extra in (["--batch-size", "5"], ["--workers", "2"]):
        record = evaluated(*extra, "--noise", "image=gaussian:0.5", "--shuffle", "text")
        (folder,) = Path("results").rglob(record.run_id)
        found.append(pq.read_table(folder / "samples.parquet")["prediction"].to_pylist())
    assert found[0] == found[1]


def test_report_and_leaderboard_tell_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*VQA, "--drop", "image"]) == 0
    shown = capsys.readouterr().out
    assert "(altered: without image)" in shown
    assert "samples/s (quality pass, decoding and alteration included)" in shown
    assert main([*VQA, "--noise", "text=typo:0.5", "--seed", "3"]) == 0
    assert "(altered: text typo 0.5 (seed 3))" in capsys.readouterr().out
    assert main(VQA) == 0
    shown = capsys.readouterr().out
    assert "altered" not in shown
    assert "samples/s (quality pass, decoding included)" in shown
    assert main(["leaderboard", "--format", "json"]) == 0
    tables = json.loads(capsys.readouterr().out)["tables"]
    assert sorted(table["alteration"] for table in tables) == ["", "text typo 0.5 (seed 3)", "without image"]
    assert {len(table["rows"]) for table in tables} == {1}
    assert main(["leaderboard", "--format", "markdown"]) == 0
    assert "the first 16 samples, altered: without image" in capsys.readouterr().out.replace("\\", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop", "imag"], "unknown modality in --drop 'imag'; did you mean 'image'?"),
        (["--shuffle", "audio"], "unknown modality in --shuffle 'audio'; known: image, text"),
        (["--noise", "image=gausian:0.3"], "unknown noise of image 'gausian'; did you mean 'gaussian'"),
        (["--noise", "image=gaussian:3"], "--noise image=gaussian:3: the level must be a number from 0 to 1, not '3'"),
        (
            ["--noise", "image=gaussian:much"],
            "--noise image=gaussian:much: the level must be a number from 0 to 1, not 'much'",
        ),
        (["--noise", "gaussian"], "--noise expects MODALITY=NAME:LEVEL, as in image=gaussian:0.3, not 'gaussian'"),
        (["--drop", "text", "--shuffle", "text"], "'text' is dropped, so --shuffle has nothing of it to alter"),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*VQA, *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith(f"error: {message}")
    assert printed.err.count("\n") == 1
    assert not list(Path().rglob("*"))


def test_a_stream_cannot_be_shuffled(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before the network is asked."""
    arguments = ["eval", "--model", "image-only", "--task", "image_classification", "--dataset", "food-101", "--stream"]
    assert main([*arguments, "--shuffle", "image"]) == 2
    assert capsys.readouterr().err == (
        "error: --shuffle takes values from samples that a stream has not come to; leave out --stream\n"
    )
