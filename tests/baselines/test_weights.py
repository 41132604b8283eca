"""The shipped weights: those of `results/recipes.yaml`, small, whole, and saying how they were made."""

import runpy
from pathlib import Path

import pytest
import torch
import typer

import mmbench_baselines.weights
from mmbench.checkpoint import read_weights
from mmbench.cli import app
from mmbench.engine.evaluate import evaluate
from mmbench.engine.models import load_model, model_factory, weights_path
from mmbench.engine.options import EvalOptions
from mmbench.engine.train import train
from mmbench.model import Fits, Ready
from mmbench.registry import registry
from mmbench.task import check_fit

ROOT = Path(__file__).parents[2]
FOLDER = Path(mmbench_baselines.weights.__path__[0])
JOBS = list(runpy.run_path(str(ROOT / "results" / "make.py"))["jobs"]())
SHIPPED = [job for job in JOBS if job.seed == 0 and not job.ready]
NAMES = [job.name for job in SHIPPED]
LARGEST, ALL = 2_000_000, 30_000_000
"""Bytes of a weights file, and of all together, at most."""


def models(task: str, dataset: str) -> set[str]:
    return {job.model for job in SHIPPED if (job.task, job.dataset) == (task, dataset)}


def own(kind: str) -> set[str]:
    return {name for name in registry.names(kind) if registry.entry(kind, name).origin == "mmbench"}


def is_floor(name: str) -> bool:
    """It counts, or needs no weights; or it sees one modality alone."""
    factory = model_factory(name)
    return isinstance(factory, Fits | Ready) or hasattr(factory, "fit") or name.endswith("-only")


def test_there_is_a_file_for_each_recipe_and_no_other():
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("[!.]*/[!.]*/[!.]*")}
    assert files == {f"{job.task}/{job.dataset}/{job.model}.safetensors" for job in SHIPPED}
    assert {(ROOT / job.log).relative_to(ROOT).as_posix() for job in JOBS if not job.ready} == {
        path.relative_to(ROOT).as_posix() for path in (ROOT / "results" / "training").rglob("*.json")
    }


def test_all_of_them_are_small():
    sizes = {path: path.stat().st_size for path in FOLDER.rglob("*.safetensors")}
    assert max(sizes.values()) <= LARGEST
    assert sum(sizes.values()) <= ALL


@pytest.mark.parametrize("job", SHIPPED, ids=NAMES)
def test_shipped_weights_load_and_fit_their_task(job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no weights of a local training
    loaded = load_model(job.model, job.task, job.dataset)
    assert loaded.source == f"mmbench_baselines.weights:{job.task}/{job.dataset}/{job.model}.safetensors"
    check_fit(registry.load("task", job.task).card, registry.load("dataset", job.dataset), loaded.model)
    assert all(tensor.isfinite().all() for tensor in loaded.model.state_dict().values())


@pytest.mark.parametrize("job", SHIPPED, ids=NAMES)
def test_header_says_how_to_make_them_again(job):
    """What the command of the recipe sets is what the header has; defaults that follow from the data are resolved."""
    header, _ = read_weights(weights_path(FOLDER, job.task, job.dataset, job.model))
    training = header.training
    assert (header.model, training["task"], training["dataset"]["name"]) == (job.model, job.task, job.dataset)
    command = typer.main.get_command(app).commands["train"]
    asked = command.make_context("train", job.train()[2:]).params
    for name, value in training["options"].items():
        if asked[name] is not None:
            assert value == (list(asked[name] or ()) if name == "log_to" else asked[name]), name
    assert training["options"]["epochs"] is not None
    assert 1 <= training["epoch"] <= training["options"]["epochs"]


def test_smallest_is_made_again_by_its_command(tmp_path):
    """Training is the same on the same machine and versions; elsewhere it comes as near as its interval says."""
    card = registry.load("task", "image_classification").card
    trained = train("cnn", card.name, output=tmp_path / "cnn.safetensors")
    options = EvalOptions(invariance=0, threads=1, workers=0, device="cpu")
    ours = evaluate("cnn", card.name, weights=trained.path, options=options, output=tmp_path).record.metrics
    shipped = evaluate("cnn", card.name, options=options, output=tmp_path).record.metrics
    assert ours["accuracy"].value >= shipped["accuracy"].low - 0.01
    assert trained.best.metrics["accuracy"] >= 0.97


def test_numbers_in_the_files_are_finite_in_half_precision():
    for path in FOLDER.rglob("*.safetensors"):
        _, tensors = read_weights(path)
        assert all(tensor.isfinite().all() for tensor in tensors.values() if tensor.dtype == torch.float16), path
