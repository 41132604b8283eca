"""The public API: sorted, complete, and lazy."""

import subprocess
import sys
from types import ModuleType

import pytest

import mmbench


def test_all_is_sorted() -> None:
    assert mmbench.__all__ == sorted(mmbench.__all__)
    assert len(set(mmbench.__all__)) == len(mmbench.__all__)


@pytest.mark.parametrize("name", mmbench.__all__)
def test_every_name_resolves_to_the_thing_and_not_to_a_module(name: str) -> None:
    value = getattr(mmbench, name)
    assert not isinstance(value, ModuleType)
    assert getattr(value, "__name__", name) in (name, "registry", "register")


def test_nothing_else_is_public() -> None:
    for name in mmbench.__all__:
        getattr(mmbench, name)
    public = {
        name for name, value in vars(mmbench).items() if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert public - {"Any", "TYPE_CHECKING", "import_module"} == set(mmbench.__all__) - {"__version__"}
    assert set(mmbench.__all__) <= set(dir(mmbench))


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match="module 'mmbench' has no attribute 'evalute'"):
        mmbench.evalute  # noqa: B018


def test_functions_win_over_submodules_of_their_name() -> None:
    """Whatever was imported before, `mmbench.NAME` is the public object."""
    code = """
import mmbench.registry, mmbench.profile.stage, mmbench.engine.evaluate, mmbench.engine.train
from types import ModuleType
from mmbench import evaluate, registry, stage, train
import mmbench
for value in (evaluate, registry, stage, train, mmbench.evaluate, mmbench.registry, mmbench.stage, mmbench.train):
    assert not isinstance(value, ModuleType), value
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_import_is_light() -> None:
    code = """
import sys
import mmbench
heavy = {'torch', 'transformers', 'pandas', 'pyarrow', 'numpy', 'scipy', 'pydantic', 'rich', 'typer'}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
mmbench.registry.names('task'); mmbench.UsageError; mmbench.__version__; mmbench.stage
assert not heavy & set(sys.modules), heavy & set(sys.modules)
mmbench.Fusion
assert 'torch' in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
