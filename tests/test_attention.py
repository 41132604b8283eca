"""Telling attention: who is told, what is checked, and what it costs where nobody listens."""

import pytest
import torch

from mmbench.attention import MODALITIES, record_attention, tell_attention, tell_shares


def masks(**lengths):
    return {name: torch.ones(2, length, dtype=torch.bool) for name, length in lengths.items()}


def tell(name="layer 1", shape=(2, 1, 3, 4)):
    tell_attention(name, masks(text=3), masks(image=4), lambda: torch.full(shape, 0.25))


def test_what_is_told_is_recorded_in_order():
    with record_attention() as found:
        tell("one")
        tell("two")
    assert [each.name for each in found] == ["one", "two"]
    assert list(found[0].query) == ["text"]
    assert list(found[0].key) == ["image"]
    torch.testing.assert_close(found[0].weights, torch.full((2, 1, 3, 4), 0.25))


def test_weights_are_not_computed_where_nobody_records():
    def fail():
        raise AssertionError("computed")

    tell_attention("layer 1", masks(text=3), masks(image=4), fail)
    tell_shares("weights", torch.ones(2, 2, dtype=torch.bool), fail)
    with record_attention() as found:
        pass
    tell_attention("layer 1", masks(text=3), masks(image=4), fail)
    assert found == []


def test_the_innermost_context_alone_is_told():
    with record_attention() as outer:
        tell("before")
        with record_attention() as inner:
            tell("within")
        tell("after")
    assert [each.name for each in outer] == ["before", "after"]
    assert [each.name for each in inner] == ["within"]


def test_recording_ends_with_an_exception():
    with pytest.raises(KeyError), record_attention() as found:
        raise KeyError
    tell()
    assert found == []


def test_weights_carry_no_gradient():
    parameter = torch.ones(2, 1, 3, 4, requires_grad=True)
    with record_attention() as found:
        tell_attention("layer 1", masks(text=3), masks(image=4), lambda: parameter * 2)
    assert not found[0].weights.requires_grad


@pytest.mark.parametrize("shape", [(2, 1, 4, 3), (2, 3, 4), (1, 1, 3, 4)])
def test_weights_of_another_shape_are_refused(shape):
    with record_attention(), pytest.raises(ValueError, match=r"'layer 1' is .*\[B, H, Tq, Tk\] = \[2, H, 3, 4\]"):
        tell(shape=shape)


def test_parts_follow_one_another():
    with record_attention() as found:
        parts = masks(fused=1, image=4)
        tell_attention("layer 1", parts, parts, lambda: torch.zeros(2, 8, 5, 5))
    assert found[0].weights.shape == (2, 8, 5, 5)


def test_shares_are_of_whole_modalities():
    there = torch.tensor([[True, False], [False, False]])
    with record_attention() as found:
        tell_shares("weights", there, lambda: torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]]]))
    (told,) = found
    assert told.weights.shape == (2, 1, 1, 2)
    assert told.key[MODALITIES] is there
    assert told.query["fused"].tolist() == [[True], [False]]
