"""The device of a run: by name, and refused where it is not there."""

import pytest
import torch

from mmbench.errors import UsageError
from mmbench.profile.device import pick_device, synchronize

ACCELERATOR = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None


def test_cpu():
    assert pick_device("cpu") == torch.device("cpu")
    synchronize(torch.device("cpu"))


def test_auto_takes_what_is_there():
    assert pick_device("auto").type == (ACCELERATOR.type if ACCELERATOR else "cpu")


@pytest.mark.parametrize("name", ["banana", "", "cuda:x", "cuda:-1"])
def test_unknown_device(name):
    with pytest.raises(UsageError, match=f"unknown device {name!r}; expected auto, cpu, or an accelerator"):
        pick_device(name)


@pytest.mark.parametrize("name", ["cuda", "xpu", "mps"])
def test_device_that_is_not_here(name):
    if ACCELERATOR is not None and ACCELERATOR.type == name:
        assert pick_device(name).type == name
        return
    with pytest.raises(UsageError, match=f"device '{name}' is not available here; there is "):
        pick_device(name)


@pytest.mark.parametrize("name", ["meta", "cuda:99"])
def test_device_that_is_nowhere(name):
    with pytest.raises(UsageError, match=f"device '{name}' is not available here"):
        pick_device(name)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_waits_for_queued_work():
    device = pick_device("cuda:0")
    x = torch.ones(4096, 4096, device=device)
    event = torch.cuda.Event()
    for _ in range(20):
        x = x @ x
    event.record()
    synchronize(device)
    assert event.query()
