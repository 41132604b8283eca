"""`mmbench trend`: series from stored records and from histories, their changes of level, figures."""

import json
import re
from datetime import timedelta
from itertools import count
from pathlib import Path

import pyarrow as pa
import pytest

from mmbench.cli import main
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store
from mmbench.stats.change_points import FEWEST

EXAMPLE = Path(__file__).parents[1] / "record" / "example_record.json"


@pytest.fixture
def records(tmp_path, monkeypatch):
    """Store a run a day of a model below `results`: `records([0.9, 0.8], model="film")`.

    `machine` is what its environment has otherwise, and what else is given its settings.
    """
    monkeypatch.chdir(tmp_path)
    numbers = count()

    def store(values, model="film", machine=None, **settings):
        example = RunRecord.model_validate_json(EXAMPLE.read_text(encoding="utf-8"))
        for day, value in enumerate(values):
            metric = example.metrics["accuracy"].model_copy(update={"value": value})
            git = example.environment.git.model_copy(update={"commit": f"{day:040x}", "dirty": False})
            record = example.model_copy(
                update={
                    "run_id": f"run-{next(numbers)}",
                    "created": example.created + timedelta(days=day),
                    "metrics": example.metrics | {"accuracy": metric},
                    "model": example.model.model_copy(update={"name": model}),
                    "environment": example.environment.model_copy(update={"git": git, **(machine or {})}),
                    "settings": example.settings | settings,
                }
            )
            Store(Path("results")).save(record, pa.table({"id": ["q1"]}))

    return store


@pytest.fixture
def history(tmp_path, monkeypatch):
    """Write a history of a throughput that falls after twelve commits."""
    monkeypatch.chdir(tmp_path)
    rows = [
        f"2026-11-{day:02}T00:00:00+00:00,{day:040x},film on vqa,{1000 - 80 * (day > 12) + day % 3},nan"
        for day in range(1, 25)
    ]
    path = Path("history.csv")
    path.write_text("\n".join(["time,commit,workload,throughput,latency", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_change_of_level_in_a_history(history, capsys):
    assert main(["trend", str(history), "--json"]) == 0
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert (series["workload"], series["metric"], series["unit"]) == ("film on vqa", "throughput", "samples/s")
    (change,) = series["changes"]
    assert (change["index"], change["before"], change["after"]) == (12, 1001.0, 921.0)
    assert main(["trend", str(history)]) == 0
    shown = capsys.readouterr().out
    assert "throughput: 1,001.0 samples/s to 921.0 samples/s (-8.0%) at 0000000000, 2026-11-13 (p = 0.001)" in shown
    assert "24   1,001.0 samples/s   920.0 samples/s" in shown


def test_of_too_few_points_no_change_can_be_told(records, capsys):
    records([0.9, 0.5])
    assert main(["trend", "--metric", "accuracy"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"accuracy +2 +0\.9000 +0\.5000 +– ", shown)
    assert f"–: a change of level shows from {2 * FEWEST} points on" in shown


def test_series_of_records_by_workload(records, capsys):
    records([0.9] * 3)
    records([0.5, 0.6], model="sum")
    assert main(["trend", "--json"]) == 0
    found = {(series["workload"], series["metric"]): series for series in json.loads(capsys.readouterr().out)["series"]}
    film = found["film on vqa (easy-vqa 1.0, test; float32, batch 64; Example CPU)", "accuracy"]
    assert [point["value"] for point in film["points"]] == [0.9] * 3
    assert [point["label"] for point in film["points"]] == ["0" * 10] * 3
    assert len(found["sum on vqa (easy-vqa 1.0, test; float32, batch 64; Example CPU)", "memory"]["points"]) == 2
    assert main(["trend", "--model", "sum", "--metric", "accuracy", "--json"]) == 0
    (series,) = json.loads(capsys.readouterr().out)["series"]
    assert [point["value"] for point in series["points"]] == [0.5, 0.6]


def test_runs_on_other_machines_are_other_series(records, capsys):
    host = {"cpu": "Host CPU", "accelerators": ["Small GPU", "Large GPU"]}
    records([0.9])
    records([0.8], machine={"cpu": "Other CPU"})
    for value, device in ((0.7, "cpu"), (0.6, "cuda"), (0.5, "cuda:1")):
        records([value], machine=host, device=device)
    assert main(["trend", "--metric", "accuracy", "--json"]) == 0
    found = {
        series["workload"].rpartition("; ")[2]: [point["value"] for point in series["points"]]
        for series in json.loads(capsys.readouterr().out)["series"]
    }
    assert found == {
        "Example CPU)": [0.9],
        "Other CPU)": [0.8],
        "Host CPU)": [0.7],
        "Small GPU)": [0.6],
        "Large GPU)": [0.5],
    }


@pytest.mark.parametrize("name", ["trend.svg", "trend.png"])
def test_figure(history, name, capsys):
    assert main(["trend", str(history), "--plot", name]) == 0
    first = Path(name).read_bytes()
    assert main(["trend", str(history), "--plot", name]) == 0
    assert Path(name).read_bytes() == first
    if name.endswith("svg"):
        text = first.decode()
        for shown in ("throughput samples/s", "film on vqa"):
            assert f"<!-- {shown} -->" in text


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metric", "througput"], "unknown metric here: 'througput'; did you mean 'throughput'?"),
        (["nowhere"], "nowhere does not exist; expected a folder of runs or a record.json"),
        (["none.csv"], "cannot read none.csv: No such file or directory"),
        (
            ["--model", "film"],
            "a history is taken whole: only records can be chosen by task, data set, split or model",
        ),
    ],
)
def test_mistakes_are_refused(history, capsys, words, message):
    assert main(["trend", str(history), *words]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_nothing_to_show_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["trend", "empty"]) == 2
    assert "there are no measurements: give folders of runs, or a history of" in capsys.readouterr().err
