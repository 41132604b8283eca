"""A side of gate_power.py: fusion models that also multiply matrices, as often as `extra.json` beside it says."""

import json
from pathlib import Path

import torch
from torch import Tensor

from mmbench.fusion_model import FusionModel
from mmbench.model import Batch

PRODUCTS = json.loads(Path(__file__).with_name("extra.json").read_text(encoding="utf-8"))["products"]
LEFT, RIGHT, OUT = torch.randn(3, 64, 64).unbind()

plain = FusionModel.classify


def classify(self: FusionModel, batch: Batch) -> Tensor:
    """The model's own answer, after the extra work."""
    for _ in range(PRODUCTS):
        torch.mm(LEFT, RIGHT, out=OUT)
    return plain(self, batch)


FusionModel.classify = classify  # type: ignore[method-assign]  # what the trial plants
