"""Memory at rest: each byte counts once."""

import warnings

import torch
from torch import nn

from mmbench.profile.static_memory import static_memory


def test_parameters_buffers_and_their_types():
    model = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2, dtype=torch.float16))
    model[0].requires_grad_(False)
    found = static_memory(model)
    assert (found.parameters, found.trainable_parameters) == (15 + 6 + 8, 6 + 8)
    assert found.parameter_bytes == 21 * 4 + 8 * 2
    assert found.buffer_bytes == 6 * 4 + 8  # mean, variance, and an int64 counter
    assert found.bytes_by_dtype == {"float16": 16, "float32": 21 * 4 + 24, "int64": 8}


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 4)
        self.head = nn.Linear(4, 10, bias=False)
        self.head.weight = self.embedding.weight
        # Another object over the same storage, frozen; and a buffer that looks into it.
        self.frozen = nn.Parameter(self.embedding.weight.detach().t(), requires_grad=False)
        self.register_buffer("row", self.embedding.weight.detach()[3])


def test_shared_tensors_count_once_and_as_trainable():
    found = static_memory(Tied())
    assert (found.parameters, found.trainable_parameters) == (40, 40)
    assert (found.parameter_bytes, found.buffer_bytes) == (160, 0)
    assert found.bytes_by_dtype == {"float32": 160}


class Flat(nn.Module):
    """Different parameters in one storage, as cuDNN's recurrent networks keep them."""

    def __init__(self):
        super().__init__()
        storage = torch.zeros(10)
        self.first = nn.Parameter(storage[:4])
        self.second = nn.Parameter(storage[4:])
        self.overlap = nn.Parameter(storage[3:6])


def test_parts_of_one_storage_count_each():
    assert static_memory(Flat()).parameters == 10


class Odd(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("adjacency", torch.eye(5).to_sparse_coo())
        with warnings.catch_warnings(action="ignore"):  # the layout is in beta
            self.register_buffer("rows", torch.eye(5).to_sparse_csr())
        self.register_buffer("nothing", torch.zeros(0, 3))
        self.register_buffer("one", torch.zeros(1).expand(100))


def test_sparse_empty_and_expanded_buffers():
    found = static_memory(Odd())
    coo = 2 * 5 * 8 + 5 * 4
    csr = 6 * 8 + 5 * 8 + 5 * 4
    assert found.buffer_bytes == coo + csr + 4
    assert found.parameters == 0


def test_meta_tensors_have_sizes():
    assert static_memory(nn.Linear(3, 5, device="meta")).parameter_bytes == 80


def test_what_is_no_module():
    assert static_memory(object()) is None
