"""The bilinear fusions: all conform at odd widths, have the documented sizes, and learn what no sum can."""

import pytest
import torch
from torch import nn

from mmbench.registry import registry
from mmbench.testing import check_fusion

NAMES = ("image", "text", "audio", "depth")


def tucker_side(m, d):
    """The documented t."""
    return min(d, {2: 40, 3: 16}[m])


def tensor_side(m, d):
    """The documented k."""
    return min(d, {2: 30, 3: 9}[m])


def tucker_parameters(m, d):
    t = tucker_side(m, d)
    return m * (d * t + t) + t ** (m + 1) + t * d + d


def tensor_parameters(m, d):
    k = tensor_side(m, d)
    return m * (d * k + k) + (k + 1) ** m * d + d


def block_parameters(m, d, chunks=4, rank=8):
    side = -(-d // chunks)
    modes = chunks * side
    return m * (d * modes + modes) + m * rank * chunks * side**2 + modes * d + d


BILINEAR = {
    "mfb": lambda m, d: m * 5 * (d**2 + d),
    "mfh": lambda m, d: m * 2 * 5 * (d**2 + d) + 2 * d**2 + d,
    "mcb": lambda m, d: 8 * d**2 + d,
    "tucker": tucker_parameters,
    "mutan": lambda m, d: (m + 1) * (d**2 + d) + m * 5 * d**2,
    "block": block_parameters,
    "tensor": tensor_parameters,
    "lowrank": lambda m, d: m * 4 * (d**2 + d) + 4 + d,
}
"""Parameters of M modalities at width D, as the docstrings state."""


def build(name, count=3, width=7, **options):
    """In double precision, so that references may be compared closely."""
    torch.manual_seed(0)
    return registry.load("fusion", name)(NAMES[:count], width, **options).double()


def inputs(fusion, missing=(), batch=4, scale=1.0):
    """Tokens and masks of a batch, and the means of those that are there, [B, D] each."""
    generator = torch.Generator().manual_seed(1)
    features = {
        m: scale * torch.randn(batch, 2 + i, fusion.width, generator=generator, dtype=torch.float64)
        for i, m in enumerate(fusion.modalities)
    }
    mask = {m: torch.full(x.shape[:2], m not in missing) for m, x in features.items()}
    return features, mask, [features[m].mean(dim=1) for m in fusion.modalities]


def fuse(fusion, features, mask):
    with torch.no_grad():
        return fusion(features, mask)


@pytest.mark.parametrize("name", BILINEAR)
@pytest.mark.parametrize("width", [2, 7])
def test_conforms(name, width):
    check_fusion(name, width=width)


@pytest.mark.parametrize("name", BILINEAR)
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("width", [8, 13, 64])
def test_parameters_are_as_documented(name, count, width):
    parameters = sum(p.numel() for p in build(name, count, width).parameters())
    assert parameters == BILINEAR[name](count, width)
    assert parameters <= 250_000


@pytest.mark.parametrize("name", BILINEAR)
def test_documents_itself(name):
    document = registry.load("fusion", name).__doc__
    for part in ("Source:", "Parameters:", "Modalities:"):
        assert part in document
    stated = BILINEAR[name](2, 64)
    assert f"{stated:,} for" in document


@pytest.mark.parametrize("name", BILINEAR)
@pytest.mark.parametrize("width", [1, 2, 3, 5, 7, 13])
def test_any_width_and_number_of_modalities(name, width):
    for count in (1, 2, 3, 4):
        fusion = build(name, count, width)
        for missing in ((), NAMES[:1], NAMES):
            features, mask, _ = inputs(fusion, missing)
            fused = fuse(fusion, features, mask)
            assert fused.shape == (4, width)
            assert fused.isfinite().all()


@pytest.mark.parametrize("name", BILINEAR)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_in_and_out(name, dtype):
    fusion = build(name, width=8)
    features, mask, _ = inputs(fusion)
    expected = fuse(fusion, features, mask)
    fused = fuse(fusion.to(dtype), {m: x.to(dtype) for m, x in features.items()}, mask)
    assert fused.dtype == dtype
    torch.testing.assert_close(fused.double(), expected, rtol=0.0, atol=0.1)


@pytest.mark.parametrize("name", BILINEAR)
def test_gradients_of_zero_vectors_are_finite(name):
    fusion = build(name)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.zero_()
    features, mask, _ = inputs(fusion)
    features = {m: torch.zeros_like(x).requires_grad_() for m, x in features.items()}
    fusion(features, mask).sum().backward()
    for tensor in (*fusion.parameters(), *features.values()):
        assert tensor.grad.isfinite().all()


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("mfb", "rank"),
        ("mfh", "rank"),
        ("mfh", "blocks"),
        ("mcb", "expansion"),
        ("tucker", "core"),
        ("mutan", "rank"),
        ("block", "chunks"),
        ("block", "rank"),
        ("tensor", "outer"),
        ("lowrank", "rank"),
    ],
)
def test_sizes_less_than_one_are_refused(name, option):
    with pytest.raises(ValueError, match=f"^{option} must be at least 1, not 0$"):
        build(name, **{option: 0})


@pytest.fixture
def one_thread():
    """Small layers gain nothing from threads, and lose much where other work wants the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def parity_accuracy(name, count):
    """Fresh-sample accuracy of linear encoders, the fusion and a linear head on the product of one sign a modality."""
    torch.manual_seed(0)
    names = NAMES[:count]
    encoders = nn.ModuleList(nn.Linear(4, 8) for _ in names)
    fusion, head = registry.load("fusion", name)(names, 8), nn.Linear(8, 1)
    mask = {m: torch.ones(128, 1, dtype=torch.bool) for m in names}
    optimiser = torch.optim.Adam([p for part in (encoders, fusion, head) for p in part.parameters()], lr=2e-2)

    def margins():
        signs = 2.0 * torch.randint(2, (count, 128, 1, 4)) - 1.0
        tokens = {m: encoder(x) for m, encoder, x in zip(names, encoders, signs, strict=True)}
        return head(fusion(tokens, mask)).squeeze(1) * signs[:, :, 0, 0].prod(dim=0)

    for _ in range(150):
        optimiser.zero_grad()
        nn.functional.softplus(-margins()).mean().backward()
        optimiser.step()
    with torch.no_grad():
        return (margins() > 0).float().mean().item()


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", BILINEAR)
@pytest.mark.parametrize("count", [2, 3])
def test_learns_a_product_of_modalities(name, count):
    assert parity_accuracy(name, count) > 0.97


@pytest.mark.usefixtures("one_thread")
def test_an_additive_fusion_does_not_learn_a_product():
    assert parity_accuracy("weighted", 2) < 0.7
