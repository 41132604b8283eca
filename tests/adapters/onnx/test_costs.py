"""What is told of the cost of a model that computes where PyTorch does not see it."""

import pytest

from mmbench.engine.evaluate import evaluate
from mmbench.engine.export import export
from mmbench.engine.options import EvalOptions

OPTIONS = EvalOptions(
    limit=128, batch_size=64, cost="quick", device="cpu", workers=0, threads=1, invariance=0, on_error="fail"
)


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    """Of film, and of film as an ONNX file."""
    folder = tmp_path_factory.mktemp("film")
    exported = export("film", "vqa", folder / "film.onnx")
    return {
        engine: evaluate(name, "vqa", options=OPTIONS, output=folder / engine).record
        for engine, name in (("torch", "film"), ("onnx", f"onnx:{exported.path}"))
    }


def test_work_that_is_not_seen_is_not_told_as_none(records):
    assert records["torch"].cost.flops.flops > 0
    assert records["onnx"].cost.flops is None
    assert records["onnx"].cost.failures == []
    assert records["onnx"].model.parameters == records["torch"].model.parameters


def test_memory_of_a_batch_is_not_hidden_by_what_the_engine_keeps(records):
    """Once warm, onnxruntime takes no new memory for a batch: it has it already."""
    first = 64 * 16 * 32 * 32 * 4  # bytes of the first convolution's output, which no engine can do without
    of_a_batch = {engine: record.cost.model_memory.delta_bytes for engine, record in records.items()}
    assert of_a_batch["torch"] > 0.95 * first
    assert of_a_batch["onnx"] > 0.95 * first
