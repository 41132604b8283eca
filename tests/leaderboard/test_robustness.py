"""Robustness curves beside a comparison: found by place, matched to rows by weights, drawn a panel for each noise."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from mmbench.cli import main
from mmbench.leaderboard.compare import compare_runs
from mmbench.leaderboard.robustness import diagnoses_beside, robustness
from mmbench.leaderboard.stored_run import find_runs
from mmbench.record.diagnosis import DiagnosisRecord
from mmbench.record.store import Store

EXAMPLE = Path(__file__).parents[1] / "record" / "example_diagnosis.json"
NOISES = [("image", "blur"), ("image", "gaussian"), ("text", "drop")]


@pytest.fixture
def diagnose(tmp_path):
    """Store a diagnosis of a run's weights: `diagnose(run, day=1, metric="macro_f1", dataset={"n": 100})`."""

    def store(run, root="runs", *, day=0, weights=True, **changes):
        model = Store(tmp_path).load(run).model
        data = json.loads(EXAMPLE.read_text(encoding="utf-8"))
        data["dataset"] |= changes.pop("dataset", {})
        data |= {"run_id": f"diagnosis-{day}-{model.name}", **changes}
        data["model"]["name"] = model.name
        data["model"]["weights"] = model.weights.model_dump() if weights else None
        record = DiagnosisRecord.model_validate(data)
        record = record.model_copy(update={"created": record.created + timedelta(days=day)})
        return Store(tmp_path / root).save_diagnosis(record)

    return store


@pytest.fixture
def runs(stored):
    return [stored("film", [1, 1, 1, 0]), stored("concat", [1, 0, 1, 0])]


def found(runs, *folders):
    stored_runs = find_runs(runs)
    return robustness(compare_runs(stored_runs), diagnoses_beside(stored_runs, folders))


def drawn_for(panels):
    return [(panel.modality, panel.noise, panel.samples, sorted(panel.curves)) for panel in panels]


def test_a_panel_for_each_noise_with_the_rows_that_were_diagnosed(runs, diagnose):
    assert found(runs) == []
    diagnose(runs[0])
    assert drawn_for(found(runs)) == [(*noise, 200, ["film"]) for noise in NOISES]
    diagnose(runs[1])
    assert drawn_for(found(runs)) == [(*noise, 200, ["concat", "film"]) for noise in NOISES]


def test_those_in_given_folders_count_too(runs, diagnose, tmp_path):
    diagnose(runs[0], root="elsewhere")
    assert found(runs) == []
    assert len(found(runs, tmp_path / "elsewhere")) == 3
    assert len(found(runs, tmp_path)) == 3  # which holds the folders of the models too


@pytest.mark.parametrize(
    "other",
    [{"weights": False}, {"metric": "macro_f1"}, {"dataset": {"split": "val"}}, {"task": "captioning"}],
    ids=["weights", "metric", "split", "task"],
)
def test_a_diagnosis_of_something_else_is_not_drawn(runs, diagnose, other, tmp_path):
    diagnose(runs[0], **other)
    assert found(runs, tmp_path) == []


def test_the_latest_of_a_model_counts(runs, diagnose):
    diagnose(runs[0], robustness=json.loads(EXAMPLE.read_text(encoding="utf-8"))["robustness"][:1], day=2)
    diagnose(runs[0], day=1)
    assert drawn_for(found(runs)) == [("image", "gaussian", 200, ["film"])]


def test_all_curves_are_of_the_same_samples(runs, diagnose):
    diagnose(runs[0], day=3, dataset={"n": 500, "limit": 500})
    assert drawn_for(found(runs))[0][2:] == (500, ["film"])
    diagnose(runs[0], day=1)
    diagnose(runs[1], day=2)
    assert drawn_for(found(runs))[0][2:] == (200, ["concat", "film"])


def test_the_figure_of_a_comparison_has_them(runs, diagnose, tmp_path):
    diagnose(runs[0])
    path = tmp_path / "figure.svg"
    assert main(["compare", *map(str, runs), "--plot", str(path)]) == 0
    text = path.read_text(encoding="utf-8")
    for modality, noise in NOISES:
        assert f"<!-- accuracy under {noise} on {modality}, 200 samples -->" in text
    assert text.count("<!-- level of noise -->") == 3
