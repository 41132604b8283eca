"""Comparisons in one folder: many that work, or one that measures."""

import subprocess
import sys

import pytest

from mmbench.engine.trial_turns import Turns
from mmbench.errors import HarnessError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks that can be shared")


@pytest.fixture
def turns(tmp_path):
    """Of four comparisons."""
    found = [Turns(tmp_path) for _ in range(4)]
    yield found
    for each in found:
        each.drop()


def test_many_work_beside_each_other_and_one_measures_alone(turns):
    first, second, third, fourth = turns
    assert first.take(alone=False)
    assert second.take(alone=False)
    assert not third.take(alone=True)
    first.drop()
    assert not third.take(alone=True)
    second.drop()
    assert third.take(alone=True)
    assert third.take(alone=True)
    assert not fourth.take(alone=True)
    assert not fourth.take(alone=False)
    third.drop()
    assert fourth.take(alone=True)


def test_one_that_waits_to_measure_is_next(turns):
    first, second, third, _ = turns
    assert first.take(alone=False)
    assert not second.take(alone=True)
    assert not third.take(alone=False)
    assert not first.take(alone=False)  # not one thing more
    assert first.taken
    assert not second.taken
    first.drop()
    assert second.take(alone=True)


def test_what_a_killed_process_held_is_free(turns, tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from mmbench.engine.trial_turns import Turns; "
        "turns = Turns(Path(sys.argv[1])); print(turns.take(alone=True), flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "True\n"
        assert not turns[0].take(alone=False)
        other.kill()
        other.wait()
    assert turns[0].take(alone=False)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(HarnessError, match=r"cannot write .*: No such file or directory"):
        Turns(tmp_path / "missing").take(alone=False)
