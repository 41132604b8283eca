"""One sample and the model's attention: shipped models on easy-VQA, parts of data that are broken, refusals."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mmbench.attention import Grid, tell_attention
from mmbench.checkpoint import Header, save_weights
from mmbench.data.alteration import Alteration
from mmbench.data.decode import load_image
from mmbench.engine.attend import attend
from mmbench.engine.load_run import Where
from mmbench.engine.models import load_model
from mmbench.engine.options import EvalOptions
from mmbench.errors import HarnessError, UsageError
from mmbench.fusion import Fusion, masked_mean
from mmbench.fusion_model import FusionModel
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

OPTIONS = EvalOptions(device="cpu", workers=0, threads=1)
WORDS = ["does", "the", "image", "contain", "a", "triangle", "?"]


@pytest.fixture
def look(film, threads):
    def attend_to(model, sample_id="test/14", **options):
        where = options.pop("where", None)
        task = options.pop("task", "vqa")
        weights = film.with_stem(options.pop("weights", model))
        return attend(model, task, sample_id, where=where, weights=weights, options=replace(OPTIONS, **options))

    return attend_to


@pytest.mark.parametrize(
    ("model", "looks"),
    [
        ("cross-attention", [("layer 1", "image", {"text"}), ("layer 1", "text", {"image"})]),
        (
            "self-attention",
            [(f"layer {n}", query, {"fused", "image", "text"}) for n in (1, 2) for query in ("fused", "image", "text")],
        ),
        (
            "bottleneck",
            [
                (f"layer {n}", query, {modality, "bottleneck"})
                for n in (1, 2)
                for modality in ("image", "text")
                for query in (modality, "bottleneck")
            ],
        ),
        ("attention", [("weights", "fused", {"modalities"})]),
    ],
)
def test_shipped_models_tell_where_they_looked(look, model, looks):
    found = look(model)
    assert (found.model, found.task, found.dataset, found.split) == (model, "vqa", "easy-vqa", "test")
    assert (found.sample.id, found.prediction.value, found.sample.target) == ("test/14", "no", "no")
    assert [(each.name, each.query, set(each.weights)) for each in found.looks] == looks
    counts = {"image": 16, "text": 7, "fused": 1, "bottleneck": 4, "modalities": 2}
    for each in found.looks:
        for key, weights in each.weights.items():
            assert weights.shape[1:] == (counts[each.query], counts[key])
        np.testing.assert_allclose(sum(w.sum(axis=-1) for w in each.weights.values()), 1.0, atol=1e-5)
        assert sum(shares.sum() for shares in each.means().values()) == pytest.approx(1.0, abs=1e-5)


def test_answer_is_that_of_the_model(look, film):
    """Reference: the model asked by hand about the same sample."""
    found = look("attention", "test/3")
    sample = VQA().load(easy_vqa, "test")[3]
    assert found.sample == sample
    model = load_model("attention", "vqa", "easy-vqa", film.with_stem("attention")).model.eval()
    with torch.no_grad():
        expected = model.classify(model.collate([sample])).log_softmax(dim=1)[0]
    np.testing.assert_allclose(found.prediction.scores, expected, atol=1e-5)
    assert found.prediction.value == model.labels[int(expected.argmax())]


def test_places_are_words_a_grid_and_names(look):
    assert look("cross-attention").places == {"image": Grid(4, 4), "text": WORDS}
    learned = look("bottleneck").places["bottleneck"]
    assert learned == [f"bottleneck {number}" for number in (1, 2, 3, 4)]
    assert look("attention").places == {"fused": ["fused"], "modalities": ["image", "text"]}


def test_input_is_as_the_data_set_has_it(look):
    assert load_image(look("attention").sample.inputs["image"]).size == (64, 64)


def test_json_holds_all_of_it(look):
    found = look("self-attention")
    told = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert told["sample"]["inputs"]["text"] == "does the image contain a triangle?"
    assert (told["model"], told["prediction"], told["sample"]["target"]) == ("self-attention", "no", "no")
    assert told["tokens"]["image"] == {"rows": 4, "columns": 4, "before": 0}
    assert told["tokens"]["text"] == {"texts": WORDS}
    for each, look_ in zip(told["attention"], found.looks, strict=True):
        for key, weights in look_.weights.items():
            np.testing.assert_allclose(each["weights"][key], weights, atol=1e-6)


def test_a_missing_modality_neither_looks_nor_is_looked_at(look):
    dropped = look("self-attention", alteration=Alteration(drop=("image",)))
    assert [set(each.weights) for each in dropped.looks] == [{"fused", "text"}] * 4
    assert "image" not in {each.query for each in dropped.looks}
    assert look("attention", alteration=Alteration(drop=("image",))).places["modalities"] == ["text"]


def test_where_no_token_can_look_at_another_it_is_said(look):
    with pytest.raises(HarnessError, match="test/14: with text alone nothing looked at anything"):
        look("cross-attention", alteration=Alteration(drop=("image",)))


def test_unknown_sample_is_refused_with_the_nearest(look):
    with pytest.raises(UsageError, match=r"no sample 'tset/14' among the 9,673 of easy-vqa test; .* 'test/14'"):
        look("attention", "tset/14")


def test_limit_leaves_samples_out(look):
    with pytest.raises(UsageError, match="among the 10 of easy-vqa test"):
        look("attention", "test/14", limit=10)


def test_model_without_attention_is_refused_with_those_that_have_it(look):
    with pytest.raises(UsageError, match=r"'film' tells no attention; .*attention, bottleneck, cross-attention, gated"):
        look("film")


def test_broken_samples_cost_only_themselves(look, probes):
    where = Where("probe-unreadable")
    assert look("attention", task="probe", where=where).sample.id == "test/14"
    with pytest.raises(UsageError, match="1 of which cannot be read; the nearest id is"):
        look("attention", "test/3", task="probe", where=where)
    where = Where("probe-corrupt")
    assert look("attention", task="probe", where=where).sample.id == "test/14"
    with pytest.raises(HarnessError, match=r"test/9: decode: DecodeError: no/such\.png: no such file"):
        look("attention", "test/9", task="probe", where=where)


def test_a_model_that_fails_is_told(weights, probes):
    with pytest.raises(HarnessError, match="test/7: model: ValueError: cannot stand a 7"):
        attend("probe-stumbling", "probe", "test/7", weights=weights("probe-stumbling"), options=OPTIONS)


class Own(Fusion):
    """Two heads and three learned tokens; the text is masked from its third word on."""

    def forward(self, features, mask):
        image, text = mask["image"], mask["text"].clone()
        text[:, 2:] = False
        slots = image.new_ones(len(image), 3)
        keys = {"text": text, "image": image}
        there = torch.cat(list(keys.values()), dim=1).float()
        weights = (there / there.sum(dim=1, keepdim=True))[:, None, None].expand(-1, 2, 3, -1)
        tell_attention("own", {"slots": slots}, keys, lambda: weights)
        return masked_mean(features["image"], image)


def test_a_fusion_of_the_users_may_tell_and_masked_tokens_are_left_out(film, threads, register, tmp_path):
    register("fusion", "own", Own)
    config = replace(load_model("film", "vqa", "easy-vqa", film).model.config, fusion="own")
    path = tmp_path / "own.safetensors"
    save_weights(path, FusionModel("own", config), Header("own", config.to_json(), {}))
    (found,) = (attended := attend("own", "vqa", "test/14", weights=path, options=OPTIONS)).looks
    assert {key: weights.shape for key, weights in found.weights.items()} == {"text": (2, 3, 2), "image": (2, 3, 16)}
    np.testing.assert_allclose(found.means()["image"], np.full(16, 1 / 18), rtol=1e-6)
    # Two tokens for seven words: which ones they are of, the encoder can only guess from the first on.
    assert attended.places == {"slots": ["slots 1", "slots 2", "slots 3"], "text": WORDS[:2], "image": Grid(4, 4)}
