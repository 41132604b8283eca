"""The bilinear fusions agree with values by hand and with the full tensors that they factorise."""

import pytest
import torch
from torch import nn

from mmbench.registry import registry

NAMES = ("image", "text", "audio")


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


def exact_norm(z):
    """Signed square root and unit length, without any guard at zero."""
    root = z.sign() * z.abs().sqrt()
    return root / root.norm(dim=-1, keepdim=True)


LARGE = 1e3
"""Scale of features at which the guard at zero, a small constant under the roots, is far below the tolerance."""


def low_rank_forms(layers, vectors, shape):
    """Π_m (U_m x_m + u_m), laid out as [B, *shape]."""
    product = 1.0
    for layer, x in zip(layers, vectors, strict=True):
        product = product * (x @ layer.weight.T + layer.bias).reshape(-1, *shape)
    return product.detach()


@pytest.mark.parametrize("count", [2, 3])
def test_mfb_is_a_sum_of_rank_one_forms(count):
    fusion = build("mfb", count, rank=3)
    features, mask, vectors = inputs(fusion, scale=LARGE)
    # Reference: z_i = Σ_j Π_m [x_m; 1]ᵀ u_m,ij, the full form contracted output by output.
    ones = torch.ones(4, 1, dtype=torch.float64)
    z = torch.zeros(4, 7, dtype=torch.float64)
    for output in range(7):
        for factor in range(3):
            row = 3 * output + factor
            forms = [
                torch.cat([x, ones], dim=1) @ torch.cat([layer.weight[row], layer.bias[row : row + 1]])
                for layer, x in zip(fusion.expand, vectors, strict=True)
            ]
            z[:, output] += torch.stack(forms).prod(dim=0).detach()
    torch.testing.assert_close(fuse(fusion, features, mask), exact_norm(z))


