"""`mmbench show` of what models are put together from: encoders, and the options that a model takes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmbench.cli import main
from mmbench.registry import registry

PLUGIN = """
import torch
from mmbench import Encoder, register

class Base(Encoder):
    modality = "depth"

    def prepare(self, values):
        raise NotImplementedError

    def forward(self, inputs, mask):
        raise NotImplementedError

@register("encoder", "test-scaled")
class Scaled(Base):
    '''Needs values to learn its scale from.'''

    def __init__(self, width, scale: float = 1.0):
        super().__init__(width)
        self.layer = torch.nn.Linear(3, width)

    @classmethod
    def learn_options(cls, values):
        return {"scale": max(values)}

@register("encoder", "test-sized")
class Sized(Base):
    '''Has a size that the user must say.'''

    def __init__(self, width, size: int):
        super().__init__(width)
        self.layer = torch.nn.Linear(size, width)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[str]:
    file = tmp_path / "mine.py"
    file.write_text(PLUGIN)
    yield str(file)
    registry.unregister("encoder", "test-scaled")
    registry.unregister("encoder", "test-sized")


def shown(capsys: pytest.CaptureFixture[str], kind: str, name: str, *arguments: str) -> Any:
    assert main(["show", name, "--kind", kind, "--json", *arguments]) == 0
    (fields,) = json.loads(capsys.readouterr().out)
    return fields


def test_default_encoder_is_named_by_its_own_name(capsys: pytest.CaptureFixture[str]) -> None:
    default, own = shown(capsys, "encoder", "image"), shown(capsys, "encoder", "cnn")
    assert default["as_option"] == own["as_option"] == "--encoder image=cnn"
    assert default["parameters"] == own["parameters"]


def test_encoder_shows_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    """Bag of words: 64 numbers for each word, for the unknown one and for padding."""
    fields = shown(capsys, "encoder", "embedding")
    assert fields["options"]["vocabulary"] == "from the training samples"
    assert fields["parameters"] == {"count": 2 * 64, "width": 64, "without": ["vocabulary"]}
    assert "without" not in shown(capsys, "encoder", "vit")["parameters"]


@pytest.mark.parametrize("modality", ["image", "text", "audio"])
def test_encoder_of_an_argument_has_no_size_of_its_own(modality: str, capsys: pytest.CaptureFixture[str]) -> None:
    fields = shown(capsys, "encoder", f"hf-{modality}")
    assert fields["as_option"] == f"--encoder {modality}=hf-{modality}:ARGUMENT"
    assert "parameters" not in fields


def test_encoder_that_cannot_be_built_without_samples_or_options(
    plugin: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scaled = shown(capsys, "encoder", "test-scaled", "--plugin", plugin)
    assert scaled["parameters"] == {"count": 4 * 64, "width": 64}
    sized = shown(capsys, "encoder", "test-sized", "--plugin", plugin)
    assert sized["options"] == {"size": "required"}
    assert "parameters" not in sized


@pytest.mark.parametrize(
    ("model", "taken"),
    [
        ("image-only", ["--encoder", "--freeze", "--budget equal-width", "--budget equal-params", "--representation"]),
        ("dual-encoder", ["--encoder", "--freeze", "--budget equal-width"]),
        ("majority", None),
    ],
)
def test_model_shows_how_it_can_be_built(
    model: str, taken: list[str] | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert shown(capsys, "model", model).get("takes") == taken
