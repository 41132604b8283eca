"""Peak memory: the highest point between construction and reading, freed or not."""

import numpy as np
import pytest
import torch

from mmbench.profile.memory import PeakMemory

MIB = 2**20


def touch(mebibytes):
    """Hold that much memory for a moment; of this size it comes from the kernel and goes back to it."""
    assert np.ones(mebibytes * MIB, dtype=np.uint8)[-1] == 1


def test_peak_holds_after_the_memory_is_free():
    peak = PeakMemory(torch.device("cpu"))
    before = peak.read()
    touch(256)
    assert before < peak.read()
    if peak.method.startswith("VmHWM"):
        assert 240 * MIB < peak.read() - before < 320 * MIB


def test_each_measurement_starts_anew():
    first = PeakMemory(torch.device("cpu"))
    if not first.method.startswith("VmHWM"):
        pytest.skip("this kernel does not let a process reset its high-water mark")
    touch(256)
    assert first.read() - PeakMemory(torch.device("cpu")).read() > 200 * MIB


def test_method_is_told():
    assert PeakMemory(torch.device("cpu")).method in {
        "VmHWM of the main process, reset at the start",
        "ru_maxrss of the main process, not reset",
    }


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_counts_the_allocator():
    device = torch.device("cuda:0")
    peak = PeakMemory(device)
    before = peak.read()
    tensor = torch.ones(64 * MIB, dtype=torch.uint8, device=device)
    del tensor
    assert peak.method == "cuda max_memory_allocated"
    assert peak.read() - before == 64 * MIB
