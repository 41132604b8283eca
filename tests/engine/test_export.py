"""Export to ONNX: the model's answers in one file, and nothing where that cannot be had."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

import mmbench_baselines.weights
from mmbench.adapter import LoadedModel, Opening
from mmbench.adapters.onnx.open import open_onnx
from mmbench.adapters.onnx.session import Runtime, open_sessions
from mmbench.checkpoint import Header, read_weights, save_weights
from mmbench.engine.export import Exported, ExportOptions, export
from mmbench.engine.models import load_model
from mmbench.engine.open_model import labels_of
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.errors import HarnessError, UsageError
from mmbench.fusion import Fusion, masked_mean
from mmbench.fusion_model import FusionConfig, FusionModel
from mmbench.registry import registry
from mmbench.sample import Sample

onnx = pytest.importorskip("onnx", reason="the extra `onnx` is not installed")
for package in ("onnxruntime", "onnxscript"):
    pytest.importorskip(package, reason="the extra `onnx` is not installed")

WEIGHTS = Path(mmbench_baselines.weights.__path__[0]) / "vqa" / "easy-vqa" / "text-only.safetensors"


def opened(path: Path, task: str = "vqa", **more: object) -> LoadedModel:
    found = resolve_task(task)
    card = resolve_dataset(found, None)
    return open_onnx(Opening(f"onnx:{path}", str(path), found.card, card, partial(labels_of, found, card), **more))


def samples_of(task: str, count: int) -> list[Sample]:
    found = resolve_task(task)
    card = resolve_dataset(found, None)
    split = found.load(card, card.default_split)
    return [split[index] for index in range(0, len(split), len(split) // count)][:count]


def test_indices_alone(tmp_path: Path) -> None:
    made = export("question-prior", "vqa", tmp_path / "18.onnx", options=ExportOptions(opset=18, samples=40))
    assert (made.agreement.same, made.agreement.samples, made.opset) == (40, 40, 18)
    original, loaded = load_model("question-prior", "vqa", "easy-vqa").model, opened(made.path)
    assert loaded.config["opset"] == 18
    batch = original.collate(samples_of("vqa", 9))
    torch.testing.assert_close(loaded.model.classify(batch), original.classify(batch))


def test_dual_encoder_has_both_of_its_towers_in_one_file(tmp_path: Path) -> None:
    made = export("dual-encoder", "retrieval", tmp_path / "dual.onnx", options=ExportOptions(samples=20))
    assert (made.ability, made.agreement.same) == ("embed", None)
    sessions = open_sessions(onnx.load(made.path), Runtime(torch.device("cpu")))
    assert {name: set(session.inputs) for name, session in sessions.items()} == {
        "vectors.image": {"inputs.image", "mask.image"},  # and nothing of what the other takes
        "vectors.text": {"inputs.text", "mask.text"},
    }
    original = load_model("dual-encoder", "retrieval", "scenes").model.eval()
    model = opened(made.path, "retrieval").model
    batch = original.collate(samples_of("retrieval", 11))
    for modality in ("image", "text"):
        has = batch.mask[modality].reshape(batch.size, -1).any(dim=1)
        with torch.inference_mode():
            expected = original.embed(batch, modality)[has]
        assert len(expected)
        torch.testing.assert_close(model.embed(batch, modality)[has], expected, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The classifier of digits that is shipped, exported."""
    return export("cnn", "image_classification", tmp_path_factory.mktemp("digits") / "cnn.onnx")


@pytest.mark.parametrize(
    ("options", "precision", "near"),
    [(ExportOptions(dtype="float16"), "float16", 0.02), (ExportOptions(quantize="int8"), "int8", 0.1)],
)
def test_smaller_numbers(digits: Exported, options: ExportOptions, precision: str, near: float, tmp_path: Path) -> None:
    made = export("cnn", "image_classification", tmp_path / "small.onnx", options=options)
    assert made.precision == precision
    assert made.size < digits.size
    assert 0 < made.agreement.difference < near * made.agreement.largest
    assert made.agreement.same is not None
    assert made.agreement.same >= 62
    loaded = opened(made.path, "image_classification")
    assert loaded.config["precision"] == precision
    batch = loaded.model.collate(samples_of("image_classification", 5))
    assert loaded.model.classify(batch).shape == (5, 10)
    if precision == "float16":
        assert opened(made.path, "image_classification", dtype="float16").config == loaded.config


def test_file_has_no_path_of_this_machine(digits: Exported) -> None:
    content = digits.path.read_bytes()
    for word in (b".py", str(Path.home()).encode(), str(Path(__file__).parents[2]).encode()):
        assert word not in content


@pytest.mark.parametrize(
    ("name", "task", "options", "message"),
    [
        (
            "captioner",
            "captioning",
            {},
            "model 'captioner' can generate, step after step and not by one graph; what can",
        ),
        ("majority", "vqa", {}, "model 'majority' reads no input, so there is no graph of it"),
        (
            "hf:some/model",
            "vqa",
            {},
            "model 'hf:some/model' comes from elsewhere; what can be exported is a registered",
        ),
        ("film", "vqa", {"opset": 99}, r"--opset must be from 1 to \d+, not 99"),
        ("film", "vqa", {"dtype": "float16", "quantize": "int8"}, "--quantize int8 starts from float32; leave out"),
        ("film", "vqa", {"samples": 0}, "--samples must be at least 1, not 0"),
    ],
)
def test_refusals(name: str, task: str, options: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        export(name, task, tmp_path / "model.onnx", options=ExportOptions(**options))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("package", ["onnx", "onnxruntime", "onnxscript"])
def test_missing_package_is_told_in_one_line(package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # `None` is a module that is not there
    with pytest.raises(UsageError, match=rf"mmbench export needs {package}: pip install 'mmbench\[onnx\]'"):
        export("film", "vqa", tmp_path / "model.onnx")


class Noisy(Fusion):
    """Adds noise, so that no two graphs of it agree."""

    def forward(self, features, mask):
        fused = sum(masked_mean(features[m], mask[m]) for m in self.modalities)
        return fused + torch.rand_like(fused)


class Branching(Fusion):
    """Asks for a value, which no graph can."""

    def forward(self, features, mask):
        fused = sum(masked_mean(features[m], mask[m]) for m in self.modalities)
        return fused if float(fused.sum()) > 0 else -fused


@pytest.fixture
def registered(tmp_path: Path) -> Iterator[Callable[[type[Fusion]], Path]]:
    """Registers a fusion as `test-broken`, and gives untrained weights of it for easy-vqa."""
    header, _ = read_weights(WEIGHTS)

    def add(fusion: type[Fusion]) -> Path:
        registry.register("fusion", "test-broken")(fusion)
        stored = FusionConfig.from_json(header.config)
        config = replace(stored, fusion="test-broken")
        path = tmp_path / "weights" / "broken.safetensors"
        save_weights(path, FusionModel("test-broken", config), Header("test-broken", config.to_json(), {}))
        return path

    yield add
    registry.unregister("fusion", "test-broken")


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        (Noisy, r"graph \(float32\) gives other outputs than the model: they differ by up to .*; nothing was written"),
        (Branching, "PyTorch cannot export model 'test-broken' to ONNX: "),
    ],
)
def test_failed_export_leaves_nothing(
    registered: Callable[[type[Fusion]], Path], fusion: type[Fusion], message: str, tmp_path: Path
) -> None:
    weights = registered(fusion)
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(HarnessError, match=message) as failed:
        export("test-broken", "vqa", folder / "model.onnx", weights=weights)
    assert "\n" not in str(failed.value)
    assert list(folder.iterdir()) == []
