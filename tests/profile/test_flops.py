"""The FLOPs pass: stages, what is listed as not counted, and what it leaves as it was."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import flop_registry, register_flop_formula

import mmbench_baselines  # noqa: F401
from mmbench.fusion import Fusion
from mmbench.profile.flops import count_flops
from mmbench.profile.results import FlopsPass
from mmbench.profile.stage import stage
from mmbench.registry import registry

B, D = 3, 8


def counted(work: Callable[[Tensor], object], batch: Tensor | None = None) -> FlopsPass:
    return count_flops(work, torch.rand(B, D) if batch is None else batch, batch_size=B)


@torch.library.custom_op("mmbench_test::project", mutates_args=())
def project(x: Tensor) -> Tensor:
    return x @ x.T


@pytest.fixture
def formula_of_project() -> Iterator[None]:
    operator = torch.ops.mmbench_test.project
    register_flop_formula(operator)(lambda x_shape, out_shape, **_: 2 * x_shape[0] ** 2 * x_shape[1])
    yield
    del flop_registry[operator]


def staged(x: Tensor) -> None:
    first, inner, outside = nn.Linear(D, 4), nn.Linear(D, 5), nn.Linear(D, 6)
    with stage("encode"):
        first(x)
        with stage("inner"):
            inner(x)
        first(x)
    outside(x)
    with stage("head"):
        first(x)


@pytest.mark.parametrize("grad", [torch.no_grad, torch.inference_mode])
def test_each_stage_has_its_own_work_without_that_of_nested_ones(grad):
    with grad():
        found = counted(staged)
    flops = {each.name: each.flops for each in found.stages}
    unit = 2 * B * D
    assert list(flops) == ["encode", "inner", "head", "other"]
    assert flops == {"encode": 2 * unit * 4, "inner": unit * 5, "head": unit * 4, "other": unit * 6}


def test_stages_sum_to_the_whole():
    found = counted(staged)
    assert sum(each.flops for each in found.stages) == found.flops > 0
    assert sum(each.bytes for each in found.stages) == found.bytes > 0
    assert found.flops_per_sample == found.flops / B


def test_stage_that_does_nothing_is_there():
    def idle(_: Tensor) -> None:
        with stage("idle"):
            pass

    assert [(each.name, each.flops, each.bytes) for each in counted(idle).stages] == [("idle", 0, 0), ("other", 0, 0)]


@pytest.mark.parametrize("grad", [torch.no_grad, torch.inference_mode])
def test_unknown_operators_are_listed_with_their_calls(grad):
    def work(x: Tensor) -> None:
        project(x)
        project(x)
        torch.fft.rfft(x)
        torch.cdist(x, x)
        torch.linalg.inv(x.T @ x + torch.eye(D))

    with grad():
        found = counted(work)
    assert found.not_counted["mmbench_test::project"] == 2
    assert {"aten::_fft_r2c", "aten::_cdist_forward", "aten::linalg_inv_ex"} <= set(found.not_counted)
    assert found.flops == 2 * D * B * D


def test_short_time_fourier_transform_is_listed():
    found = counted(lambda x: torch.stft(x, 64, window=torch.ones(64), return_complex=True), torch.rand(B, 400))
    assert found.not_counted == {"aten::_fft_r2c": 1}


def test_quantised_integer_and_sparse_products_are_listed():
    whole = torch.ones(B, B, dtype=torch.int64)
    assert counted(lambda _: whole @ whole).not_counted == {"aten::mm": 1}
    sparse = torch.eye(B).to_sparse()
    assert "aten::mm" in counted(lambda x: torch.mm(sparse, x)).not_counted
    per_row = torch.ones(4, D, dtype=torch.int8), torch.ones(4)
    found = counted(lambda x: torch._weight_int8pack_mm(x.bfloat16(), per_row[0], per_row[1].bfloat16()))
    assert found.not_counted == {"aten::_weight_int8pack_mm": 1}


@pytest.mark.usefixtures("formula_of_project")
def test_formula_that_the_user_registers_counts():
    found = counted(project)
    assert (found.flops, found.not_counted) == (2 * B * B * D, {})


def test_pointwise_work_moves_and_reductions_count_none_by_convention():
    def work(x: Tensor) -> None:
        y = F.gelu(x + 1) * x.sigmoid_() - x.mean(0)
        y = torch.cat([y, F.layer_norm(y, [D]), y.softmax(-1), F.dropout(y, 0.5), y.clamp(0, 1)]).cumsum(0)
        y[0] = 0
        y.masked_fill_(y > 0.5, 0)
        (y.topk(2), y.sort(), y.std(), y.norm(), y.argmax().item(), y.index_select(0, torch.tensor([1])))
        F.max_pool1d(y.unsqueeze(0), 2), F.interpolate(y[None, None], scale_factor=2.0, mode="bilinear")
        F.embedding(torch.tensor([[1, 2]]), y), F.batch_norm(y, y.mean(0), y.var(0)), F.pad(y, (1, 1), "reflect")
        F.cross_entropy(y, torch.zeros(len(y), dtype=torch.int64)), torch.where(y > 0, y, 0), F.normalize(y)
        (y > 0)[:, None] * (y > 0)[None]

    for grad in (torch.no_grad, torch.inference_mode):
        with grad():
            found = counted(work)
        assert (found.flops, found.not_counted) == (0, {})
        assert found.bytes > 0


@pytest.mark.parametrize("enabled", [True, False])
def test_fast_path_is_as_it_was_afterwards_even_if_the_model_fails(enabled):
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(enabled)
    seen = []

    def fail(_: Tensor) -> None:
        seen.append(torch.backends.mha.get_fastpath_enabled())
        raise ZeroDivisionError

    try:
        with pytest.raises(ZeroDivisionError), stage("before"):
            counted(fail)
        assert seen == [False]
        assert torch.backends.mha.get_fastpath_enabled() is enabled
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def test_counting_does_not_load_the_compiler():
    program = """
