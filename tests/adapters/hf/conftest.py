"""Models of the transformers library from folders, without a network."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.engine.open_model import open_model
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.errors import UsageError
from mmbench.sample import Sample

from .tiny import KINDS

QUESTIONS = ["is there a red circle ?", "what shape is in the image ?", "a blue square", "is the circle small or big ?"]


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """As HF_HUB_OFFLINE=1, which the library reads when it is imported."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Folder by kind of model, made when it is first asked for."""
    root = tmp_path_factory.mktemp("saved")

    def folder(kind):
        path = root / kind
        if not path.is_dir():
            path.mkdir()
            torch.manual_seed(1)
            KINDS[kind](path)
        return path

    return folder


@pytest.fixture
def copied(saved, tmp_path):
    """A folder of the test's own, by kind of model."""
    return lambda kind: shutil.copytree(saved(kind), tmp_path / kind)


@pytest.fixture
def opened(saved):
    """What the adapter makes of a kind of model, or of a folder, for a task."""

    def load(kind, task, dataset=None, *settings, dtype="float32"):
        source = kind if not isinstance(kind, str) or ":" in kind else saved(kind)
        name = source if isinstance(source, str) else f"hf:{source}"
        found = resolve_task(task)
        return open_model(name, found, resolve_dataset(found, dataset), settings=settings, dtype=dtype)

    return load


@pytest.fixture
def refused(opened):
    """What a user is told, in one line, where that cannot be opened."""

    def told(*args, **kwargs):
        with pytest.raises(UsageError) as caught:
            opened(*args, **kwargs)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return told


@pytest.fixture(scope="session")
def images():
    """Four of unequal sizes."""
    generator = np.random.default_rng(0)
    shapes = ((32, 32, 3), (50, 40, 3), (24, 60, 3), (40, 40, 3))
    return [Image.fromarray(generator.integers(0, 256, shape, dtype=np.uint8)) for shape in shapes]


@pytest.fixture(scope="session")
def seen(images):
    """Samples with an image alone."""
    return [Sample(str(number), {"image": image}) for number, image in enumerate(images)]


@pytest.fixture(scope="session")
def asked(images):
    """Samples with an image and a question, some of which is longer than others."""
    pairs = zip(images, QUESTIONS, strict=True)
    return [Sample(str(number), {"image": image, "text": text}) for number, (image, text) in enumerate(pairs)]


@pytest.fixture
def no_gradients():
    """As in an evaluation."""
    with torch.inference_mode():
        yield
