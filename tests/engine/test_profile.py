"""`profile`: cost alone, stored as a record of its own."""

import json

import pytest

from mmbench.engine.cost_options import CostOptions
from mmbench.engine.load_run import Where
from mmbench.engine.options import EvalOptions
from mmbench.engine.profile import profile
from mmbench.errors import UsageError
from mmbench.record.profile import ProfileRecord


@pytest.fixture
def measure(tmp_path, weights, probes):
    """Profile on one thread, in this process."""

    def go(model="film", dataset="probe-clean", **options):
        cost = options.pop("cost", CostOptions("quick"))
        chosen = EvalOptions(**{"limit": 32, "batch_size": 8, "threads": 1, "workers": 0, "device": "cpu", **options})
        where = Where(dataset)
        output = tmp_path / "results"
        return profile(model, "probe", where=where, weights=weights(model), options=chosen, cost=cost, output=output)

    return go


def test_a_profile_is_stored_whole(measure):
    found = measure()
    stored = ProfileRecord.model_validate_json((found.folder / "profile.json").read_text(encoding="utf-8"), strict=True)
    assert stored == found.record
    assert [path.name for path in found.folder.iterdir()] == ["profile.json"]
    assert stored.cost.model_throughput.batch_size == 8
    assert stored.settings["cost"]["level"] == "quick"


def test_sweep_has_a_point_for_each_size(measure):
    sweep = measure(cost=CostOptions("quick", batch_sizes=(1, 4, 16))).record.cost.sweep
    assert [point.batch_size for point in sweep.points] == [1, 4, 16]
    assert all(point.failure is None and point.samples_per_s.value > 0 for point in sweep.points)
    assert sweep.knee in {1, 4, 16}


def test_out_of_memory_ends_a_sweep_and_nothing_else(measure, register):
    import torch

    from .test_cost import Sick

    class Large(Sick):
        def classify(self, batch):
            if batch.size >= 16:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB\nadvice")
            return super().classify(batch)

    register("model", "probe-large", Large)
    cost = measure("probe-large", cost=CostOptions("quick", batch_sizes=(8, 16, 32))).record.cost
    assert [point.failure for point in cost.sweep.points] == [
        None,
        "out of memory",
        "not tried: size 16 was out of memory",
    ]
    assert cost.failures == []
    assert cost.model_throughput is not None


@pytest.mark.parametrize(
    ("name", "samples", "queries"),
    [("single-stream", 1, None), ("multi-stream", 8, None), ("offline", 32, 1), ("server", 1, None)],
)
def test_scenarios(measure, name, samples, queries):
    found = measure(cost=CostOptions("quick", scenario=name)).record.cost.scenario
    assert (found.name, found.samples_per_query) == (name, samples)
    assert found.queries == len(found.latency_s)
    assert queries is None or found.queries == queries
    assert (found.arrivals_per_s is not None) == (name == "server")


def test_a_server_is_held_to_its_bound(measure):
    options = CostOptions("quick", scenario="server", rate=5.0, bound_s=1e-9)
    found = measure(cost=options).record.cost.scenario
    assert (found.arrivals_per_s, found.bound_s, found.valid) == (5.0, 1e-9, False)


def test_trace_has_the_stages(measure):
    found = measure(cost=CostOptions("quick", trace=True))
    events = json.loads((found.folder / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    names = [event.get("name") for event in events]
    assert all(names.count(name) == 3 for name in ("encode.image", "encode.text", "fuse", "head"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 64}, "--batch-size 64 is above the 32 samples that there are"),
        (
            {"cost": CostOptions("quick", batch_sizes=(8, 33))},
            "--batch-sizes: 33 is above the 32 samples",
        ),
        ({"device": "cuda:7"}, "cuda:7"),
        ({"cost": CostOptions("quick", stages={"head": "heads.fuse"})}, "heads.fused"),
    ],
)
def test_refusals_come_before_anything_is_written(measure, tmp_path, options, message):
    with pytest.raises(UsageError, match=message):
        measure(**options)
    assert not (tmp_path / "results").exists()


def test_samples_that_cannot_be_decoded_are_passed_over(measure):
    cost = measure(dataset="probe-corrupt", batch_size=16).record.cost
    assert cost.failures == []
    assert cost.model_throughput.samples_per_s.value > 0
