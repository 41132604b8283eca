"""Stages by module path: entered and left with the module's forward pass, whatever happens in it."""

import pytest
import torch
from torch import nn

from mmbench.errors import UsageError
from mmbench.profile.module_stages import named_stages
from mmbench.profile.stage import stage
from mmbench.profile.stage_times import SelfTime, StageTimes, observed, record_stages, whole

from .fake_device import FakeDevice


class Block(nn.Module):
    """Takes a second of virtual time."""

    def __init__(self, device, seconds=1.0):
        super().__init__()
        self.device, self.seconds, self.fails = device, seconds, False

    def forward(self, x):
        self.device.busy(self.seconds)
        if self.fails:
            raise ZeroDivisionError
        return x


class Net(nn.Module):
    def __init__(self, device):
        super().__init__()
        self.encoder = nn.Sequential(Block(device, 1.0), Block(device, 2.0))
        self.head = Block(device, 4.0)
        self.same = self.head

    def forward(self, x):
        return self.head(self.encoder(x))


@pytest.fixture
def device(monkeypatch):
    return FakeDevice(monkeypatch)


@pytest.fixture
def model(device):
    return Net(device)


def times_of(device, model, paths):
    with named_stages(model, paths), record_stages(device.host_clock()) as times:
        model(torch.ones(1))
    return {name: time.seconds for name, time in times.self_times.items()}


def test_modules_are_stages(device, model):
    assert times_of(device, model, {"encode": "encoder", "head": "head"}) == {"encode": 3.0, "head": 4.0}


def test_modules_within_modules_nest(device, model):
    paths = {"second": "encoder.1", "all": "", "encode": "encoder"}
    assert times_of(device, model, paths) == {"all": 4.0, "encode": 1.0, "second": 2.0}


def test_two_names_of_one_module_nest(device, model):
    assert times_of(device, model, {"a": "head", "b": "same"}) == {"b": 0.0, "a": 4.0}


def test_nothing_is_left_behind(device, model):
    for _ in range(2):
        times_of(device, model, {"encode": "encoder", "head": "head"})
    with record_stages(device.host_clock()) as times:
        model(torch.ones(1))
    assert times.spans == []
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_outputs_stay_as_they_are(device, model):
    x = torch.arange(3.0)
    with named_stages(model, {"encode": "encoder"}):
        assert model(x) is x


def test_stages_of_the_model_itself_keep_their_place(device, model):
    times = StageTimes(device.host_clock())
    with named_stages(model, {"encode": "encoder"}), observed(times), whole(times), stage("around"):
        model(torch.ones(1))
    assert times.self_times["around"] == SelfTime(4.0, 4.0, 1)
    assert times.self_times["encode"] == SelfTime(3.0, 3.0, 1)


def test_a_stage_is_left_where_the_module_fails(device, model):
    model.encoder[0].fails = True
    times = StageTimes(device.host_clock())

    def fail():
        with observed(times), whole(times):
            model(torch.ones(1))

    with named_stages(model, {"encode": "encoder", "first": "encoder.0", "head": "head"}):
        with pytest.raises(ZeroDivisionError):
            fail()
        model.encoder[0].fails = False
        assert None not in times.spans
        assert {name: time.seconds for name, time in times.self_times.items()} == {
            "other": 0.0,
            "encode": 0.0,
            "first": 1.0,
        }
        with record_stages(device.host_clock()) as after:
            model(torch.ones(1))
    assert {name: time.seconds for name, time in after.self_times.items()} == {"encode": 2.0, "first": 1.0, "head": 4.0}


def test_a_hook_that_fails_first_leaves_no_stage_open(device, model):
    def fail(*_):
        raise ZeroDivisionError

    with named_stages(model, {"head": "head"}), record_stages(device.host_clock()) as times:
        broken = model.head.register_forward_pre_hook(fail, prepend=True)
        with pytest.raises(ZeroDivisionError):
            model(torch.ones(1))
        broken.remove()
        model(torch.ones(1))
    assert [span.name for span in times.spans] == ["head"]


def test_a_module_may_call_itself(device):
    class Twice(Block):
        def forward(self, x):
            super().forward(x)
            return self(x - 1) if x > 0 else x

    assert times_of(device, Twice(device), {"twice": ""}) == {"twice": 2.0}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("encodr", r"unknown module 'encodr'; did you mean 'encoder'"),
        ("x", r"unknown module 'x'; known: encoder, encoder\.0, encoder\.1, head, same"),
    ],
)
def test_unknown_paths_are_refused_with_the_nearest(model, path, message):
    with pytest.raises(UsageError, match=message), named_stages(model, {"encode": "encoder", "other": path}):
        pass
    assert not model.encoder._forward_hooks


def test_models_without_modules_are_refused():
    with pytest.raises(UsageError, match=r"an nn\.Module, not a dict"), named_stages({}, {"a": "b"}):
        pass
