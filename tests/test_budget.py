"""Equal parameters: the width that comes nearest, whatever the strategy, with the encoders as they are."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mmbench.budget import TOLERANCE, count_parameters, solve_width
from mmbench.errors import UsageError
from mmbench.fusion_factory import FusionFactory
from mmbench.model import BuildOptions
from mmbench.registry import registry
from mmbench.sample import Audio, Sample

RNG = np.random.default_rng(0)
IMAGE = Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8))
SOUND = Audio(RNG.standard_normal(4000).astype(np.float32), 8000)
SAMPLES = [
    Sample("a", {"image": IMAGE, "audio": SOUND, "text": "is it red?"}, "yes"),
    Sample("b", {"image": IMAGE, "text": "a blue circle"}, "no"),
    Sample("c", {"audio": SOUND}, "maybe"),
]
ENCODERS = {"image": "cnn,size=16,channels=[4]", "audio": "mel-cnn,channels=[4]", "text": "embedding"}


def takes(name, count):
    least, most = registry.load("fusion", name).arity
    return count >= least and (most is None or count <= most)


EVERY_FUSION = pytest.mark.parametrize(
    ("fusion", "modalities"),
    [
        (name, modalities)
        for name in registry.names("fusion")
        for modalities in (("image", "text"), ("image", "audio", "text"))
        if takes(name, len(modalities))
    ],
)


def create(fusion, modalities, representation="independent", **build):
    encoders = {m: ENCODERS[m] for m in modalities}
    torch.manual_seed(0)
    factory = FusionFactory(fusion, build=BuildOptions(encoders, representation=representation, **build))
    return factory.create("mine", modalities, SAMPLES)


# Any module by its width


def linear(width):
    return nn.Linear(width, 2, bias=False)


@pytest.mark.parametrize(("asked", "width"), [(2, 1), (60, 30), (61, 30), (1000, 500), (1_999_999, 1_000_000)])
def test_width_by_hand(asked, width):
    """A layer of W inputs and 2 outputs has 2 W parameters; 61 is as near to 60 as to 62."""
    assert abs(solve_width(linear, asked) - width) <= asked % 2


def test_tolerance_by_hand():
    """Widths give 10, 20, 30, ... parameters: 21 is within 5 % of 20, 22 is not."""
    assert solve_width(lambda width: nn.Linear(width, 10, bias=False), 21) == 2
    with pytest.raises(UsageError, match="no width gives 22 parameters within 5%; the nearest: 20 and 30"):
        solve_width(lambda width: nn.Linear(width, 10, bias=False), 22)
    assert TOLERANCE == 0.05


def test_too_few_names_the_least():
    with pytest.raises(UsageError, match="900 parameters are too few: the narrowest model has 1,000"):
        solve_width(lambda width: nn.Linear(width, 1000, bias=False), 900)


def test_number_that_is_not_reached():
    with pytest.raises(UsageError, match=r"no width gives 900 parameters within 5%; the nearest: 6$"):
        solve_width(lambda width: nn.Linear(2, 3, bias=False), 900)


def test_number_that_shrinks_between_some_widths():
    """Odd widths cost 3 W, even ones 2 W: the neighbours of where the search ends may be nearer."""
    for asked in (100, 101, 102, 150, 151, 152, 1000, 1001):
        width = solve_width(lambda width: nn.Linear(width, 2 + width % 2, bias=False), asked)
        assert abs((2 + width % 2) * width - asked) <= 2


def test_search_leaves_the_random_state():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    solve_width(linear, 1000)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(UsageError):
        solve_width(linear, 1)
    assert torch.equal(torch.get_rng_state(), before)


def test_frozen_parameters_count():
    layer = nn.Linear(3, 2)
    layer.weight.requires_grad_(False)
    assert count_parameters(layer) == 8


# Every strategy


@EVERY_FUSION
def test_every_fusion_meets_the_budget(fusion, modalities):
    for asked in (20_000, 150_000):
        model = create(fusion, modalities, width=16, parameters=asked)
        assert abs(count_parameters(model) - asked) <= TOLERANCE * asked
        assert model.fusion.width == (3 if model.fusion.level == "decision" else model.config.hidden)
        assert {encoder.width for encoder in model.encoders.values()} == {16}


def test_fusion_that_grows_in_large_steps_names_numbers_that_can_be_had():
    """Between two widths Tucker's core of t^4 numbers grows by a quarter of a model so small."""
    with pytest.raises(UsageError, match="no width gives 25,000 parameters within 5%; the nearest: ") as error:
        create("tucker", tuple(ENCODERS), width=16, parameters=25_000)
    near = [int(number.replace(",", "")) for number in str(error.value).partition("nearest: ")[2].split(" and ")]
    assert near[0] < 0.95 * 25_000 < 1.05 * 25_000 < near[1]
    for number in near:
        assert count_parameters(create("tucker", tuple(ENCODERS), width=16, parameters=number)) == number


