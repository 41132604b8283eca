"""The reference records in results/: whole, made from the shipped weights, and repeatable."""

from importlib import import_module
from pathlib import Path

import pytest

from mmbench.checkpoint import file_sha256
from mmbench.cli import main
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store
from mmbench.registry import registry

RESULTS = Path(__file__).parents[1] / "results"
REFERENCE = RESULTS / "reference"
FLOORS = ("majority", "question-prior", "image-only", "text-only")


@pytest.fixture(scope="module")
def runs() -> dict[str, tuple[Path, RunRecord]]:
    found = Store(REFERENCE).find([REFERENCE])
    by_model = {record.model.name: (path, record) for path, record in found}
    assert len(by_model) == len(found)  # one record a model
    return by_model


def accuracy(runs: dict[str, tuple[Path, RunRecord]], model: str) -> float:
    value = runs[model][1].metrics["accuracy"].value
    assert value is not None
    return value


def test_every_baseline_has_a_whole_record(runs):
    shipped = {name for name in registry.model_names() if registry_origin(name) == "mmbench"}
    assert set(runs) == shipped
    for _, record in runs.values():
        assert (record.task, record.dataset.name, record.dataset.split) == ("vqa", "easy-vqa", "test")
        assert record.dataset.limit is None
        assert record.dataset.n == record.metrics["accuracy"].n == 9673
        assert record.failures == []
        assert record.environment.git is not None
        assert not record.environment.git.dirty


def registry_origin(name: str) -> str:
    kind = "model" if name in registry.names("model") else "fusion"
    return registry.entry(kind, name).origin


def test_records_are_of_the_shipped_weights(runs):
    shipped = Path(import_module("mmbench_baselines.weights").__path__[0])
    for name, (_, record) in runs.items():
        assert record.model.weights is not None
        assert record.model.weights.sha256 == file_sha256(shipped / "vqa" / "easy-vqa" / f"{name}.safetensors")


def test_film_is_as_good_as_the_readme_says(runs):
    assert accuracy(runs, "film") >= 0.995


def test_floors_are_where_counting_puts_them(runs):
    # Counted directly from easy-VQA's own files: majority .373, per-question prior .670.
    assert accuracy(runs, "majority") == pytest.approx(0.373, abs=5e-4)
    assert accuracy(runs, "question-prior") == pytest.approx(0.670, abs=5e-4)
    assert accuracy(runs, "text-only") == pytest.approx(0.670, abs=0.01)
    # A mean of each modality's own probabilities cannot make a question choose what to look for; the others can.
    fusions = {name for name in set(runs) - set(FLOORS) if registry.load("fusion", name).level == "feature"}
    assert min(accuracy(runs, name) for name in fusions) > max(accuracy(runs, name) for name in FLOORS)


@pytest.mark.parametrize("model", ["question-prior", "film"])
def test_evaluating_again_gives_the_same_numbers(runs, model, tmp_path):
    path, reference = runs[model]
    again = evaluate(model, "vqa", options=EvalOptions(invariance=0), output=tmp_path)
    columns = ["id", "group", "target", "prediction"]
    was, now = (Store(tmp_path).load_samples(place).to_pandas() for place in (path, again.folder))
    assert was[columns[:3]].equals(now[columns[:3]])
    # Another processor may round another way: that can tip an answer on the brink, and no more.
    assert (was["prediction"] != now["prediction"]).sum() <= 2
    for name, metric in reference.metrics.items():
        repeated = again.record.metrics[name]
        assert repeated.value == pytest.approx(metric.value, abs=3e-4)
        assert (repeated.low, repeated.high) == pytest.approx((metric.low, metric.high), abs=3e-4)


def test_the_table_is_made_from_the_records(capsys):
    assert main(["leaderboard", str(REFERENCE), "--format", "markdown"]) == 0
    assert capsys.readouterr().out.strip() in (RESULTS / "README.md").read_text(encoding="utf-8")
