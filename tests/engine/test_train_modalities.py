"""Which of the task's modalities a model reads, and in which order."""

import pytest

from mmbench.engine.models import load_model
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError
from mmbench.model import BuildOptions

FEW = TrainOptions(limit=60, workers=0)


@pytest.mark.parametrize("modalities", [("image", "text"), ("text", "image")])
def test_chosen_modalities_are_read_in_their_order(tmp_path, modalities):
    options = TrainOptions(limit=60, workers=0, epochs=1)
    build = BuildOptions(modalities=modalities)
    trained = train("film", "vqa", build=build, options=options, output=tmp_path / "film.safetensors")
    loaded = load_model("film", "vqa", "easy-vqa", trained.path)
    assert loaded.model.modalities == loaded.model.fusion.modalities == modalities
    assert loaded.training["modalities"] == list(modalities)


def test_some_modalities_may_be_left_out(tmp_path, tiny):
    options = TrainOptions(limit=60, workers=0, epochs=1)
    build = BuildOptions(modalities=("text",))
    trained = train("concat", tiny, build=build, options=options, output=tmp_path / "concat.safetensors")
    assert list(trained.config["encoders"]) == ["text"]


@pytest.mark.parametrize(
    ("model", "modalities", "message"),
    [
        ("text-only", ("text",), "model 'text-only' takes no --modality: what it reads is fixed"),
        ("majority", ("text",), "model 'majority' takes no --modality: what it reads is fixed"),
        ("concat", ("audio",), "unknown modality of vqa/easy-vqa 'audio'; known: image, text"),
    ],
)
def test_modalities_that_cannot_be_chosen_are_refused(tmp_path, model, modalities, message):
    build = BuildOptions(modalities=modalities)
    with pytest.raises(UsageError) as caught:
        train(model, "vqa", build=build, options=FEW, output=tmp_path / "model.safetensors")
    assert str(caught.value) == message
