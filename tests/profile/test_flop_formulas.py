"""Counted work equals closed forms, to the integer, however PyTorch runs an operator. A multiply-add counts two."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from mmbench.profile.flop_formulas import count, find_formula
from mmbench.profile.flops import count_flops
from mmbench.profile.results import FlopsPass

B, T, D, H = 3, 5, 8, 12

Grad = Callable[[], AbstractContextManager[None]]


@pytest.fixture(params=[torch.inference_mode, torch.no_grad])
def grad(request: pytest.FixtureRequest) -> Grad:
    return request.param


def counted(grad: Grad, work: Callable[[], object]) -> FlopsPass:
    def run(_: None) -> object:
        with grad():
            return work()

    return count_flops(run, None, batch_size=B)


def check(grad: Grad, expected: int, work: Callable[[], object]) -> None:
    found = counted(grad, work)
    assert (found.flops, found.not_counted) == (expected, {})


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(D,), (B, D), (B, T, D)])
def test_linear(grad: Grad, shape: tuple[int, ...], bias: bool):
    layer, inputs = nn.Linear(D, H, bias), torch.rand(shape)
    check(grad, 2 * inputs.numel() * H, lambda: layer(inputs))


def test_model_that_keeps_a_graph_counts_the_same():
    layer, network = nn.Linear(D, H), nn.LSTM(H, D, batch_first=True)
    expected = 2 * B * T * (D * H + 4 * D * (H + D))
    check(torch.enable_grad, expected, lambda: network(layer(torch.rand(B, T, D))))


def test_products(grad: Grad):
    matrix, vector, batch = torch.rand(D, H), torch.rand(H), torch.rand(B, D, H)
    check(grad, 2 * D * H, lambda: matrix @ vector)
    check(grad, 2 * H, lambda: vector @ vector)
    check(grad, 2 * B * D * H * D, lambda: batch @ matrix.T)
    check(grad, 2 * B * D * H * D, lambda: torch.baddbmm(torch.rand(D, D), batch, batch.mT))
    check(grad, 2 * B * D * H * D, lambda: torch.addbmm(torch.rand(D, D), batch, batch.mT))
    check(grad, 2 * D * H, lambda: torch.addmv(torch.rand(D), matrix, vector))
    check(grad, 2 * H * H, lambda: torch.addr(torch.rand(H, H), vector, vector))
    check(grad, 2 * D * H * D, lambda: torch.zeros(D, D).addmm_(matrix, matrix.T))
    check(grad, 2 * D * H * D, lambda: torch.mm(matrix, matrix.T, out=torch.empty(0)))


def test_complex_multiply_add_is_eight(grad: Grad):
    matrix = torch.rand(D, H, dtype=torch.complex64)
    check(grad, 8 * D * H * D, lambda: matrix @ matrix.T)


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 0, 1), (2, 1, 1), (1, 2, 2), (3, 2, 2)])
def test_convolution(grad: Grad, groups: int, bias: bool, stride: int, padding: int, dilation: int):
    length, kernel = 13, 3
    out = (length + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1
    layers = [
        layer(D, H, kernel, stride, padding, dilation, groups, bias=bias) for layer in (nn.Conv1d, nn.Conv2d, nn.Conv3d)
    ]
    for dims, layer in enumerate(layers, start=1):
        inputs = torch.rand(B, D, *[length] * dims)
        expected = 2 * B * H * out**dims * (D // groups) * kernel**dims
        check(grad, expected, lambda layer=layer, inputs=inputs: layer(inputs))


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_convolution(grad: Grad, groups: int, stride: int):
    layer = nn.ConvTranspose2d(D, H, 3, stride=stride, padding=1, groups=groups)
    check(grad, 2 * B * D * 7 * 6 * (H // groups) * 9, lambda: layer(torch.rand(B, D, 7, 6)))


@pytest.mark.parametrize("causal", [False, True])
def test_scaled_dot_product_attention(grad: Grad, causal: bool):
    query, key, value = torch.rand(B, 2, T, 4), torch.rand(B, 2, 7, 4), torch.rand(B, 2, 7, 4)
    expected = 2 * B * 2 * T * 7 * (4 + 4)
    check(grad, expected, lambda: F.scaled_dot_product_attention(query, key, value, is_causal=causal))


@pytest.mark.parametrize("backend", [torch.nn.attention.SDPBackend.MATH, torch.nn.attention.SDPBackend.FLASH_ATTENTION])
def test_attention_counts_the_same_by_each_kernel(grad: Grad, backend: torch.nn.attention.SDPBackend):
    query, key = torch.rand(B, 4, T, 8), torch.rand(B, 2, T, 8)
    with torch.nn.attention.sdpa_kernel(backend):
        check(
            grad,
            2 * B * 4 * T * T * 16,
            lambda: F.scaled_dot_product_attention(query, key, key, enable_gqa=True),
        )


def attention_flops(queries: int, keys: int) -> int:
    projections = 2 * B * D * D * (2 * queries + 2 * keys)
    return projections + 2 * B * queries * keys * 2 * D


@pytest.mark.parametrize("need_weights", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_multi_head_attention(grad: Grad, need_weights: bool, training: bool):
    layer = nn.MultiheadAttention(D, 2, batch_first=True).train(training)
    x, other = torch.rand(B, T, D), torch.rand(B, 7, D)
    check(grad, attention_flops(T, T), lambda: layer(x, x, x, need_weights=need_weights))
    check(grad, attention_flops(T, 7), lambda: layer(x, other, other, need_weights=need_weights))


@pytest.mark.parametrize("masked", [False, True])
def test_transformer_encoder_in_evaluation(grad: Grad, masked: bool):
    layer = nn.TransformerEncoderLayer(D, 2, dim_feedforward=H, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).eval()
    mask = torch.zeros(B, T, dtype=torch.bool)
    mask[0, 3:] = True
    expected = 2 * (attention_flops(T, T) + 2 * B * T * D * H * 2)
    check(grad, expected, lambda: encoder(torch.rand(B, T, D), src_key_padding_mask=mask if masked else None))


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("packed", [False, True])
def test_recurrent(grad: Grad, kind: type[nn.RNNBase], gates: int, layers: int, directions: int, packed: bool):
    network = kind(D, H, layers, batch_first=True, bidirectional=directions == 2)
    padded, lengths = torch.rand(B, T, D), torch.tensor([T, 4, 1])
    inputs = pack_padded_sequence(padded, lengths, batch_first=True) if packed else padded
    steps = int(lengths.sum()) if packed else B * T
    first = directions * gates * H * (D + H)
    later = directions * gates * H * (directions * H + H)
    check(grad, 2 * steps * (first + (layers - 1) * later), lambda: network(inputs))


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
def test_recurrent_cells_and_projection(grad: Grad):
    inputs = torch.rand(B, D)
    check(grad, 2 * B * 4 * H * (D + H), lambda: nn.LSTMCell(D, H)(inputs))
    check(grad, 2 * B * 3 * H * (D + H), lambda: nn.GRUCell(D, H)(inputs))
    projected = nn.LSTM(D, H, proj_size=2, batch_first=True)
    check(grad, 2 * B * T * (4 * H * (D + 2) + H * 2), lambda: projected(torch.rand(B, T, D)))


def test_bilinear(grad: Grad):
    left, right, outputs = 4, 6, 7
    layer = nn.Bilinear(left, right, outputs)
    expected = 2 * B * outputs * left * right + 2 * B * outputs * right
    check(grad, expected, lambda: layer(torch.rand(B, left), torch.rand(B, right)))


def test_outer_products_count_one_a_product(grad: Grad):
    left, right = torch.rand(B, 4), torch.rand(B, 6)
    check(grad, B * 4 * 6, lambda: torch.einsum("bi,bj->bij", left, right))
    check(grad, B * 4 * 6, lambda: left.unsqueeze(2) * right.unsqueeze(1))
    check(grad, 4 * 6, lambda: torch.outer(left[0], right[0]))


def test_einsum_that_contracts(grad: Grad):
    left, weight, right = torch.rand(B, 4), torch.rand(7, 4, 6), torch.rand(B, 6)
    check(grad, 2 * B * 4 * 6, lambda: torch.einsum("bi,ij->bj", left, weight[0]))
    check(grad, 2 * B * 7 * 4 * 6 + 2 * B * 7 * 6, lambda: torch.einsum("bi,oij,bj->bo", left, weight, right))


def test_tensor_fusion_of_three(grad: Grad):
    sides = (4, 5, 6)
    layer = nn.Linear(4 * 5 * 6, D)

    def work() -> Tensor:
        fused = torch.ones(B, 1)
        for side in sides:
            fused = (fused.unsqueeze(-1) * torch.rand(B, side).unsqueeze(-2)).flatten(1)
        return layer(fused)

    # The first product is with a one and spreads only one operand.
    check(grad, B * 4 * 5 + B * 4 * 5 * 6 + 2 * B * 4 * 5 * 6 * D, work)


def test_fused_recurrent_operators_of_accelerators_have_the_same_closed_form():
    network = nn.LSTM(D, H, 2, bidirectional=True)
    formula = find_formula(torch.ops.aten._cudnn_rnn.default)
    assert formula is not None
    expected = 2 * B * T * 2 * 4 * H * ((D + H) + (2 * H + H))
    assert count(formula, (torch.rand(T, B, D), list(network.parameters()), 4), {}, None) == expected


@pytest.mark.parametrize("name", ["cudnn_convolution", "mkldnn_convolution", "_conv_depthwise2d"])
def test_convolutions_of_single_backends_have_the_same_closed_form(name: str):
    formula = find_formula(getattr(torch.ops.aten, name).default)
    assert formula is not None
    inputs, weight, result = torch.rand(B, D, 9, 9), torch.rand(H, D // 2, 3, 3), torch.rand(B, H, 7, 7)
    assert count(formula, (inputs, weight, None, [1, 1]), {}, result) == 2 * B * H * 49 * (D // 2) * 9
