"""Each property of `check_fusion` against a fusion that breaks it and nothing else before it."""

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mmbench.errors import UsageError
from mmbench.fusion import Fusion, masked_mean, present
from mmbench.testing import check_fusion


class Good(Fusion):
    """Mean of projected vectors: what the broken ones below depart from."""

    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.project = nn.ModuleList(nn.Linear(width, width) for _ in self.modalities)

    def vectors(self, features, mask):
        return [
            project(masked_mean(features[m], mask[m])) * present(mask[m]).unsqueeze(-1)
            for m, project in zip(self.modalities, self.project, strict=True)
        ]

    def forward(self, features, mask):
        return torch.stack(self.vectors(features, mask)).mean(dim=0)


class TakesTwo(Good):
    arity = (2, 2)


class StartsAtZero(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.output = nn.Linear(width, width)
        nn.init.zeros_(self.output.weight)

    def forward(self, features, mask):
        return self.output(super().forward(features, mask))


class BatchNormed(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.norm = nn.BatchNorm1d(width)

    def forward(self, features, mask):
        return self.norm(super().forward(features, mask))


class BranchesOnValues(Good):
    def forward(self, features, mask):
        output = super().forward(features, mask)
        return output if all(m.any() for m in mask.values()) else output + 0.0


class PicksRows(Good):
    def forward(self, features, mask):
        output = super().forward(features, mask)
        some = torch.stack([present(m) for m in mask.values()]).any(dim=0)
        return output.index_put((some.nonzero().flatten(),), output[some])


class NeverRefuses(Good):
    arity = (2, 3)

    def __init__(self, modalities, width):
        self.arity = (1, None)
        super().__init__(modalities, width)


class ForgetsModalities(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.modalities = [*modalities]


class ParametersInList(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.factors = [nn.Parameter(torch.ones(width)) for _ in modalities]

    def forward(self, features, mask):
        vectors = self.vectors(features, mask)
        return sum(f * v for f, v in zip(self.factors, vectors, strict=True))


class ModulesInDict(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.layers = {m: (nn.Linear(width, width),) for m in modalities}

    def forward(self, features, mask):
        return sum(self.layers[m][0](masked_mean(features[m], mask[m])) for m in self.modalities)


class PlainTensor(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.gains = torch.ones(width)

    def forward(self, features, mask):
        return self.gains * super().forward(features, mask)


class KeepsTokens(Good):
    def forward(self, features, mask):
        return super().forward(features, mask).unsqueeze(1)


class SoftmaxOfNothing(Good):
    def forward(self, features, mask):
        here = torch.stack([present(mask[m]) for m in self.modalities], dim=1)
        weights = torch.zeros(here.shape, device=here.device).masked_fill(~here, -torch.inf).softmax(dim=1)
        return (weights.unsqueeze(-1) * torch.stack(self.vectors(features, mask), dim=1)).sum(dim=1)


class WritesItsInputs(Good):
    def forward(self, features, mask):
        with torch.no_grad():
            features[self.modalities[0]].mul_(2.0)
        return super().forward(features, mask)


class WritesItsMasks(Good):
    def forward(self, features, mask):
        mask[self.modalities[0]][:, 0] = True
        return super().forward(features, mask)


class NoGraph(Good):
    def forward(self, features, mask):
        return super().forward(features, mask).detach()


class UnusedParameter(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.spare = nn.Linear(width, width)


class SilencedParameter(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.shift = nn.Parameter(torch.zeros(()))

    def forward(self, features, mask):
        return super().forward(features, mask) + 0.0 * self.shift


class DetachedInput(Good):
    def forward(self, features, mask):
        first = self.modalities[0]
        return super().forward({**features, first: features[first].detach()}, mask)


class MasksTooLate(Good):
    def forward(self, features, mask):
        return sum(
            masked_mean(project(features[m]), mask[m]) for m, project in zip(self.modalities, self.project, strict=True)
        )


class DropoutInEval(Good):
    def forward(self, features, mask):
        return F.dropout(super().forward(features, mask), 0.5)


class LayerMadeAnew(Good):
    def forward(self, features, mask):
        return nn.Linear(self.width, self.width)(super().forward(features, mask))


class ChangesWithMode(Good):
    offset = 0.0

    def train(self, mode=True):
        self.offset += 1.0 if mode else 0.0
        return super().train(mode)

    def forward(self, features, mask):
        return super().forward(features, mask) + self.offset


class AttendsAcrossBatch(Good):
    def forward(self, features, mask):
        fused = super().forward(features, mask)
        return (fused @ fused.T).softmax(dim=-1) @ fused


class ReadsByOrder(Good):
    def forward(self, features, mask):
        features, mask = (dict(zip(self.modalities, both.values(), strict=True)) for both in (features, mask))
        return super().forward(features, mask)


class IgnoresMask(Good):
    def forward(self, features, mask):
        return super().forward(features, {m: torch.ones_like(x) for m, x in mask.items()})


class MultipliesByMask(Good):
    def forward(self, features, mask):
        # NaN · 0 is NaN.
        product = {m: x * mask[m].unsqueeze(-1) for m, x in features.items()}
        return super().forward(product, {m: torch.ones_like(x) for m, x in mask.items()})


class DividesByLength(Good):
    def forward(self, features, mask):
        clean = {m: torch.where(mask[m].unsqueeze(-1), x, 0.0) for m, x in features.items()}
        return sum(project(clean[m].mean(dim=1)) for m, project in zip(self.modalities, self.project, strict=True))


class MissingSilencesAll(Good):
    def forward(self, features, mask):
        return torch.stack(self.vectors(features, mask)).prod(dim=0)


class AlwaysSingle(Good):
    def forward(self, features, mask):
        return super().forward(features, mask).float()


class NeedsSingle(Good):
    def forward(self, features, mask):
        return super().forward(features, mask) @ torch.eye(self.width)


class StaysOnCPU(Good):
    def forward(self, features, mask):
        fused = super().forward(features, mask)
        return torch.cat([fused, torch.zeros(len(fused), 1, dtype=fused.dtype)], dim=1)[:, : self.width]


class RandomAttribute(Good):
    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.gain = 1.0 + torch.rand(()).item()

    def forward(self, features, mask):
        return self.gain * super().forward(features, mask)


@pytest.mark.parametrize("fusion", [Good, TakesTwo, StartsAtZero, BatchNormed, BranchesOnValues, PicksRows])
def test_sound_fusion_passes(fusion):
    check_fusion(fusion)


@pytest.mark.parametrize(
    ("fusion", "message"),
    [
        (NeverRefuses, "does not refuse 1 modalities with a ValueError"),
        (ForgetsModalities, "it is built as Fusion(modalities, width): its modalities are ['image']"),
        (ParametersInList, "is registered: factors holds a tensor that is no parameter or buffer"),
        (ModulesInDict, "is registered: layers holds a module outside ModuleList or ModuleDict"),
        (PlainTensor, "is registered: gains holds a tensor that is no parameter or buffer"),
        (KeepsTokens, "the output is [B, D]: [B, D] is [2, 16], the output [2, 1, 16]"),
        (SoftmaxOfNothing, "finite, whatever is missing: not finite with every modality missing"),
        (WritesItsInputs, "leaves its inputs as they are: the features of image were changed in place"),
        (WritesItsMasks, "leaves its inputs as they are: the mask of image was changed in place"),
        (DropoutInEval, "deterministic in eval mode: two calls on the same batch differ"),
        (LayerMadeAnew, "deterministic in eval mode: two calls on the same batch differ"),
        (ChangesWithMode, "deterministic in eval mode: train() and eval() in between change the output"),
        (AttendsAcrossBatch, "treats each sample by itself: a sample alone and in a batch differ"),
        (ReadsByOrder, "reads modalities by name: another order of the mappings changes the output"),
        (IgnoresMask, "nothing under a mask matters: 10000.0 in masked tokens changes the output"),
        (MultipliesByMask, "nothing under a mask matters: inf in masked tokens changes the output"),
        (DividesByLength, "nothing under a mask matters: two more masked tokens change the output"),
        (NoGraph, "gets a gradient: the output has no graph"),
        (UnusedParameter, "gets a gradient: parameter spare.weight gets none"),
        (SilencedParameter, "gets a gradient: parameter shift gets only zeros"),
        (DetachedInput, "gets a gradient: the features of image gets none"),
        (MasksTooLate, "gets a gradient: parameter project.0.weight gets one that is not finite"),
        (
            MissingSilencesAll,
            "uses each modality that is there: other values of image do not change it with only image",
        ),
        (AlwaysSingle, "moves to another dtype: float64 in, torch.float32 out"),
        (NeedsSingle, "moves to another dtype: RuntimeError"),
        (StaysOnCPU, "moves to another device: RuntimeError"),
        (RandomAttribute, "can be stored and loaded: a new instance with the same state gives another output"),
    ],
)
def test_broken_fusion_is_caught(fusion, message):
    with pytest.raises(AssertionError, match=re.escape(message)) as caught:
        check_fusion(fusion)
    assert str(caught.value).startswith(fusion.__name__)


def test_modalities_narrow_the_check():
    with pytest.raises(AssertionError, match="with image, text: it uses each"):
        check_fusion(MissingSilencesAll, modalities=("image", "text"))
    check_fusion(MissingSilencesAll, modalities=("audio",))


def test_more_modalities_than_patterns_fit():
    check_fusion(Good, modalities=[f"sensor{i}" for i in range(7)])


def test_what_is_no_fusion_is_refused():
    with pytest.raises(AssertionError, match=r"is not a subclass of mmbench\.fusion\.Fusion"):
        check_fusion(nn.Linear)


def test_unknown_name_is_refused():
    with pytest.raises(UsageError, match="did you mean 'concat'"):
        check_fusion("conact")


def test_random_state_and_grad_mode_of_the_caller_are_kept():
    before = torch.get_rng_state()
    with torch.no_grad():
        check_fusion(Good)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), before)
