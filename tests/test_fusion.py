"""The contract of a fusion: what its base refuses, and the masked mean that strategies are built from."""

import pytest
import torch

from mmbench.fusion import Fusion, masked_mean, present


def test_masked_mean_by_hand():
    features = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [float("nan"), float("inf")]], [[5.0, 5.0]] * 3])
    mask = torch.tensor([[True, True, False], [False] * 3])
    torch.testing.assert_close(masked_mean(features, mask), torch.tensor([[2.0, 4.0], [0.0, 0.0]]))
    assert masked_mean(features.half(), mask).dtype == torch.float16


def test_gradient_of_masked_mean_by_hand():
    """Each token that is there has an equal part; what is masked has none, whatever it holds."""
    features = torch.tensor([[[1.0], [2.0], [float("nan")]], [[float("inf")]] * 3], requires_grad=True)
    masked_mean(features, torch.tensor([[True, True, False], [False] * 3])).sum().backward()
    assert features.grad.squeeze(-1).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]


def test_masked_mean_without_tokens_or_samples():
    assert masked_mean(torch.ones(2, 0, 3), torch.ones(2, 0, dtype=torch.bool)).tolist() == [[0.0] * 3] * 2
    assert masked_mean(torch.ones(0, 4, 3), torch.ones(0, 4, dtype=torch.bool)).shape == (0, 3)


def test_present_by_hand():
    mask = torch.tensor([[True, True], [False, True], [False, False]])
    assert present(mask).tolist() == [True, True, False]
    assert present(mask[:, :0]).tolist() == [False] * 3


class First(Fusion):
    """The first modality's mean."""

    def forward(self, features, mask):
        return masked_mean(features[self.modalities[0]], mask[self.modalities[0]])


class Pair(First):
    arity = (2, 2)


class Few(First):
    arity = (2, 3)


class Several(First):
    arity = (2, None)


@pytest.mark.parametrize(
    ("fusion", "count", "message"),
    [
        (First, 0, "First fuses at least 1 modalities"),
        (Pair, 1, "Pair fuses exactly 2 modalities, not a$"),
        (Pair, 3, "Pair fuses exactly 2 modalities, not a, b, c"),
        (Few, 1, "Few fuses 2 to 3 modalities, not a$"),
        (Few, 4, "Few fuses 2 to 3 modalities, not a, b, c, d"),
        (Several, 1, "Several fuses at least 2 modalities, not a$"),
    ],
)
def test_number_of_modalities_that_a_strategy_does_not_take(fusion, count, message):
    with pytest.raises(ValueError, match=message):
        fusion("abcd"[:count], 8)


@pytest.mark.parametrize(("fusion", "counts"), [(First, (1, 4)), (Pair, (2,)), (Few, (2, 3)), (Several, (2, 4))])
def test_number_of_modalities_that_a_strategy_takes(fusion, counts):
    for count in counts:
        built = fusion(list("abcd"[:count]), 8)
        assert built.modalities == tuple("abcd"[:count])
        assert built.width == 8


def test_strategy_must_say_how_it_fuses():
    class Nothing(Fusion):
        pass

    with pytest.raises(TypeError, match="abstract"):
        Nothing(["image"], 8)
