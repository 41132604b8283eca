"""`--model FILE.py:FACTORY`, on the command line."""

import json

import pytest

from mmbench.cli import main
from mmbench.registry import registry

FILE = """
from pathlib import Path

import torch
from torch import nn
import mmbench


class Pixels(nn.Module):
    def __init__(self, scale):
        super().__init__()
        torch.manual_seed(0)
        self.head, self.scale = nn.Linear(192, 10), scale

    def forward(self, image):
        return self.scale * self.head(image.flatten(1))


def plain(scale: float = 1.0):
    return Pixels(scale)


def from_file(weights: Path):
    return Pixels(float(weights.read_text()))


def wrapped():
    return mmbench.wrap(Pixels(1.0), task="image_classification", labels=list("0123456789"), name="mine")


def number():
    return 7


def fails():
    raise RuntimeError("no weights here")
"""
RUN = ["--task", "image_classification", "--limit", "30", "--workers", "0", "--threads", "1", "--cost", "off", "--json"]


@pytest.fixture(autouse=True)
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    (tmp_path / "my model.py").write_text(FILE, encoding="utf-8")


def record(capsys, *words):
    assert main(["eval", *words, *RUN]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_plain_module_and_a_wrapped_one_are_the_same(capsys):
    plain = record(capsys, "--model", "my model.py:plain")
    assert plain["model"]["name"] == "my model.py:plain"
    assert plain["model"]["parameters"] == 1930
    assert plain["model"]["config"]["options"] == {}
    assert len(plain["settings"]["plugins"]["my model.py"]) == 64
    mine = record(capsys, "--model", "my model.py:wrapped")
    assert mine["model"]["name"] == "mine"
    assert mine["metrics"]["accuracy"]["value"] == plain["metrics"]["accuracy"]["value"]
    assert mine["model"]["weights"]["sha256"] == plain["model"]["weights"]["sha256"]


def test_options_are_the_parameters_of_the_function(capsys):
    flat = record(capsys, "--model", "my model.py:plain", "--option", "scale=0")
    assert flat["model"]["config"]["options"] == {"scale": 0.0}
    assert flat["metrics"]["nll"]["value"] == pytest.approx(2.302585, abs=1e-5)  # ln 10: it knows nothing


def test_a_path_is_told_by_its_name(capsys, tmp_path):
    (tmp_path / "scale.txt").write_text("0", encoding="utf-8")
    found = record(capsys, "--model", "my model.py:from_file", "--option", f"weights={tmp_path / 'scale.txt'}")
    assert found["model"]["config"]["options"] == {"weights": "scale.txt"}
    assert str(tmp_path) not in json.dumps(found)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["my model.py:plan"], "unknown function of my model.py 'plan'; did you mean 'plain'?"),
        (["my model.py:fails"], "my model.py:fails fails: RuntimeError: no weights here"),
        (["my model.py:number"], "my model.py:number gave a int; expected a model, or a torch.nn.Module"),
        (["my model.py"], "expected my model.py:FACTORY, a function in that file that gives a model"),
        (["."], "the folder of that name is opened by --model hf:."),
        (["none.py:plain"], "Python file 'none.py' does not exist"),
        (
            ["my model.py:plain", "--option", "scal=2"],
            "unknown option of my model.py:plain 'scal'; did you mean 'scale'?",
        ),
        (["my model.py:plain", "--option", "scale=wide"], "my model.py:plain cannot take scale=wide"),
        (["my model.py:plain", "--weights", "w.safetensors"], "brings its own weights; leave out --weights"),
        (["cnn", "--option", "scale=2"], "model 'cnn' has no option 'scale'; models from elsewhere have: "),
        (["hff:bert"], "unknown adapter 'hff'; did you mean 'hf'?"),
    ],
)
def test_mistakes(words, message, capsys):
    assert main(["eval", "--model", *words, *RUN]) == 2
    assert message in capsys.readouterr().err


def test_a_model_from_elsewhere_is_not_trained(capsys):
    assert main(["train", "--model", "hf:bert", "--task", "vqa"]) == 2
    assert "comes from elsewhere: it can be evaluated, but not made or trained here" in capsys.readouterr().err
