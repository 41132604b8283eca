"""The shipped weights: those of `results/recipes.yaml`, small, whole, and saying how they were made."""

import json
import runpy
from pathlib import Path

import pytest
import torch
import typer

import mmbench_baselines.weights
from mmbench.checkpoint import file_sha256, read_weights
from mmbench.cli import app, main
from mmbench.encoder import parse_encoders
from mmbench.engine.evaluate import evaluate
from mmbench.engine.models import load_model, model_factory, weights_path
from mmbench.engine.options import EvalOptions
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


@pytest.mark.parametrize(("task", "dataset"), [("vqa", "easy-vqa"), ("multimodal_classification", "trimodal-digits")])
def test_every_fusion_and_each_modality_alone_ship(task, dataset):
    card = registry.load("task", task).card
    alone = {f"{modality}-only" for modality in card.modalities_of(registry.load("dataset", dataset))}
    assert own("fusion") | alone | {"majority"} <= models(task, dataset)


@pytest.mark.parametrize("task", sorted(own("task")))
def test_every_task_has_a_trained_model_and_a_floor_on_its_default_data(task):
    default = registry.load("task", task).card.default_dataset
    names = [job.model for job in JOBS if (job.task, job.dataset) == (task, default)]
    assert any(not is_floor(name) for name in names)
    assert any(is_floor(name) for name in names)


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
    check_build(asked, header)


def check_build(asked, header):
    """The encoders, the width and the options that the command names are those of the stored model."""
    for modality, spec in parse_encoders(asked["encoder"] or ()).items():
        if spec.startswith("from:"):
            assert header.training["encoders_from"][modality] == file_sha256(ROOT / spec.removeprefix("from:"))
            continue
        name, *settings = spec.split(",")
        stored = header.config["encoders"][modality]
        assert stored["name"] == name
        assert set(settings) <= {f"{option}={json.dumps(value)}" for option, value in stored["options"].items()}
    kind, _, amount = (asked["budget"] or "").partition("=")
    assert kind in {"", "equal-width"}  # that of equal parameters is held where it is solved
    assert not amount or header.config["width"] == int(amount)
    settings = {f"{option}={json.dumps(value)}" for option, value in header.config.get("options", {}).items()}
    assert set(asked["option"] or ()) <= settings


def test_smallest_is_made_again_by_its_command(tmp_path, monkeypatch, capsys):
    """Training is the same on the same machine and versions; elsewhere it comes as near as its interval says."""
    monkeypatch.chdir(tmp_path)
    (job,) = (job for job in SHIPPED if (job.task, job.model) == ("image_classification", "cnn"))
    assert main(job.train()[1:]) == 0
    trained = json.loads(capsys.readouterr().out)
    options = EvalOptions(invariance=0, threads=1, workers=0, device="cpu")
    ours = evaluate("cnn", job.task, weights=job.weights, options=options, output=tmp_path).record.metrics
    shipped = evaluate("cnn", job.task, options=options, output=tmp_path).record.metrics
    assert ours["accuracy"].value >= shipped["accuracy"].low - 0.01
    assert trained["best"]["metrics"]["accuracy"] >= 0.97


def test_numbers_in_the_files_are_finite_in_half_precision():
    for path in FOLDER.rglob("*.safetensors"):
        _, tensors = read_weights(path)
        assert all(tensor.isfinite().all() for tensor in tensors.values() if tensor.dtype == torch.float16), path
