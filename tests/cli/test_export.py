"""`mmbench export`: the same answers from another engine, through the command line."""

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from mmbench.adapter import Opening
from mmbench.adapters.onnx.open import open_onnx
from mmbench.cli import main
from mmbench.engine.models import load_model
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.registry import registry

for package in ("onnx", "onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="the extra `onnx` is not installed")

EXPORT = ["export", "--model", "film", "--task", "vqa", "--format", "onnx"]
EVAL = ["eval", "--task", "vqa", "--limit", "300", "--workers", "0", "--threads", "1", "--device", "cpu"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an empty folder, with no plugin file; PyTorch's threads are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The file of the film model, and what the verb printed."""
    path = tmp_path_factory.mktemp("exported") / "film.onnx"
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main([*EXPORT, "--output", str(path)]) == 0
    return path, printed.getvalue()


def evaluated(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict, dict[str, list]]:
    """The record, and the columns of its samples."""
    assert main([*EVAL, *arguments, "--keep-scores", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    (folder,) = [path.parent for path in Path("results").rglob(f"{record['run_id']}/record.json")]
    return record, pq.read_table(folder / "samples.parquet").to_pydict()


def test_film_answers_the_same_rows_the_same_way(
    exported: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    original, rows = evaluated(capsys, "--model", "film", "--cost", "off")
    record, found = evaluated(capsys, "--model", f"onnx:{exported[0]}", "--cost", "off")
    assert found["id"] == rows["id"]
    assert found["prediction"] == rows["prediction"]
    np.testing.assert_allclose(found["scores"], rows["scores"], rtol=0, atol=1e-4)  # log-probabilities
    assert record["metrics"]["accuracy"] == original["metrics"]["accuracy"]
    assert record["model"]["name"] == "onnx:film.onnx"
    config = record["model"]["config"]
    assert {**config["config"], "training": config["training"]} == original["model"]["config"]
    assert str(exported[0].parent) not in json.dumps(record["model"])


def test_film_gives_the_logits_of_the_original_for_any_size_and_length(exported: tuple[Path, str]) -> None:
    task = resolve_task("vqa")
    card = resolve_dataset(task, None)
    split = task.load(card, card.default_split)
    samples = [split[index] for index in range(0, len(split), len(split) // 200)]
    samples += [replace(samples[0], inputs={"text": "circle"}), replace(samples[0], inputs={})]
    original = load_model("film", "vqa", card.name).model.eval()
    opening = Opening("onnx:film.onnx", str(exported[0]), task.card, card, lambda: card.labels)
    model = open_onnx(opening).model
    assert (model.labels, model.modalities) == (original.labels, original.modalities)
    for part in (samples, samples[:1], samples[-2:-1], samples[-1:], samples[5:12]):
        with torch.inference_mode():
            expected = original.classify(original.collate(part))
        found = model.classify(model.collate(part))
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
        assert found.argmax(dim=1).tolist() == expected.argmax(dim=1).tolist()


def test_what_is_printed_leads_to_the_next_command(
    exported: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path, printed = exported
    first, inputs, compared, following = printed.splitlines()
    assert first.startswith(f"exported: {path} (44")
    assert first.endswith(", float32, 106,173 parameters)")
    assert inputs == (
        "inputs:   inputs.image uint8 [batch, 3, 64, 64], inputs.text int64 [batch, text_length], "
        "mask.image bool [batch], mask.text bool [batch, text_length]"
    )
    assert compared.startswith("compared: 64 samples: logits differ from the model's by at most ")
    assert compared.endswith(", 64 of 64 predictions are the same")
    assert following == f"next: mmbench eval --model onnx:{path} --task vqa"
    assert main([*following.split()[2:], *EVAL[3:]]) == 0
    assert "onnx:film.onnx" in capsys.readouterr().out


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--output", "new/folder/cnn.onnx", "--quantize", "int8", "--samples", "10", "--json"]
    assert main(["export", "--model", "cnn", "--task", "image_classification", *arguments]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    told = json.loads(printed.out)
    assert told["file"] == "new/folder/cnn.onnx"
    assert told["bytes"] == Path("new/folder/cnn.onnx").stat().st_size
    assert (told["precision"], told["ability"]) == ("int8", "classify")
    compared = told["compared"]
    assert (compared["samples"], compared["same"]) == (10, 10)
    assert 0 < compared["difference"] < 0.1 * compared["largest"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["export", "--model", "flim", "--task", "vqa", "--output", "x.onnx"],
            "unknown model 'flim'; did you mean 'film'",
        ),
        ([*EXPORT, "--output", "."], "--output must name a file, and . is a folder"),
        ([*EXPORT, "--output", "x.onnx", "--dtype", "bfloat16"], "Invalid value for '--dtype': "),
        ([*EXPORT, "--output", "file/new/film.onnx"], "cannot write file/new/film.onnx: file is a file, not a folder"),
        ([*EVAL, "--model", "onnx:missing.onnx"], "ONNX file 'missing.onnx' does not exist"),
    ],
)
def test_wrong_usage_is_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("file").write_text("", encoding="utf-8")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {message}")
    assert error.count("\n") == 1
    assert not Path("x.onnx").exists()


def test_file_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    name = "q" * 250 + ".onnx"  # as long as a file's name may be, and the temporary file has a longer one
    assert main(["export", "--model", "question-prior", "--task", "vqa", "--output", name]) == 4
    assert capsys.readouterr().err == f"error: cannot write {name}: File name too long\n"
    assert list(Path().iterdir()) == []
