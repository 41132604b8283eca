"""Files of `mmbench export`: the answers of the model, what a record tells of it, and what is refused."""

import json
from pathlib import Path

import pytest
import torch

import mmbench_baselines.weights
from mmbench.adapters.onnx.header import KEY
from mmbench.checkpoint import file_sha256, read_weights
from mmbench.engine.export import Exported, export
from mmbench.engine.models import load_model
from mmbench.errors import UsageError
from mmbench.model import Classifies, Model
from mmbench.sample import Sample

WEIGHTS = Path(mmbench_baselines.weights.__path__[0]) / "vqa" / "easy-vqa" / "text-only.safetensors"


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """The model of questions alone that is shipped, exported: a recurrent layer over sequences."""
    return export("text-only", "vqa", tmp_path_factory.mktemp("words") / "words.onnx")


def test_sequences_of_any_length_in_batches_of_any_size(opened, questions, words: Exported) -> None:
    assert (words.agreement.samples, words.agreement.same, words.ability) == (64, 64, "classify")
    assert words.agreement.difference < 1e-4
    long = "is there a red circle and a blue triangle and a green rectangle in the image that I show to you now?"
    texts = [long, "circle", None, "", *(sample.inputs["text"] for sample in questions)]
    samples = [Sample(str(number), {} if text is None else {"text": text}) for number, text in enumerate(texts)]
    original, model = load_model("text-only", "vqa", "easy-vqa").model.eval(), opened(words.path).model
    for part in (samples, samples[:1], samples[1:2], samples[2:3], samples[1:5]):
        with torch.inference_mode():
            expected = original.classify(original.collate(part))
        torch.testing.assert_close(model.classify(model.collate(part)), expected, rtol=0, atol=1e-4)


def test_it_is_a_model_and_no_module(opened, words: Exported) -> None:
    model = opened(words.path).model
    assert isinstance(model, Model)
    assert isinstance(model, Classifies)
    assert not isinstance(model, torch.nn.Module)


def test_record_tells_where_it_comes_from(opened, words: Exported, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(words.path.parent)
    loaded = opened(words.path)
    header, _ = read_weights(WEIGHTS)
    assert (loaded.model.name, loaded.source) == ("onnx:words.onnx", "words.onnx")
    assert (loaded.sha256, words.sha256) == (file_sha256(words.path),) * 2
    assert (loaded.training, loaded.config["config"]) == (header.training, header.config)
    assert list(loaded.config["config"]["encoders"]) == ["text"]
    told = {key: loaded.config[key] for key in ("model", "precision", "parameters", "provider", "weights_sha256")}
    assert told == {
        "model": "text-only",
        "precision": "float32",
        "parameters": words.parameters,
        "provider": "CPUExecutionProvider",
        "weights_sha256": file_sha256(WEIGHTS),
    }
    assert loaded.config["opset"] == words.opset
    assert loaded.config["engine"].startswith("onnxruntime ")
    assert json.loads(json.dumps(loaded.config)) == loaded.config


def changed(path: Path, target: Path, value: str | None) -> Path:
    """A copy of a file with another header, or none."""
    import onnx

    model = onnx.load(path)
    onnx.helper.set_model_props(model, {} if value is None else {KEY: value})
    onnx.save(model, target)
    return target


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "model.onnx has a damaged header: JSONDecodeError: "),
        ('{"format": 1}', "model.onnx has a damaged header: KeyError: 'labels'"),
        ('{"format": 2, "new": 1}', "model.onnx has ONNX header 2; this mmbench reads up to 1: upgrade mmbench"),
        (
            '{"format": 1, "model": "flim", "config": {}, "ability": "classify", "labels": [], "precision": "float32", '
            '"parameters": 1, "weights": null, "training": {}}',
            "the file was exported from model 'flim', which makes its inputs and is not registered here; install its",
        ),
        (
            None,
            r"onnx:model.onnx has input .*; expected one of `mmbench export`, or an image classifier with one input",
        ),
    ],
)
def test_other_headers(opened, words: Exported, header: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        opened(changed(words.path, tmp_path / "model.onnx", header))


def test_no_such_file_and_no_onnx_file(opened, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ONNX file '.*none\.onnx' does not exist"):
        opened(tmp_path / "none.onnx")
    for content in (b"", b"no graph", WEIGHTS.read_bytes()[:2000]):
        (tmp_path / "other.onnx").write_bytes(content)
        with pytest.raises(UsageError, match=r"other.onnx is no ONNX file"):
            opened(tmp_path / "other.onnx")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"dtype": "float16"}, "onnx:words.onnx is float32, as it was exported; leave out --dtype float16"),
        (
            {"device": torch.device("cuda")},
            "--device cuda needs onnxruntime with CUDAExecutionProvider, and this one has",
        ),
        ({"device": torch.device("meta")}, "onnx: runs on cpu and cuda, not on meta; take --device cpu"),
        ({"settings": ("size=64",)}, "onnx:words.onnx says itself how its inputs are made; leave out size"),
        ({"settings": ("provider=CPU",)}, "unknown provider of onnxruntime 'CPU'; "),
        (
            {"settings": ("optimisation=all",)},
            "unknown option of adapter 'onnx' 'optimisation'; did you mean 'graph_opt",
        ),
        (
            {"settings": ("graph_optimization=most",)},
            "adapter 'onnx' cannot take graph_optimization=most: Input should",
        ),
    ],
)
def test_wrong_ways_to_open(opened, words: Exported, more: dict[str, object], message: str) -> None:
    import onnxruntime

    if more.get("device") == torch.device("cuda") and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("onnxruntime has CUDA here")
    with pytest.raises(UsageError, match=message):
        opened(words.path, **more)


def test_graph_optimization_changes_no_answer(opened, questions, words: Exported) -> None:
    plain = opened(words.path, settings=("graph_optimization=none",))
    assert plain.config["graph_optimization"] == "none"
    batch = plain.model.collate(questions[:6])
    torch.testing.assert_close(plain.model.classify(batch), opened(words.path).model.classify(batch), rtol=0, atol=1e-4)