def test_mfb_by_hand():
    fusion = build("mfb", 2, 2, rank=2)
    for layer in fusion.expand:
        nn.init.zeros_(layer.bias)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, -1.0]]))
    features = {
        "image": torch.tensor([[[300.0, 500.0]]], dtype=torch.float64),
        "text": torch.tensor([[[800.0, -480.0]]], dtype=torch.float64),
    }
    mask = {m: torch.ones(1, 1, dtype=torch.bool) for m in features}
    # Both outputs sum 300 · 800 and 500 · (-480); the two signs of the second one's last rows cancel.
    torch.testing.assert_close(fuse(fusion, features, mask), torch.zeros(1, 2, dtype=torch.float64))
    features["text"][..., 1] = 720.0
    # Both sum 300 · 800 and 500 · 720, so they are equal in a vector of length 1.
    torch.testing.assert_close(fuse(fusion, features, mask), torch.full((1, 2), 0.5**0.5, dtype=torch.float64))
    mask["text"][:] = False
    # The image's factors alone, 300 + 500 and 300 - 500: √800 and -√200, over √1000.
    expected = torch.tensor([[0.8**0.5, -(0.2**0.5)]], dtype=torch.float64)
    torch.testing.assert_close(fuse(fusion, features, mask), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("count", [2, 3])
def test_mfh_is_a_cascade(count):
    fusion = build("mfh", count, rank=2, blocks=3)
    features, mask, vectors = inputs(fusion, scale=LARGE)
    # Rows are ordered by block, then output, then factor.
    e_1, e_2, e_3 = low_rank_forms(fusion.expand, vectors, (3, 7, 2)).unbind(dim=1)
    blocks = [exact_norm(e.sum(dim=-1)) for e in (e_1, e_1 * e_2, e_1 * e_2 * e_3)]
    expected = fusion.output(torch.cat(blocks, dim=-1)).detach()
    torch.testing.assert_close(fuse(fusion, features, mask), expected)


def test_first_block_of_mfh_is_mfb():
    one, other = build("mfh", rank=3, blocks=1), build("mfb", rank=3)
    other.expand.load_state_dict(one.expand.state_dict())
    nn.init.eye_(one.output.weight)
    nn.init.zeros_(one.output.bias)
    features, mask, _ = inputs(one, missing={"text"})
    torch.testing.assert_close(fuse(one, features, mask), fuse(other, features, mask))


@pytest.mark.parametrize("missing", [(), ("text",)])
@pytest.mark.parametrize("expansion", [3, 8])
def test_mcb_is_the_count_sketch_of_the_outer_product(missing, expansion):
    fusion = build("mcb", 3, 5, expansion=expansion)
    features, mask, vectors = inputs(fusion, missing, scale=LARGE)
    place, sign = fusion.place.tolist(), fusion.sign.tolist()
    there = [index for index, m in enumerate(NAMES) if m not in missing]
    sketch = torch.zeros(4, expansion * 5, dtype=torch.float64)
    for element in torch.cartesian_prod(*[torch.arange(5)] * len(there)).tolist():
        value, at = torch.ones(4, dtype=torch.float64), 0
        for index, i in zip(there, element, strict=True):
            value = value * sign[index][i] * vectors[index][:, i]
            at += place[index][i]
        sketch[:, at % sketch.shape[1]] += value
    expected = fusion.output(exact_norm(sketch)).detach()
    torch.testing.assert_close(fuse(fusion, features, mask), expected, rtol=1e-5, atol=1e-5)


def test_mcb_has_the_same_sketch_whatever_the_seed():
    torch.manual_seed(1)
    one = registry.load("fusion", "mcb")(NAMES[:2], 8)
    torch.manual_seed(2)
    other = registry.load("fusion", "mcb")(NAMES[:2], 8)
    assert not torch.equal(one.output.weight, other.output.weight)
    assert {"place", "sign"} <= set(one.state_dict())
    for name, buffer in one.named_buffers():
        assert torch.equal(buffer, other.get_buffer(name))
    assert set(one.sign.flatten().tolist()) == {-1, 1}
    assert one.place.min() >= 0
    assert one.place.max() < 64
    assert not torch.equal(one.place[0], one.place[1])


def test_mcb_does_not_touch_the_random_state():
    torch.manual_seed(0)
    after_a_layer = nn.Linear(64, 8), torch.rand(1)
    torch.manual_seed(0)
    after_a_fusion = registry.load("fusion", "mcb")(NAMES[:2], 8), torch.rand(1)
    assert torch.equal(after_a_layer[1], after_a_fusion[1])


def projections(fusion, vectors, missing=(), activation=torch.tanh):
    """x̃_m, ones for the missing."""
    return [
        torch.ones_like(project(x)) if m in missing else activation(project(x)).detach()
        for m, project, x in zip(fusion.modalities, fusion.project, vectors, strict=True)
    ]


@pytest.mark.parametrize("missing", [(), ("image",), ("text", "audio"), NAMES])
def test_tucker_is_the_full_contraction(missing):
    fusion = build("tucker", core=300)  # 4 ** 4 = 256 numbers fit, 5 ** 4 do not
    features, mask, vectors = inputs(fusion, missing)
    core = fusion.core.weight.reshape(4, 4, 4, 4)
    z = torch.einsum("kabc,na,nb,nc->nk", core, *projections(fusion, vectors, missing))
    torch.testing.assert_close(fuse(fusion, features, mask), fusion.output(z).detach())


def test_mutan_is_tucker_with_slices_of_low_rank():
    fusion = build("mutan", rank=3)
    features, mask, vectors = inputs(fusion)
    factors = [layer.weight.reshape(3, 7, 7) for layer in fusion.expand]
    core = torch.einsum("rka,rkb,rkc->kabc", *factors)
    z = torch.einsum("kabc,na,nb,nc->nk", core, *projections(fusion, vectors))
    torch.testing.assert_close(fuse(fusion, features, mask), fusion.output(z).detach())


def test_slices_of_mutan_with_two_modalities_have_the_rank():
    fusion = build("mutan", 2, rank=3)
    one, other = (layer.weight.detach().reshape(3, 7, 7) for layer in fusion.expand)
    core = torch.einsum("rka,rkb->kab", one, other)
    assert torch.linalg.matrix_rank(core).tolist() == [3] * 7
    features, mask, vectors = inputs(fusion)
    z = torch.einsum("kab,na,nb->nk", core, *projections(fusion, vectors))
    torch.testing.assert_close(fuse(fusion, features, mask), fusion.output(z).detach())


def test_mutan_without_a_modality_drops_its_factor():
    fusion = build("mutan", rank=3)
    features, mask, vectors = inputs(fusion, missing={"text"})
    image, _, audio = (layer.weight.reshape(3, 7, 7) for layer in fusion.expand)
    x, _, y = projections(fusion, vectors)
    z = torch.einsum("rka,rkb,na,nb->nk", image, audio, x, y)
    torch.testing.assert_close(fuse(fusion, features, mask), fusion.output(z).detach())
    features, mask, _ = inputs(fusion, missing=NAMES)
    expected = fusion.output(torch.full((4, 7), 3.0, dtype=torch.float64)).detach()
    torch.testing.assert_close(fuse(fusion, features, mask), expected)


def test_block_is_tucker_with_a_block_superdiagonal_core():
    fusion = build("block", chunks=3, rank=2)  # chunks of ⌈7 / 3⌉ = 3 numbers, so modes of 9
    features, mask, vectors = inputs(fusion)
    core = torch.zeros(9, 9, 9, 9, dtype=torch.float64)
    for chunk in range(3):
        here = slice(3 * chunk, 3 * chunk + 3)
        core[here, here, here, here] = torch.einsum("rka,rkb,rkc->kabc", *fusion.blocks[:, chunk]).detach()
    z = torch.einsum("kabc,na,nb,nc->nk", core, *projections(fusion, vectors, activation=nn.Identity()))
    torch.testing.assert_close(fuse(fusion, features, mask), fusion.output(z).detach())


def test_block_without_a_modality_drops_its_factor():
    fusion = build("block", chunks=1, rank=2)
    features, mask, vectors = inputs(fusion, missing={"image"})
    _, text, audio = fusion.blocks[:, 0]
    _, x, y = projections(fusion, vectors, activation=nn.Identity())
    z = torch.einsum("rka,rkb,na,nb->nk", text, audio, x, y)
    torch.testing.assert_close(fuse(fusion, features, mask), fusion.output(z).detach())


@pytest.mark.parametrize("missing", [(), ("text",), NAMES])
def test_tensor_is_the_outer_product_with_ones(missing):
    fusion = build("tensor", outer=130)  # 5³ = 125 numbers fit, 6³ do not: four a modality and the one
    features, mask, vectors = inputs(fusion, missing)
    one = torch.ones(4, 1, dtype=torch.float64)
    extended = [
        torch.cat([one, project(x) * (m not in missing)], dim=1)
        for m, project, x in zip(fusion.modalities, fusion.project, vectors, strict=True)
    ]
    assert fusion.output.in_features == 125
    product = torch.einsum("na,nb,nc->nabc", *extended)
    torch.testing.assert_close(fuse(fusion, features, mask), fusion.output(product.flatten(1)).detach())


def test_tensor_of_two_by_hand():
    fusion = build("tensor", 2, 1)
    for project in fusion.project:
        nn.init.ones_(project.weight)
        nn.init.zeros_(project.bias)
    nn.init.zeros_(fusion.output.bias)
    with torch.no_grad():
        fusion.output.weight.copy_(torch.tensor([[1.0, 10.0, 100.0, 1000.0]]))
    features = {"image": torch.full((1, 1, 1), 2.0).double(), "text": torch.full((1, 1, 1), 3.0).double()}
    mask = {m: torch.ones(1, 1, dtype=torch.bool) for m in features}
    # [1; 2] ⊗ [1; 3] = 1, 3, 2, 6
    assert fuse(fusion, features, mask).item() == 1 + 30 + 200 + 6000
    mask["image"][:] = False
    assert fuse(fusion, features, mask).item() == 1 + 30


@pytest.mark.parametrize("missing", [(), ("audio",), NAMES])
def test_lowrank_is_the_full_tensor_contraction(missing):
    fusion = build("lowrank", rank=3)
    with torch.no_grad():
        fusion.weight.copy_(torch.tensor([0.5, -2.0, 3.0]))
        fusion.bias.normal_()
    features, mask, vectors = inputs(fusion, missing)
    factors = [torch.cat([f.weight, f.bias.unsqueeze(1)], dim=1).reshape(3, 7, 8) for f in fusion.expand]
    tensor = torch.einsum("r,roa,rob,roc->oabc", fusion.weight, *factors)
    one = torch.ones(4, 1, dtype=torch.float64)
    extended = [torch.cat([x * (m not in missing), one], dim=1) for m, x in zip(NAMES, vectors, strict=False)]
    expected = torch.einsum("oabc,na,nb,nc->no", tensor, *extended) + fusion.bias
    torch.testing.assert_close(fuse(fusion, features, mask), expected.detach())