@EVERY_FUSION
def test_encoders_are_those_of_equal_width_and_all_restores(fusion, modalities):
    usual, narrow = create(fusion, modalities), create(fusion, modalities, parameters=60_000)
    for name, tensor in usual.encoders.state_dict().items():
        assert torch.equal(tensor, narrow.encoders.state_dict()[name]), name
    fresh = FusionFactory(fusion).restore("mine", json.loads(json.dumps(narrow.stored_config())))
    assert fresh.config == narrow.config
    fresh.load_state_dict(narrow.state_dict())
    batch = narrow.collate(SAMPLES)
    with torch.no_grad():
        assert torch.equal(fresh.eval().classify(batch), narrow.eval().classify(batch))


@pytest.mark.parametrize("fusion", ["bottleneck", "film", "vote"])
def test_same_seed_same_weights(fusion):
    one, other = (create(fusion, ("image", "text"), parameters=60_000) for _ in range(2))
    assert one.config == other.config
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


@pytest.mark.parametrize("fusion", ["concat", "cross-attention", "decision-weighted"])
def test_all_of_it_learns(fusion):
    model = create(fusion, ("image", "text"), parameters=60_000).train()
    model.loss(model.collate(SAMPLES)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@pytest.mark.parametrize("fusion", ["concat", "product-of-experts"])
def test_joint_representation_meets_it_too(fusion):
    model = create(fusion, ("image", "text"), "joint", parameters=60_000)
    assert abs(count_parameters(model) - 60_000) <= 3_000


def test_encoders_own_width_is_no_jump():
    """Any number around that of a fusion as wide as the encoders can be had, whose next width adds about 3 %."""
    for asked in range(35_000, 60_000, 2_500):
        model = create("concat", ("image", "text"), parameters=asked)
        assert abs(count_parameters(model) - asked) <= 0.02 * asked
        assert set(model.adapters) == {"image", "text"}


def test_less_than_the_encoders_names_what_they_have():
    own = count_parameters(create("concat", ("image", "text")).encoders)
    for asked in (1, own):
        with pytest.raises(UsageError, match=f"{asked:,} parameters are too few: the encoders alone have {own:,}"):
            create("concat", ("image", "text"), parameters=asked)


def test_strategy_that_does_not_take_so_many_modalities_is_told_first():
    with pytest.raises(UsageError, match="fusion 'film' cannot be built: FiLM fuses at least 2 modalities, not image"):
        create("film", ("image",), parameters=60_000)


# Equal width


@EVERY_FUSION
def test_every_fusion_takes_any_width(fusion, modalities):
    for width in (1, 7):
        model = create(fusion, modalities, width=width).eval()
        assert (model.config.width, model.config.hidden, len(model.adapters)) == (width, None, 0)
        assert {encoder.width for encoder in model.encoders.values()} == {width}
        with torch.no_grad():
            assert model.classify(model.collate(SAMPLES)).isfinite().all()


@pytest.mark.parametrize("wrong", [{"width": 0}, {"parameters": 0}, {"width": -3}])
def test_what_is_less_than_one(wrong):
    ((name, value),) = wrong.items()
    with pytest.raises(UsageError, match=f"{name} must be at least 1, not {value}"):
        BuildOptions(**wrong)
