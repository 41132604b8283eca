"""The floor of captioning: one caption for everything."""

import json

import pytest

from mmbench.model import Fits, Generates, Model, Stored
from mmbench.registry import registry
from mmbench.sample import Sample
from mmbench_baselines.models.frequent_caption import FrequentCaption


def captioned(*targets):
    return [Sample(str(number), {}, target) for number, target in enumerate(targets)]


def fitted(*targets):
    model = FrequentCaption.create("floor", ("image",), captioned(*targets))
    model.fit(captioned(*targets))
    return model


def test_keeps_the_contract():
    model = registry.load("model", "frequent-caption").create("frequent-caption", ("image",), captioned("a"))
    for protocol in (Model, Generates, Fits, Stored):
        assert isinstance(model, protocol)
    assert model.modalities == ()


@pytest.mark.parametrize("targets", [("a b", "c", "a b", "d"), (["a b", "c"], ["d", "a b"])])
def test_says_the_most_frequent_caption_of_everything(targets):
    model = fitted(*targets)
    samples = [*captioned("never seen"), Sample("none", {})]
    assert model.generate(model.collate(samples)) == ["a b", "a b"]


def test_of_equally_frequent_captions_the_first_is_said():
    assert fitted("z", "b", "b", "z", "a").caption == "z"


def test_captions_are_kept_verbatim():
    assert fitted("A  dog.", "a dog.", "A  dog.", "a dog", "a dog").caption == "A  dog."


def test_restores_from_what_is_stored():
    model = fitted("a", "b", "b")
    fresh = FrequentCaption.restore("floor", json.loads(json.dumps(model.stored_config())))
    fresh.load_state_dict(model.state_dict())
    assert fresh.generate(fresh.collate(captioned("a"))) == ["b"]
