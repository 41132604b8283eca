"""The cost passes of an evaluation: what they measure, and that nothing they do costs a score."""

import pytest
import torch
from torch import nn

from mmbench import Batch
from mmbench.engine import cost_passes
from mmbench.engine.cost_options import CostOptions, parse_sizes, parse_stages
from mmbench.errors import UsageError
from mmbench.profile.results import Passes
from mmbench.profile.stage import stage

QUICK = {"model_throughput", "latency", "stages", "model_memory", "static_memory", "flops"}


def measured(cost) -> set[str]:
    return {name for name in Passes.model_fields if name != "failures" and getattr(cost, name) is not None}


def test_evaluation_without_cost_has_its_own_pass_only(run):
    cost = run("film").record.cost
    assert cost.throughput.samples_per_s > 0
    assert not measured(cost)


def test_quick_passes(run):
    cost = run("film", cost="quick", batch_size=16).record.cost
    assert measured(cost) == QUICK
    assert cost.failures == []
    assert [part.name for part in cost.stages.stages] == ["encode.image", "encode.text", "fuse", "head", "other"]
    assert cost.model_throughput.batch_size == cost.stages.batch_size == cost.flops.batch_size == 16
    assert cost.latency.batch_size == 1
    assert len(cost.latency.request_s) >= 1
    assert {part.name for part in cost.flops.stages} >= {"encode.image", "encode.text", "fuse", "head"}
    assert {part.name for part in cost.model_memory.stages} == {"encode.image", "encode.text", "fuse", "head"}


def test_full_passes(run):
    cost = run("film", cost="full", batch_size=8).record.cost
    assert measured(cost) >= QUICK | {"data", "roofline"}
    assert [failure.name for failure in cost.failures] == ([] if cost.energy else ["energy"])
    assert {part.name for part in cost.data.stages} == {"load", "decode", "collate", "copy", "wait"}
    assert cost.roofline.points[-1].name == "whole"


def test_scores_do_not_depend_on_cost_passes(run):
    plain, costly = run("film").record, run("film", cost="quick").record
    assert plain.metrics == costly.metrics


def test_film_flops_are_those_of_its_layers(run):
    """By hand: a linear layer of the head does two operations a weight and sample."""
    evaluation = run("film", cost="quick", batch_size=16)
    (head,) = [part for part in evaluation.record.cost.flops.stages if part.name == "head"]
    config = evaluation.record.model.config
    width, labels = config["width"], len(config["labels"])
    assert head.flops == 16 * 2 * (width * width + width * labels)


class Sick(nn.Module):
    """Answers; of two stages, the second can break while it is watched."""

    modalities = ("text",)
    labels = ("yes", "no")

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.body = nn.Linear(1, 2)

    def collate(self, samples):
        numbers = torch.tensor([[float(len(sample.inputs["text"]))] for sample in samples])
        return Batch(len(samples), {"text": numbers}, {"text": numbers[:, 0] > 0})

    def classify(self, batch):
        return self.body(batch.inputs["text"])

    @classmethod
    def restore(cls, name, config):
        return cls(name)


def test_a_pass_that_fails_leaves_scores_and_other_passes(run, register, probes, monkeypatch):
    register("model", "probe-sick", Sick)

    def refuse(*_, **__):
        raise RuntimeError("the counter is stuck\nat zero")

    monkeypatch.setattr(cost_passes, "count_flops", refuse)
    record = run("probe-sick", cost="quick").record
    assert record.metrics["accuracy"].n == 32
    assert [(failure.name, failure.reason) for failure in record.cost.failures] == [
        ("flops", "RuntimeError: the counter is stuck")
    ]
    assert measured(record.cost) == QUICK - {"flops"}


def test_a_model_that_fails_alone_is_still_scored(run, register, probes):
    class Sociable(Sick):
        def classify(self, batch):
            if batch.size == 1:
                raise ValueError("not alone")
            return super().classify(batch)

    register("model", "probe-sociable", Sociable)
    cost = run("probe-sociable", cost="quick").record.cost
    assert [failure.name for failure in cost.failures] == ["latency"]
    assert "ValueError: not alone" in cost.failures[0].reason
    assert measured(cost) == QUICK - {"latency"}


def test_modules_become_stages(run, register, probes):
    register("model", "probe-sick", Sick)
    cost = run("probe-sick", cost="quick", stages={"inner": "body"}).record.cost
    assert [part.name for part in cost.stages.stages] == ["inner", "other"]
    assert [part.name for part in cost.flops.stages if part.flops] == ["inner"]


def test_a_module_that_is_never_called_is_told(run, register, probes):
    class Unused(Sick):
        def __init__(self, name):
            super().__init__(name)
            self.spare = nn.Linear(1, 1)

    register("model", "probe-unused", Unused)
    cost = run("probe-unused", cost="quick", stages={"inner": "body", "extra": "spare"}).record.cost
    assert [part.name for part in cost.stages.stages] == ["inner", "other"]
    assert [(failure.name, failure.reason) for failure in cost.failures] == [
        ("stages", "stage extra: the model never calls its module spare")
    ]


def test_a_module_that_is_not_there_is_refused_before_anything_runs(run, register, probes, tmp_path):
    register("model", "probe-sick", Sick)
    with pytest.raises(UsageError, match="body"):
        run("probe-sick", cost="quick", stages={"inner": "bodi"})
    assert not (tmp_path / "results").exists()


def test_a_generator_tells_its_tokens(tmp_path, threads):
    from mmbench.engine.evaluate import evaluate
    from mmbench.engine.options import EvalOptions

    options = EvalOptions(limit=2, batch_size=2, cost="quick", threads=1, workers=0, device="cpu", invariance=0)
    cost = evaluate("captioner", "captioning", options=options, output=tmp_path).record.cost
    assert cost.generation.first_token_s.value > 0
    assert cost.generation.tokens > 4
    assert {"encode.image", "prefill", "decode"} <= {part.name for part in cost.stages.stages}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"batch_sizes": (4, 0)}, "--batch-sizes must be at least 1, not 0"),
        ({"rate": 3.0}, "--rate goes with --scenario server"),
        ({"scenario": "server", "rate": 0.0}, "--rate must be above 0, not 0"),
        ({"scenario": "offline", "bound_s": 1.0}, "--bound goes with --scenario server"),
    ],
)
def test_options_that_make_no_sense(given, message):
    with pytest.raises(UsageError) as refused:
        CostOptions(**given)
    assert str(refused.value) == message


def test_sizes_and_stages_from_texts():
    assert parse_sizes(None) == ()
    assert parse_sizes("64,1,8,8") == (1, 8, 64)
    assert parse_stages(["encode.image=model.vision", " head = lm "]) == {"encode.image": "model.vision", "head": "lm"}
    for text in ("1,x", ""):
        with pytest.raises(UsageError, match="--batch-sizes takes numbers"):
            parse_sizes(text)
    for texts in (["head"], ["=x"], ["head="]):
        with pytest.raises(UsageError, match="--stage expects NAME=MODULE"):
            parse_stages(texts)
    with pytest.raises(UsageError, match="--stage names head twice: a and b"):
        parse_stages(["head=a", "head=b"])


def test_marks_of_a_model_are_seen(run, register, probes):
    class Marked(Sick):
        def classify(self, batch):
            with stage("encode.text"):
                return super().classify(batch)

    register("model", "probe-marked", Marked)
    cost = run("probe-marked", cost="quick").record.cost
    assert [part.name for part in cost.stages.stages] == ["encode.text", "other"]
