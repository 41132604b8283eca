"""What both sides must share, and what they must not."""

import pytest

from mmbench.errors import UsageError
from mmbench.gate.link import SideError
from mmbench.gate.pair import SAME, check_apart, check_ran
from mmbench.gate.side import Side

RAN = dict.fromkeys(SAME, "one")


@pytest.fixture
def sides(tmp_path):
    return {name: Side(name, name, tmp_path, tmp_path, {}) for name in ("base", "head")}


def facts(files, weights=None):
    return {"files": files, "weights": weights, "model_file": files[0]}


def test_sides_differ_by_any_file_or_by_weights(sides):
    same = facts(["/environment/model.py", "/environment/part.py"])
    check_apart({"base": same, "head": facts(["/environment/model.py", "/head/part.py"])}, sides)
    check_apart({"base": same, "head": {**same, "weights": "1f"}}, sides)
    with pytest.raises(UsageError, match=r"run the same files, such as \S*model\.py, so they cannot differ"):
        check_apart({"base": same, "head": same}, sides)


def test_the_same_code_may_be_compared_where_that_is_asked_for(sides):
    same = facts(["/environment/model.py"])
    check_apart({"base": same, "head": same}, {"base": sides["base"], "head": sides["base"]})


def test_what_is_run_must_be_the_same():
    check_ran(RAN, RAN, "base")
    with pytest.raises(SideError, match="head: does not run the same as what is stored: batch size 8, not one"):
        check_ran({**RAN, "batch_size": 8}, RAN, "what is stored")