import sys, torch
from mmbench.profile.flops import count_flops
found = count_flops(torch.nn.Linear(8, 4), torch.rand(3, 8), batch_size=3)
print(found.flops, "torch._dynamo" in sys.modules)
"""
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.split() == [str(2 * 3 * 8 * 4), "False"]


def test_compiled_model_counts_as_the_plain_one():
    layer = nn.Linear(D, 4)
    compiled_runs = []

    def backend(graph: torch.fx.GraphModule, _: list[Tensor]) -> Callable[..., object]:
        def run(*args: Tensor) -> object:
            compiled_runs.append(len(args))
            return [project(args[-1])]

        return run

    compiled = torch.compile(layer, backend=backend)
    with torch.no_grad():
        compiled(torch.rand(B, D))
        assert len(compiled_runs) == 1
        found = counted(compiled)
        assert (found.flops, found.not_counted) == (2 * B * D * 4, {})
        compiled(torch.rand(B, D))
    assert len(compiled_runs) == 2


def test_result_is_that_of_the_model_alone():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(D, 2, 12, batch_first=True), 2).eval()
    network, x = nn.LSTM(D, 12, batch_first=True), torch.rand(B, 5, D)
    outputs = []
    with torch.inference_mode():
        counted(lambda x: outputs.extend([encoder(x), network(x)[0]]), x)
        torch.testing.assert_close(outputs, [encoder(x), network(x)[0]])


def test_batch_without_samples_is_refused():
    with pytest.raises(ValueError, match="batch_size is 0"):
        count_flops(lambda x: x, torch.rand(0, D), batch_size=0)


@pytest.mark.parametrize("name", registry.names("fusion"))
@pytest.mark.parametrize("grad", [torch.no_grad, torch.inference_mode])
def test_every_fusion_can_be_counted(name, grad):
    cls: type[Fusion] = registry.load("fusion", name)
    names = ["image", "text", "audio"][: cls.arity[1] or 3]
    tokens = [1, 1, 1] if cls.level == "decision" else [3, 5, 2]
    fusion = cls(names, 16).eval()
    features = {m: torch.rand(B, t, 16) for m, t in zip(names, tokens, strict=False)}
    masks = {m: torch.ones(x.shape[:2], dtype=torch.bool) for m, x in features.items()}
    with grad():
        found = count_flops(lambda x: fusion(x, masks), features, batch_size=B)
    assert found.bytes > 0
    if cls.level == "decision":  # these weigh and add, which counts none
        assert (found.flops, found.not_counted) == (0, {})
    else:
        assert found.flops > 0
        assert set(found.not_counted) <= {"aten::_fft_r2c", "aten::_fft_c2r"}
