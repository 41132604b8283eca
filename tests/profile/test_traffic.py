"""Bytes by operator: inputs and results once, views and bare memory free."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmbench.profile.flops import count_flops
from mmbench.profile.traffic import tensor_bytes

B, D, H = 3, 8, 12
FLOAT, INDEX = 4, 8


def moved(work: Callable[[], object]) -> int:
    with torch.inference_mode():
        return count_flops(lambda _: work(), None, batch_size=1).bytes


def test_linear_layer_reads_weight_bias_and_input_and_writes_its_result():
    layer, x = nn.Linear(D, H), torch.rand(B, D)
    assert moved(lambda: layer(x)) == FLOAT * (D * H + H + B * D + B * H)


def test_bytes_follow_the_number_format():
    x = torch.rand(B, D, dtype=torch.float64)
    assert moved(lambda: x + 1) == 8 * 2 * B * D
    assert moved(x.half) == (8 + 2) * B * D


def test_operand_given_twice_is_read_once():
    x = torch.rand(B, D)
    assert moved(lambda: x + x) == FLOAT * 2 * B * D
    assert moved(lambda: torch.cat([x, x])) == FLOAT * 3 * B * D


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.view(-1),
        lambda x: x.reshape(D, B),
        lambda x: x.T,
        lambda x: x[1:, ::2],
        lambda x: x.unsqueeze(0).expand(5, B, D),
        lambda x: x.split(2),
        lambda x: x.detach(),
        lambda x: x.contiguous(),
        lambda x: x.to(torch.float32),
        lambda x: x.unsqueeze_(0).squeeze_(0),
        lambda x: F.dropout(x, 0.5, training=False),
        torch.empty_like,
        lambda x: x.shape,
    ],
)
def test_views_and_bare_memory_are_free(view: Callable[[Tensor], object]):
    def work() -> None:
        view(x)

    x = torch.rand(B, D)
    assert moved(work) == 0


def test_work_in_place_reads_and_writes_what_it_changes():
    x, y = torch.rand(B, D), torch.rand(B, D)
    assert moved(lambda: x.add_(y)) == FLOAT * 3 * B * D
    assert moved(lambda: torch.add(x, y, out=torch.empty(B, D))) == FLOAT * 3 * B * D


def test_overwriting_does_not_read():
    x, y = torch.rand(B, D), torch.rand(B, D)
    assert moved(lambda: x.copy_(y)) == FLOAT * 2 * B * D
    assert moved(x.zero_) == FLOAT * B * D
    assert moved(lambda: torch.ones_like(x)) == FLOAT * B * D
    assert moved(lambda: torch.zeros(B, D)) == FLOAT * B * D


def test_choosing_rows_does_not_read_the_whole_table():
    table, rows = torch.rand(1000, D), torch.tensor([1, 2, 7])
    expected = 3 * INDEX + 2 * FLOAT * 3 * D
    assert moved(lambda: F.embedding(rows, table)) == expected
    assert moved(lambda: table.index_select(0, rows)) == expected
    assert moved(lambda: table[rows]) == expected


def test_placing_rows_does_not_write_the_whole_table():
    table, rows, values = torch.zeros(1000, D), torch.tensor([1, 2, 7]), torch.rand(3, D)
    given = 3 * INDEX + 3 * D * FLOAT
    assert moved(lambda: table.index_copy_(0, rows, values)) == 3 * given


def test_assignment_to_a_slice_moves_the_slice():
    def work() -> None:
        table[2:5] = values

    table, values = torch.zeros(1000, D), torch.rand(3, D)
    assert moved(work) == FLOAT * 2 * 3 * D


def test_tensor_bytes():
    x = torch.rand(B, D)
    assert tensor_bytes(x) == FLOAT * B * D
    assert tensor_bytes(x.T) == FLOAT * B * D
    assert tensor_bytes(x[:, :1].expand(B, D)) == FLOAT * B
    assert tensor_bytes(torch.tensor(1.0)) == FLOAT
    assert tensor_bytes(torch.rand(0, D)) == 0
    assert tensor_bytes(torch.rand(0, 1).expand(0, D)) == 0
    assert tensor_bytes(torch.eye(D).to_sparse()) == FLOAT * D * D
