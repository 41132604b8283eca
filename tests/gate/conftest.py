"""Sides of gates that tests plant, and repositories for them."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PLANTED = Path(__file__).with_name("planted.py")


@pytest.fixture
def plant():
    """Write a side of a gate: `plant(folder, read_s=0.004)` gives a folder with the plugin `model.py`."""

    def write(folder, **planted):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(PLANTED, folder / "model.py")
        (folder / "planted.json").write_text(json.dumps(planted), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def git():
    """Run git as somebody: `git(folder, "commit", ...)` gives what it prints."""

    def run(folder, *words):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    return run
