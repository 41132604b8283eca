"""What is refused of a model: weights that are pickled, incomplete or damaged, and code that nobody trusts."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.usefixtures("no_gradients")


def test_pickled_weights_are_refused(refused, copied):
    folder = copied("vit")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    assert "they are pickled, and a pickle can run code" in refused(folder, "image_classification")
    (folder / "pytorch_model.bin").unlink()
    assert "there is no model.safetensors and no model.safetensors.index.json" in refused(
        folder, "image_classification"
    )


def test_incomplete_weights_are_refused(refused, copied):
    folder = copied("vit")
    tensors = load_file(folder / "model.safetensors")
    del tensors["classifier.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    message = refused(folder, "image_classification")
    assert "its weights lack 1 of the tensors of a ViTForImageClassification, classifier.weight for one" in message


def test_damaged_weights_are_refused(refused, copied):
    folder = copied("vit")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "cannot load its weights (safetensors)" in refused(folder, "image_classification")


CODE = """
from pathlib import Path

from transformers import ViTConfig, ViTForImageClassification

Path({marker!r}).touch()


class OwnConfig(ViTConfig):
    model_type = "own"


class OwnModel(ViTForImageClassification):
    config_class = OwnConfig
"""


@pytest.fixture
def remote(copied, tmp_path):
    """A model that brings code of its own, and the file that is there once it has run."""
    folder, marker = copied("vit"), tmp_path / "was run"
    path = folder / "config.json"
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForImageClassification": "own.OwnModel"}
    config = json.loads(path.read_text()) | {"model_type": "own", "auto_map": own, "architectures": ["OwnModel"]}
    path.write_text(json.dumps(config))
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    return folder, marker


def test_remote_code_is_not_run(refused, remote):
    folder, marker = remote
    message = refused(folder, "image_classification")
    assert message.endswith(
        "brings code of its own, which is not run: look at it, and give --trust-remote-code if you trust it"
    )
    assert not marker.exists()


def test_remote_code_that_is_trusted_is_run_and_recorded(opened, remote, seen):
    folder, marker = remote
    loaded = opened(folder, "image_classification", None, "trust_remote_code=true")
    assert marker.exists()
    assert loaded.config["trust_remote_code"] is True
    assert loaded.config["architecture"] == "OwnModel"
    same = opened("vit", "image_classification").model
    batch = same.collate(seen)
    assert torch.equal(loaded.model.classify(batch), same.classify(batch))


def test_code_beside_a_model_that_the_library_knows_is_not_run(opened, copied, tmp_path):
    folder, marker = copied("vit"), tmp_path / "was run"
    path = folder / "config.json"
    own = {"AutoConfig": "own.OwnConfig", "AutoModelForImageClassification": "own.OwnModel"}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_map": own}))
    (folder / "own.py").write_text(CODE.format(marker=str(marker)))
    assert opened(folder, "image_classification").config["architecture"] == "ViTForImageClassification"
    assert not marker.exists()
