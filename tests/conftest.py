"""What all tests share."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

# More threads than cores that are free wait for each other; and results depend on their number.
torch.set_num_threads(1)

# The evaluate library copies scripts into a folder that it reads from the environment when it is imported.
_MODULES = tempfile.mkdtemp(prefix="mmbench-tests-")
atexit.register(shutil.rmtree, _MODULES, ignore_errors=True)
os.environ["HF_MODULES_CACHE"] = _MODULES

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The shared development data beside the checkout; tests that use it carry the mark `shared`."""
    if not SHARED.is_dir():
        assert not os.environ.get("MMBENCH_REQUIRE_SHARED"), (
            "MMBENCH_REQUIRE_SHARED is set, and ../shared/data is not there"
        )
        pytest.skip("the shared development data is not beside the checkout (../shared/data)")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated data sets are made once a session, in a folder of its own; processes that tests start use it too."""
    folder = tmp_path_factory.mktemp("cache")
    os.environ["MMBENCH_CACHE"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cost passes take a moment: tests ask what they give, not how exact it is on a machine that does other things."""
    from mmbench.engine import cost_options

    moment = cost_options.Budget(0.0, 0.01, 0.02)
    monkeypatch.setattr(cost_options, "BUDGETS", dict.fromkeys(cost_options.BUDGETS, moment))
