"""One gate at a time on a machine."""

import os
import subprocess
import sys
from threading import Timer

import pytest

from mmbench.errors import HarnessError
from mmbench.gate.lock import alone


def test_who_waits_in_vain_is_told_for_what_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    notes = []
    message = (
        r"another gate or bisection of this user still measures on this machine after 0 s: start again when it has "
        r"ended, or wait longer for it with --time-limit SECONDS"
    )
    with alone(1, notes.append), pytest.raises(HarnessError, match=message), alone(0.01, notes.append):
        pass
    assert notes == ["another gate measures on this machine; waiting for it"]


def test_who_waits_long_enough_comes_in(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    notes = []
    first = alone(1, notes.append)
    first.__enter__()
    waiting = Timer(0.5, first.__exit__, (None, None, None))
    waiting.start()
    with alone(60, notes.append):
        assert waiting.finished.is_set()
    assert notes == ["another gate measures on this machine; waiting for it"]


def test_what_a_killed_gate_has_left_is_removed_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left, link = f"mmbench-gate-{ended.pid}-a_b1c2d3", f"mmbench-gate-{ended.pid}-link"
    others = {f"mmbench-gate-{os.getpid()}-a_b1c2d3", "mmbench-gate-reports", "another"}
    for name in (left, *others):
        (tmp_path / name / "inside").mkdir(parents=True)
    (tmp_path / link).symlink_to(tmp_path / "another")
    with alone(1, print):
        assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {*others, link}
