"""Batches: which samples go where, and what becomes of those that fail."""

import pytest
import torch
from PIL import Image
from torch import nn

from mmbench.adapters.module import wrap
from mmbench.engine.loader import default_threads, default_workers, make_loader, plan_batches
from mmbench.registry import registry
from mmbench.sample import Sample, Subset
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA


def model(name):
    return registry.load("model", name).restore(name, {})


@pytest.fixture
def texts():
    """200 questions without an image, of 200 different lengths, in no order."""
    order = torch.randperm(200, generator=torch.Generator().manual_seed(0)).tolist()
    return [Sample(f"text/{index}", {"text": "x" * length}, "yes") for index, length in enumerate(order)]


@pytest.fixture
def questions():
    return Subset(VQA().load(easy_vqa, "test"), range(20))


@pytest.mark.usefixtures("probes")
@pytest.mark.parametrize("size", [1, 7, 64, 200, 1000])
def test_plan_is_the_order_of_the_data(size, texts):
    plan = plan_batches(texts, model("probe-numbered"), size)
    batches = [plan[number] for number in range(len(plan))]
    assert [index for batch in batches for index in batch] == list(range(200))
    assert {len(batch) for batch in batches[:-1]} <= {size}
    assert 0 < len(batches[-1]) <= size


@pytest.mark.usefixtures("probes")
def test_plan_puts_like_lengths_together(texts):
    """32 batches of 4 are sorted together: 128 samples, then the other 72."""
    plan = plan_batches(texts, model("probe-bucketed"), 4)
    order = [index for number in range(len(plan)) for index in plan[number]]
    assert sorted(order[:128]) == list(range(128))
    assert sorted(order[128:]) == list(range(128, 200))
    for window in (order[:128], order[128:]):
        lengths = [len(texts[index].inputs["text"]) for index in window]
        assert lengths == sorted(lengths, reverse=True)


@pytest.mark.usefixtures("probes")
def test_loader_gives_the_wanted_batches_in_order(questions):
    plan = plan_batches(questions, model("probe-numbered"), 8)
    loader = make_loader(questions, model("probe-numbered"), plan, numbers=[2, 0], workers=0, pin_memory=False)
    last, first = loader
    assert (last.number, last.indices) == (2, [16, 17, 18, 19])
    assert (first.number, first.indices) == (0, list(range(8)))
    assert first.batch.inputs["text"].tolist() == list(range(8))
    assert [sample.id for sample in first.samples] == [f"test/{index}" for index in range(8)]
    assert not any(sample.inputs for sample in first.samples)


@pytest.mark.usefixtures("probes")
def test_failing_samples_are_left_out_one_by_one():
    task = registry.load("task", "probe")()
    dataset = Subset(task.load(registry.load("dataset", "probe-unreadable"), "test"), range(8))
    plan = plan_batches(dataset, model("probe-numbered"), 4)
    first, second = make_loader(dataset, model("probe-numbered"), plan, numbers=range(2), workers=0, pin_memory=False)
    assert (first.indices, second.indices) == ([0, 1, 2], [4, 5, 6, 7])
    (failure,) = first.failures
    assert (failure.index, failure.id, failure.stage) == (3, "#3", "load")
    assert failure.reason == "ValueError: row 3 of the table is torn"
    assert second.failures == []


def test_workers_and_threads_share_the_cores():
    assert default_workers() >= 0
    assert default_threads(0) >= default_threads(1) >= 1
    assert default_threads(10**6) == 1


def test_samples_that_make_no_batch_together_are_failures():
    """Images of unequal sizes through a model that does not resize: each can be had alone."""
    images = [Image.new("RGB", (8, 8)), Image.new("RGB", (9, 8)), Image.new("RGB", (8, 8))]
    samples = [Sample(f"image/{number}", {"image": image}, "0") for number, image in enumerate(images)]
    plain = wrap(nn.Flatten(), task="image_classification", labels=["0"])
    plan = plan_batches(samples, plain, 2)
    unequal, equal = make_loader(samples, plain, plan, numbers=[0, 1], workers=0, pin_memory=False)
    assert unequal.batch is None
    assert [(each.id, each.stage) for each in unequal.failures] == [("image/0", "decode"), ("image/1", "decode")]
    assert "tensors that cannot be stacked: [3, 8, 8] and [3, 8, 9]" in unequal.failures[0].reason
    assert (equal.indices, equal.failures) == ([2], [])
