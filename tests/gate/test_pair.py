"""What both sides must share, and what they must not."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmbench.errors import UsageError
from mmbench.gate.link import SideError
from mmbench.gate.pair import SAME, check_apart, check_ran
from mmbench.gate.side import Side
from mmbench.gate.workload import Workload

WORKLOAD = Workload("model.py:build", "vqa")
RAN = dict.fromkeys(SAME, "one")


@pytest.fixture
def sides(tmp_path):
    folders = {name: tmp_path / name for name in ("base", "head")}
    for folder in folders.values():
        folder.mkdir()
        (folder / "model.py").touch()
    return {name: Side(name, name, Path("python"), folder, {}) for name, folder in folders.items()}


def facts(files, weights=None):
    return {"files": files, "weights": weights, "model_file": files[0]}


SAME_FILES = facts(["/environment/model.py", "/environment/part.py"])


def test_sides_differ_by_any_file_or_by_weights(sides):
    check_apart({"base": SAME_FILES, "head": facts(["/environment/model.py", "/head/part.py"])}, sides, WORKLOAD)
    check_apart({"base": SAME_FILES, "head": {**SAME_FILES, "weights": "1f"}}, sides, WORKLOAD)
    with pytest.raises(UsageError, match=r"run the same files, such as \S*model\.py, so they cannot differ"):
        check_apart({"base": SAME_FILES, "head": SAME_FILES}, sides, WORKLOAD)


def test_code_that_both_sides_run_is_told_with_its_reason(sides):
    def refusal(workload):
        with pytest.raises(UsageError) as refused:
            check_apart({"base": SAME_FILES, "head": SAME_FILES}, sides, workload)
        return str(refused.value)

    assert refusal(WORKLOAD).endswith("run it where the project's pyproject.toml is")
    absolute = replace(WORKLOAD, model=f"{sides['head'].folder}/model.py:build")
    assert "model.py relative to the working directory, so that each side has its own" in refusal(absolute)
    (sides["base"].folder / "model.py").unlink()
    assert refusal(WORKLOAD).endswith("base has no model.py, so that it runs the one in the working directory")


def test_the_same_code_may_be_compared_where_that_is_asked_for(sides):
    twice = {"base": sides["base"], "head": sides["base"]}
    check_apart({"base": SAME_FILES, "head": SAME_FILES}, twice, WORKLOAD)


def test_what_is_run_must_be_the_same():
    check_ran(RAN, RAN, "base")
    with pytest.raises(SideError, match="head: does not run the same as what is stored: batch size 8, not one"):
        check_ran({**RAN, "batch_size": 8}, RAN, "what is stored")
