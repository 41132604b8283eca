"""Where a training run computes, and with what precision."""

import os

import torch

from mmbench.engine.processes import world_size
from mmbench.engine.train_options import Precision
from mmbench.errors import UsageError
from mmbench.profile.device import pick_device


def train_device(name: str) -> torch.device:
    """The device of that name; of several processes each has an accelerator of its own.

    Raises:
        UsageError: no such device here, or an accelerator by number, which `torchrun` and the trainer choose.
    """
    device = pick_device(name)
    if device.type != "cpu" and device.index:
        raise UsageError(f"--device {name}: training takes the first device it sees; set CUDA_VISIBLE_DEVICES instead")
    if device.type != "cpu" and world_size() > 1:
        return torch.device(device.type, int(os.environ.get("LOCAL_RANK", "0")))
    return device


def make_repeatable(device: torch.device) -> None:
    """Let an accelerator compute the same from the same, where it can; a CPU does already.

    Operations that have no such form, as the gradient of CTC on CUDA, are computed nevertheless; PyTorch warns of them.
    """
    if device.type == "cuda":
        # cuBLAS reads it when it starts; https://docs.nvidia.com/cuda/cublas/#results-reproducibility
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def check_precision(precision: Precision, device: torch.device) -> None:
    """Refuse a mixed precision that the device does not have.

    Raises:
        UsageError: says which it has.
    """
    if precision == "float16" and device.type == "cpu":
        raise UsageError("--precision float16 needs an accelerator; a CPU has float32 and bfloat16")
    if precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise UsageError("--precision bfloat16 is not supported by this GPU; it has float32 and float16")
