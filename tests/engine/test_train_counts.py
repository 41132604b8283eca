"""Models that count: they refuse the options of gradient descent, which they would ignore."""

import dataclasses

import pytest

from mmbench.checkpoint import read_weights
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError

COUNTS = TrainOptions(limit=400, workers=0)


@pytest.mark.parametrize(
    "given",
    [
        {"epochs": 2},
        {"batch_size": 8},
        {"optimizer": "sgd"},
        {"learning_rate": 0.1},
        {"schedule": "linear"},
        {"warmup": 0.0},
        {"weight_decay": 0.0},
        {"patience": 1},
        {"augment": True},
        {"modality_dropout": 0.1},
        {"label_smoothing": 0.1},
        {"precision": "bfloat16"},
        {"log_to": ("tensorboard",)},
    ],
)
def test_model_that_counts_refuses_what_it_would_ignore(tmp_path, given):
    (name,) = given
    flag = f"--{name.replace('_', '-')}"
    options = dataclasses.replace(COUNTS, **given)
    with pytest.raises(UsageError) as caught:
        train("majority", "vqa", options=options, output=tmp_path / "model.safetensors")
    assert str(caught.value) == f"model 'majority' counts its samples once and as they are; leave out {flag}"
    assert list(tmp_path.iterdir()) == []


def test_model_that_counts_takes_what_it_heeds_and_cannot_be_resumed(tmp_path):
    options = dataclasses.replace(COUNTS, seed=3, validation=0.2, store="float16")
    trained = train("majority", "vqa", options=options, output=tmp_path / "model.safetensors")
    assert read_weights(trained.path)[0].training["options"]["store"] == "float16"
    with pytest.raises(UsageError, match="counts its samples once and as they are; leave out --resume"):
        train("majority", "vqa", options=options, output=tmp_path / "model.safetensors", resume=True)
