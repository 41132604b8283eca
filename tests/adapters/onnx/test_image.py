"""Image classifiers from elsewhere in ONNX files, against NumPy."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmbench.checkpoint import file_sha256
from mmbench.errors import UsageError
from mmbench.sample import Sample

WEIGHT = np.random.default_rng(0).standard_normal((3 * 6 * 5, 10)).astype(np.float32)


def classifier(path: Path, shape: tuple[object, ...], kind: str = "FLOAT", weight: np.ndarray = WEIGHT, **save) -> Path:
    """A linear classifier of pixels with an input of that shape."""
    import onnx

    helper, proto = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["pixels"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weight"], ["logits"]),
        ],
        "linear",
        [helper.make_tensor_value_info("pixels", getattr(proto, kind), shape)],
        [helper.make_tensor_value_info("logits", getattr(proto, kind), [shape[0], weight.shape[1]])],
        [onnx.numpy_helper.from_array(weight, "weight")],
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, producer_name="by hand", opset_imports=opsets, ir_version=10), path, **save)
    return path


@pytest.mark.parametrize("batch", ["N", 1])
def test_classifier_from_elsewhere(opened, batch: object, tmp_path: Path) -> None:
    path = classifier(tmp_path / "linear.onnx", (batch, 3, 6, 5))
    settings = ("mean=[0.5, 0.4, 0.3]", "std=[0.2, 0.3, 0.4]", "crop=0.5")
    loaded = opened(path, "image_classification", settings=settings)
    rng = np.random.default_rng(1)
    images = [Image.fromarray(rng.integers(0, 256, (20, 40, 3), dtype=np.uint8)) for _ in range(3)]
    batch = loaded.model.collate([Sample(str(n), {"image": image}) for n, image in enumerate([*images, None])])
    assert batch.mask["image"].tolist() == [True, True, True, False]
    found = loaded.model.classify(batch)
    for row, image in enumerate(images):
        middle = image.resize((5, 6), box=(15, 5, 25, 15))  # of 40 x 20, half of the shorter side
        pixels = (np.asarray(middle) / 255 - [0.5, 0.4, 0.3]) / [0.2, 0.3, 0.4]
        expected = pixels.transpose(2, 0, 1).reshape(-1) @ WEIGHT
        np.testing.assert_allclose(found[row].numpy(), expected, rtol=1e-4, atol=1e-4)
    assert loaded.config["parameters"] == WEIGHT.size
    assert loaded.config["producer"] == "by hand"
    assert loaded.config["pixels"]["crop"] == 0.5
    assert (loaded.config["precision"], loaded.config["opset"]) == ("float32", 18)


def test_classifier_of_any_size_needs_to_be_told_one(opened, tmp_path: Path) -> None:
    path = classifier(tmp_path / "linear.onnx", ("N", 3, "H", "W"), weight=WEIGHT[: 3 * 16].copy())
    with pytest.raises(UsageError, match="takes images of any size; say which: --option size=N"):
        opened(path, "image_classification")
    model = opened(path, "image_classification", settings=("size=4",)).model
    assert model.pixels.width == model.pixels.height == 4


@pytest.mark.parametrize(
    ("shape", "kind", "message"),
    [
        (("N", 6, 5, 3), "FLOAT", "has input pixels tensor.float. .* and output .*; expected one of `mmbench export`"),
        (("N", 90), "FLOAT", "; expected one of `mmbench export`, or an image classifier with one input"),
        (("N", 3, 6, 5), "DOUBLE", "; expected one of `mmbench export`, or an image classifier with one input"),
        ((4, 3, 6, 5), "FLOAT", "takes 4 images at a time, no other number; export it with a dynamic batch"),
        (("N", 3, 5, 5), "FLOAT", "onnxruntime cannot open the graph: .*Incompatible dimensions"),
        (("N", 3, "H", 5), "FLOAT", "fails on an image of 5 x 5: "),
    ],
)
def test_other_graphs_are_refused(opened, shape: tuple[object, ...], kind: str, message: str, tmp_path: Path) -> None:
    weight = WEIGHT.astype(np.float64) if kind == "DOUBLE" else WEIGHT
    settings = ("size=5",) if "H" in shape else ()
    with pytest.raises(UsageError, match=message):
        opened(classifier(tmp_path / "linear.onnx", shape, kind, weight), "image_classification", settings=settings)


def test_classes_must_be_those_of_the_data_set(opened, tmp_path: Path) -> None:
    path = classifier(tmp_path / "linear.onnx", ("N", 3, 6, 5), weight=WEIGHT[:, :7].copy())
    with pytest.raises(UsageError, match=r"gives \[1, 7\] for one image; expected \[1, 10\], a logit for each class"):
        opened(path, "image_classification")


def test_weights_beside_a_file_are_hashed_too(opened, tmp_path: Path) -> None:
    big = WEIGHT.repeat(2, axis=0)[: len(WEIGHT)].copy()
    path = classifier(
        tmp_path / "linear.onnx",
        ("N", 3, 6, 5),
        weight=big,
        save_as_external_data=True,
        location="linear.bin",
        size_threshold=0,
    )
    loaded = opened(path, "image_classification")
    assert loaded.sha256 != file_sha256(path)
    (tmp_path / "linear.bin").write_bytes(bytes(big.nbytes))
    assert opened(path, "image_classification").sha256 != loaded.sha256
    (tmp_path / "linear.bin").unlink()
    with pytest.raises(UsageError, match=r"has its weights in 'linear\.bin', which is not beside it"):
        opened(path, "image_classification")


def test_weights_elsewhere_are_not_read(opened, tmp_path: Path) -> None:
    path = classifier(tmp_path / "linear.onnx", ("N", 3, 6, 5))
    import onnx

    model = onnx.load(path)
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UsageError, match=r"wants weights from '\.\./secret', outside its own folder"):
        opened(path, "image_classification")
