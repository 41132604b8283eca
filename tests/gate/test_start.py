"""Modules of a side's packages come from the side, whole, or not at all; all others from the environment."""

import runpy
from pathlib import Path

import pytest

import mmbench.gate

START = runpy.run_path(str(Path(mmbench.gate.__file__).with_name("start.py")))


@pytest.fixture
def finder(tmp_path):
    """Finds in a site with the package `whole`, the module `single`, and a part of the package `shared`."""
    for file in ("whole/__init__.py", "whole/inner.py", "single.py", "shared/own.py"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    return START["_OwnCode"](tmp_path)


def test_what_the_side_has_is_its_own(finder, tmp_path):
    assert finder.find_spec("whole").origin == str(tmp_path / "whole" / "__init__.py")
    assert finder.find_spec("whole.inner", [str(tmp_path / "whole")]).origin == str(tmp_path / "whole" / "inner.py")
    assert finder.find_spec("single").origin == str(tmp_path / "single.py")


def test_what_the_side_lacks_of_its_packages_is_nowhere(finder, tmp_path):
    with pytest.raises(ModuleNotFoundError, match=r"No module named 'whole\.new'"):
        finder.find_spec("whole.new", [str(tmp_path / "whole")])


def test_everything_else_is_left_to_the_environment(finder):
    assert finder.find_spec("json") is None
    assert finder.find_spec("shared.own", []) is None  # a package that may go on elsewhere
