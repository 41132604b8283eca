"""Where time goes, of pairs whose times are written down."""

import pytest

from mmbench.gate.findings import exact, places
from mmbench.gate.options import GateOptions
from mmbench.gate.pair import Pair
from mmbench.gate.pingpong import Block
from mmbench.record.gate import Verdict

FACTS = {"first_s": 1.0, "warm_s": 2.0, "first_calls_s": 1.0, "iterations": 2, "shapes": 1}


def pair(base, head, load_s=(1.0, 1.0)):
    """A pair of processes with these seconds of stages in all blocks; the data pipeline is the same."""
    data = {"data.load": 1.0}
    blocks = {"stages": [Block((base, base), (head, head))] * 4, "data": [Block((data, data), (data, data))] * 4}
    loads = zip(("base", "head"), load_s, strict=True)
    return Pair(facts={side: {**FACTS, "load_s": load} for side, load in loads}, blocks=blocks)


def slower(*pairs):
    return [place.name for place in places(pairs, 0.03) if place.slower]


def test_a_stage_under_a_new_name_is_not_slower():
    assert slower(*[pair({"read": 1.0, "tell": 1.0}, {"look up": 1.0, "tell": 1.0})] * 3) == []


def test_a_stage_that_was_added_is():
    assert slower(*[pair({"read": 1.0}, {"read": 1.0, "check": 0.5})] * 3) == ["check"]


@pytest.mark.parametrize(
    ("head", "verdict"),
    [
        (169_512, Verdict.PASS),  # a page more, of a small model 2.5 %
        (65_416, Verdict.PASS),
        (165_416 + 300_000, Verdict.REGRESSION),
    ],
)
def test_memory_by_which_processes_of_the_same_code_differ_is_no_regression(head, verdict):
    static = {"base": {"memory_bytes": 165_416}, "head": {"memory_bytes": head}}
    found = exact("memory", [Pair(static=static)], GateOptions(("memory",)))
    assert (found.verdict, found.base, found.head) == (verdict, 165_416, head)
    assert found.change.value == pytest.approx(head / 165_416 - 1)


def test_no_two_steps_have_one_name():
    steps = {"data.load": 1.0, "data.collate": 1.0, "load": 0.5}  # the last is what collating marks itself
    block = Block((steps, steps), (steps, steps))
    found = pair({"read": 1.0}, {"read": 1.0})
    found.blocks["data"] = [block] * 4
    assert [place.name for place in places([found] * 3, 0.03) if place.group == "data"] == [
        "data.load",
        "collate",
        "load",
    ]


def test_the_start_of_processes_is_compared_by_pairs():
    found = [pair({"read": 1.0}, {"read": 1.0}, load_s=(1.0, head)) for head in (1.5, 1.6, 1.7)]
    (load,) = [place for place in places(found, 0.03) if (place.group, place.name) == ("start", "load")]
    assert (load.change.pairs, load.change.blocks, load.slower) == (3, 3, True)
    assert load.change.value == pytest.approx((1.5 * 1.6 * 1.7) ** (1 / 3) - 1)
    assert load.change.low < 0.5  # Student's t over three, and not the least of them
