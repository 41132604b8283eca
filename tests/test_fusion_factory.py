"""New fusion models: sized for the samples, built as the user asks, and several around the same encoders."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.errors import UsageError
from mmbench.fusion_factory import FusionFactory
from mmbench.model import BuildOptions, Configurable, Shares
from mmbench.sample import Sample

RNG = np.random.default_rng(0)
BOTH = ("image", "text")


def picture():
    return Image.fromarray(RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8))


QUESTIONS = [
    Sample("a", {"image": picture(), "text": "is it red?"}, "yes"),
    Sample("b", {"image": picture(), "text": "a blue circle?"}, "no"),
]
NEWS = [Sample("c", {"text": "a green zebra!"}, "animals"), Sample("d", {"text": "is it raining?"}, "weather")]
PICTURES = [Sample("e", {"image": picture()}, "cat"), Sample("f", {"image": picture()}, "dog")]
TASKS = [(BOTH, QUESTIONS), (("image",), PICTURES), (("text",), NEWS)]


def together(tasks=TASKS, fusion="concat", **build):
    torch.manual_seed(0)
    return FusionFactory(fusion, build=BuildOptions(**build)).create_together("mine", tasks)


def test_factory_takes_the_users_choices():
    factory = FusionFactory("concat", ("text", "image"))
    assert isinstance(factory, Configurable)
    assert isinstance(factory, Shares)
    build = BuildOptions({"text": "lstm"}, freeze=("text",), width=12, representation="joint")
    model = factory.configured(build).create("mine", BOTH, QUESTIONS)
    assert model.modalities == ("text", "image")
    assert (model.config.width, model.config.representation, model.config.frozen) == (12, "joint", ["text"])
    assert model.config.encoders["text"].name == "lstm"
    assert factory.create("mine", BOTH, QUESTIONS).config.encoders["text"].name == "gru"


def test_representation_that_there_is_not():
    with pytest.raises(UsageError, match="unknown representation 'joined'; did you mean 'joint'"):
        BuildOptions(representation="joined")


def test_models_of_several_tasks_have_the_same_encoders():
    asked, named, read = together()
    assert [model.modalities for model in (asked, named, read)] == [BOTH, ("image",), ("text",)]
    assert asked.encoders["image"] is named.encoders["image"]
    assert asked.encoders["text"] is read.encoders["text"]
    assert [model.labels for model in (asked, named, read)] == [("no", "yes"), ("cat", "dog"), ("animals", "weather")]
    parts = [part for model in (asked, named, read) for part in (model.fusion, *model.heads.values())]
    assert len({id(part) for part in parts}) == 6


def test_vocabulary_is_that_of_all_tasks():
    asked, _, read = together()
    vocabulary = asked.config.encoders["text"].options["vocabulary"]
    assert {"red", "circle", "zebra", "raining"} <= set(vocabulary)
    assert read.config.encoders["text"].options["vocabulary"] == vocabulary


def test_what_one_task_teaches_the_other_knows():
    asked, named, _ = (model.train() for model in together())
    before = asked.encoders["image"].layers[0][0].weight.clone()
    optimizer = torch.optim.SGD(named.parameters(), lr=0.1)
    named.loss(named.collate(PICTURES)).backward()
    optimizer.step()
    assert not torch.equal(asked.encoders["image"].layers[0][0].weight, before)


def test_each_stands_alone_once_stored():
    for model, (_, samples) in zip(together(), TASKS, strict=True):
        config = json.loads(json.dumps(model.stored_config()))
        fresh = FusionFactory("concat").restore("mine", config).eval()
        fresh.load_state_dict(model.state_dict())
        batch = model.eval().collate(samples)
        with torch.no_grad():
            assert torch.equal(fresh.classify(batch), model.classify(batch))


def test_users_choices_hold_for_all_tasks():
    asked, named, read = together(encoders={"text": "embedding"}, freeze=("image",), width=16)
    assert [model.config.frozen for model in (asked, named, read)] == [["image"], ["image"], []]
    assert {model.config.width for model in (asked, named, read)} == {16}
    assert read.config.encoders["text"].name == "embedding"
    assert not any(parameter.requires_grad for parameter in named.encoders["image"].parameters())


def test_each_task_meets_the_budget_around_the_same_encoders():
    models = together(parameters=200_000)
    for model in models:
        assert abs(sum(parameter.numel() for parameter in model.parameters()) - 200_000) <= 10_000
    assert models[0].encoders["image"] is models[1].encoders["image"]
    for name, tensor in models[0].encoders.state_dict().items():
        assert torch.equal(tensor, together()[0].encoders.state_dict()[name]), name


def test_alone_or_together_a_task_starts_the_same():
    (one,) = together(TASKS[:1])
    torch.manual_seed(0)
    other = FusionFactory("concat").create("mine", *TASKS[0])
    assert one.config == other.config
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_choice_for_a_modality_of_any_task_is_allowed_and_of_none_is_not():
    asked, named = together(TASKS[1:], encoders={"image": "cnn,size=32"}, freeze=("text",))
    assert asked.config.encoders["image"].options == {"size": 32}
    assert named.config.frozen == ["text"]
    with pytest.raises(UsageError, match="unknown modality in --encoder 'audio'; known: image, text"):
        together(TASKS[1:], encoders={"audio": "mel-cnn"})


def test_strategy_that_one_of_the_tasks_cannot_feed():
    with pytest.raises(UsageError, match="fusion 'film' cannot be built: FiLM fuses at least 2 modalities, not image"):
        together(fusion="film")
