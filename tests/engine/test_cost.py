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
    assert cost.latency.p50_s.value == pytest.approx(
        sorted(cost.latency.request_s)[len(cost.latency.request_s) // 2], rel=0.5
    )
    assert {part.name for part in cost.flops.stages} >= {"encode.image", "encode.text", "fuse", "head"}
    assert {part.name for part in cost.model_memory.stages} == {"encode.image", "encode.text", "fuse", "head"}


def test_full_passes(run):
    cost = run("film", cost="full", batch_size=8).record.cost
    assert measured(cost) >= QUICK | {"data", "roofline"}
    assert cost.failures == []
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
        nn.init.ones_(self.body.weight)
        nn.init.zeros_(self.body.bias)

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
        ({"scenario": "server", "rate": 0.0}, "--rate must be a number above 0, not 0"),
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


def test_no_memory_for_the_input_costs_no_score(run, monkeypatch):
    from mmbench.engine import cost

    def refuse(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nmuch advice")

    monkeypatch.setattr(cost, "make_subject", refuse)
    record = run("film", cost="quick").record
    assert record.metrics["accuracy"].n == 32
    assert [(failure.name, failure.reason) for failure in record.cost.failures] == [
        ("all", "OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB")
    ]


def test_an_interrupted_cost_pass_keeps_what_was_scored(run, register, probes, monkeypatch):
    asked = []

    class Counting(Sick):
        def classify(self, batch):
            asked.append(batch.size)
            return super().classify(batch)

    register("model", "probe-counting", Counting)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(cost_passes, "measure_latency", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run("probe-counting", cost="quick", batch_size=16)
    asked.clear()
    record = run("probe-counting", cost="off", batch_size=16, resume=True).record
    assert record.metrics["accuracy"].n == 32
    assert asked == []


def test_a_batch_size_above_the_samples_is_that_of_all(run):
    cost = run("film", cost="quick", limit=12, batch_size=64).record.cost
    assert cost.failures == []
    assert cost.model_throughput.batch_size == 12


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_other_number_formats(run, dtype):
    cost = run("film", cost="full", limit=8, batch_size=4, dtype=dtype).record.cost
    assert cost.failures == []
    assert cost.roofline.peak.dtype == dtype
    assert cost.static_memory.bytes_by_dtype[dtype] > 0


def test_a_model_that_is_no_module(register, probes, threads, tmp_path):
    class Plain:
        modalities = ("text",)
        labels = ("yes", "no")

        def __init__(self, name):
            self.name = name

        def collate(self, samples):
            numbers = torch.tensor([len(sample.inputs["text"]) for sample in samples])
            return Batch(len(samples), {"text": numbers}, {"text": numbers > 0})

        def classify(self, batch):
            return torch.stack([batch.inputs["text"] % 2, batch.inputs["text"] % 3], dim=1).float()

    class Opened:
        def open(self, name):
            return Plain(name)

    register("model", "plain", Opened())
    from mmbench.engine.evaluate import evaluate
    from mmbench.engine.options import EvalOptions

    options = EvalOptions(limit=16, batch_size=8, cost="full", threads=1, workers=0, device="cpu", invariance=0)
    cost = evaluate("plain", "probe", dataset="probe-clean", options=options, output=tmp_path).record.cost
    assert cost.failures == []
    assert measured(cost) == QUICK - {"static_memory", "flops"} | {"data"}  # it may compute where PyTorch does not see


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_all_passes_on_a_device(run):
    cost = run("film", cost="full", limit=256, batch_size=64, device="cuda", threads=None).record.cost
    assert cost.failures == []
    assert measured(cost) >= QUICK | {"data", "roofline"}
    assert cost.model_memory.reserved_bytes >= cost.model_memory.peak_bytes
