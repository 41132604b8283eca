"""`mmbench show`: registered things and runs."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mmbench.cli import main
from mmbench.record.schema import RunRecord
from mmbench.registry import KINDS, registry


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """A metric with the name of a fusion, and a metric that is none."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from mmbench import register\n"
        "from mmbench.metrics.accuracy import Accuracy\n"
        "@register('metric', 'sum')\nclass Mine(Accuracy):\n    '''Sum of [all].'''\n    higher_is_better = False\n"
        "@register('metric', 'test-wrong')\nclass Wrong: pass\n"
    )
    yield file
    registry.unregister("metric", "sum")
    registry.unregister("metric", "test-wrong")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The folder of a run."""
    metric = {"level": 0.95, "n": 40, "method": "wilson", "higher_is_better": True}
    record = {
        "run_id": "20260102T030405Z-abcdef",
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "task": "vqa",
        "main_metric": "accuracy",
        "dataset": {"name": "some-set", "revision": "1", "split": "test", "n": 41, "limit": None},
        "model": {"name": "some [model]", "config": {"width": 8}, "parameters": 12345, "weights": None},
        "metrics": {
            "accuracy": {**metric, "value": 0.75, "low": 0.6, "high": 0.875},
            "macro_f1": {**metric, "value": None, "low": None, "high": None},
        },
        "breakdowns": {"kind": {"easy": {"accuracy": {**metric, "value": 1.0, "low": 0.9, "high": 1.0}}}},
        "cost": {
            "throughput": {"samples_per_s": 100.0, "batch_s": [0.1] * 50},
            "latency": None,
            "stages": None,
            "memory": {"peak_bytes": 1000, "method": "rss"},
            "load_s": 1.0,
            "wall_s": 2.0,
        },
        "failures": [{"id": "q7", "stage": "decode", "reason": "truncated image"}],
        "environment": {
            "versions": {"mmbench": "0.1.0"},
            "os": "Linux",
            "cpu": "some cpu",
            "logical_cores": 2,
            "memory_bytes": None,
            "accelerators": [],
            "git": None,
            "threads": 1,
        },
        "settings": {"batch_size": 8},
    }
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "record.json").write_text(RunRecord.model_validate(record).to_json(), encoding="utf-8")
    return folder


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["show", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in KINDS if kind != "weights" for name in registry.names(kind)]
)
def test_everything_installed_can_be_shown(kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    (fields,) = shown(capsys, name, "--kind", kind)
    assert {"kind": kind, "name": name, "origin": "mmbench"}.items() <= fields.items()
    assert fields["title" if kind == "dataset" else "documentation"]
    assert main(["show", name, "--kind", kind]) == 0
    assert capsys.readouterr().out.startswith(f"{kind} {name}\n")


def test_task_shows_its_card(capsys: pytest.CaptureFixture[str]) -> None:
    (fields,) = shown(capsys, "vqa")
    assert fields["modalities"] == ["image", "text"]
    assert fields["metrics"][0] == "vqa_accuracy"
    assert fields["datasets"][0] == "easy-vqa"


def test_dataset_shows_splits_licence_and_citation(capsys: pytest.CaptureFixture[str]) -> None:
    main(["show", "easy-vqa"])
    text = " ".join(capsys.readouterr().out.split())
    for part in ("splits.train 38,575", "splits.test 9,673", "licence MIT", "citation Victor Zhou"):
        assert part in text


def test_metric_shows_its_direction(capsys: pytest.CaptureFixture[str]) -> None:
    (fields,) = shown(capsys, "accuracy")
    assert fields["direction"] == "higher is better"
    assert fields["columns"] == ["correct"]


def test_fusion_shows_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    """Concat is one layer [2 * 64 -> 64]: its size by hand."""
    (fields,) = shown(capsys, "concat")
    assert fields["parameters"] == {"count": 2 * 64 * 64 + 64, "modalities": 2, "width": 64}
    assert fields["level"] == "feature"
    assert fields["as_model"] == "--model concat"


def test_name_in_two_kinds_shows_both(plugin: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = shown(capsys, "sum", "--plugin", str(plugin))
    assert [fields["kind"] for fields in both] == ["fusion", "metric"]
    assert both[1]["direction"] == "lower is better"
    (one,) = shown(capsys, "sum", "--kind", "metrics")
    assert one["kind"] == "metric"
    main(["show", "sum"])
    text = capsys.readouterr().out
    assert "fusion sum\n" in text
    assert "Sum of [all]." in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["acuracy"], "error: unknown name 'acuracy'; did you mean 'accuracy'"),
        (["accuracy", "--kind", "task"], "error: unknown task 'accuracy'; known: asr"),
        (["accuracy", "--kind", "metirc"], "error: unknown kind 'metirc'; did you mean 'metrics'"),
        (["test-wrong"], "error: metric 'test-wrong' of "),
    ],
)
def test_what_cannot_be_shown_is_one_line(
    arguments: list[str], message: str, plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", *arguments, "--plugin", str(plugin)]) == 2
    output = capsys.readouterr()
    assert output.err.startswith(message)
    assert output.err.count("\n") == 1
    assert output.out == ""


def test_run_is_shown_from_its_folder_or_its_record(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (run, run / "record.json"):
        assert main(["show", str(path)]) == 0
        lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
        for line in (
            "run_id 20260102T030405Z-abcdef",
            "accuracy 0.7500 0.6000 – 0.8750 40 wilson",
            "macro_f1 – – 40 wilson",
            "easy 1.0000 0.9000 – 1.0000 40 wilson",
            "model.name some [model]",
            "model.parameters 12,345",
            "q7: decode: truncated image",
            "cost.throughput.batch_s (50 values; --json has them)",
        ):
            assert line in lines


def test_run_is_shown_with_all_that_its_cost_passes_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[1] / "record" / "example_record.json"
    (tmp_path / "record.json").write_bytes(example.read_bytes())
    assert main(["show", str(tmp_path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    for beginning in (
        "model alone 1,280 samples/s",
        "work at least",
        "machine 50.0 GFLOP/s",
        "scenario server",
        "knee",
    ):
        assert sum(line.startswith(beginning) for line in lines) == 1, beginning
    assert not any(line.startswith(("cost.latency", "cost.stages")) for line in lines)  # told already
    assert "cost.load_s 0.4" in lines


def test_run_as_json_is_its_record(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, str(run)) == json.loads((run / "record.json").read_text(encoding="utf-8"))


def test_file_that_is_no_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert main(["show", str(tmp_path / "notes.txt")]) == 2
    assert "is not JSON" in capsys.readouterr().err
