"""`mmbench list`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmbench.cli import main
from mmbench.registry import registry


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    """A plugin file with a metric, and with a data set that is none."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from mmbench import register\n"
        "@register('metric', 'test-mine')\nclass Mine:\n    '''My [bold] metric.'''\n"
        "register('dataset', 'test-wrong')(3)\n"
    )
    yield file
    registry.unregister("metric", "test-mine")
    registry.unregister("dataset", "test-wrong")


def listed(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    assert main(["list", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_json_has_every_kind_and_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys)
    for kind in ("task", "model", "fusion", "encoder", "dataset", "metric"):
        assert [entry["name"] for entry in found[f"{kind}s"]] == registry.names(kind)  # type: ignore[arg-type]
    assert {"name": "accuracy", "origin": "mmbench"}.items() <= found["metrics"][0].items()


def test_everything_installed_has_a_summary(capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys)
    del found["model_names"]
    for entries in found.values():
        assert entries
        for entry in entries:
            assert entry["summary"], entry
            assert not entry["summary"].startswith("("), entry


@pytest.mark.parametrize("word", ["dataset", "datasets", "DATASETS"])
def test_kind_in_singular_and_plural(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = listed(capsys, word)
    assert list(found) == ["datasets"]
    (card,) = (entry for entry in found["datasets"] if entry["name"] == "easy-vqa")
    assert "test 9,673" in card["summary"]


def test_fusions_are_models_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(listed(capsys, "models")["model_names"]) == {*registry.names("model"), *registry.names("fusion")}
    main(["list", "models"])
    text = capsys.readouterr().out
    (line,) = (line for line in text.splitlines() if "Every fusion is a model too" in line)
    for name in registry.names("fusion"):
        assert name in line


def test_table_shows_each_entry_on_one_line_and_the_next_steps(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name in registry.names("metric"):
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert registry.entry("metric", name).summary in line
    assert "mmbench show " in lines[-1]
    model, task = lines[-1].split("--model ")[1].split(" --task ")
    assert model in {*registry.names("model"), *registry.names("fusion")}
    assert task.strip() in registry.names("task")


def test_plugin_is_listed_with_its_file_and_a_broken_thing_hides_nothing(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = listed(capsys, "--plugin", str(plugin))
    assert {"name": "test-mine", "summary": "My [bold] metric.", "origin": str(plugin)} in found["metrics"]
    summaries = {entry["name"]: entry["summary"] for entry in found["datasets"]}
    assert summaries["test-wrong"] == "(is a int, not a DatasetCard)"
    assert "easy-VQA" in summaries["easy-vqa"]
    assert main(["list", "metrics"]) == 0
    assert "My [bold] metric." in capsys.readouterr().out
