"""The shipped weights: one file a baseline, small, whole, and saying how it was made."""

import dataclasses
from pathlib import Path

import mmbench_baselines.weights
import pytest
import torch
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

from mmbench.checkpoint import read_weights
from mmbench.engine.models import load_model, weights_path
from mmbench.engine.options import TrainOptions
from mmbench.registry import registry
from mmbench.task import check_fit

FOLDER = Path(mmbench_baselines.weights.__path__[0])
BASELINES = (
    "concat",
    "sum",
    "weighted",
    "attention",
    "hadamard",
    "film",
    "gated",
    "cross-attention",
    "decision-mean",
    "decision-weighted",
    "majority",
    "question-prior",
    "image-only",
    "text-only",
)
LARGEST = 10**6
"""Bytes of a weights file, at most."""


def test_list_is_what_the_package_registers():
    own = {name for kind in ("fusion", "model") for name in registry.names(kind)}
    assert own == set(BASELINES)


def test_there_is_a_file_for_each_and_no_other():
    shipped = {path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("[!.]*/[!.]*/[!.]*.safetensors")}
    assert shipped == {f"vqa/easy-vqa/{name}.safetensors" for name in BASELINES}


@pytest.mark.parametrize("name", BASELINES)
def test_shipped_weights(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no weights of a local training
    path = weights_path(FOLDER, "vqa", "easy-vqa", name)
    assert path.stat().st_size <= LARGEST
    loaded = load_model(name, "vqa", "easy-vqa")
    assert loaded.source == f"mmbench_baselines.weights:vqa/easy-vqa/{name}.safetensors"
    check_fit(VQA.card, easy_vqa, loaded.model)
    assert all(torch.isfinite(tensor).all() for tensor in loaded.model.state_dict().values())
    assert len(loaded.model.labels) == 13


@pytest.mark.parametrize("name", BASELINES)
def test_header_says_how_to_make_them_again(name):
    """By the protocol's defaults, all under one seed, with the best epoch picked on validation."""
    header, _ = read_weights(weights_path(FOLDER, "vqa", "easy-vqa", name))
    assert header.model == name
    training = header.training
    assert training["task"] == "vqa"
    assert training["dataset"] == {"name": "easy-vqa", "revision": "1.0", "split": "train"}
    assert training["options"] == dataclasses.asdict(TrainOptions())
    assert sum(training["samples"].values()) == 38_575
    assert 1 <= training["epoch"] <= TrainOptions().epochs
    assert set(training["validation"]) == set(VQA.card.metrics_on(easy_vqa))
