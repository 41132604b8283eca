"""`mmbench doctor`, on this installation and on ones with something wrong."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mmbench.cli import main
from mmbench.registry import KINDS, registry

CARD = """
from mmbench import DatasetCard, register
register('dataset', 'test-absent')(DatasetCard(
    name='test-absent', tasks=['vqa'], title='None.', format='x', revision='1', licence='MIT',
    source={'kind': 'package', 'name': 'no_such_package_here', 'requirement': 'no-such-package-here==1.0'},
    splits={'train': 1, 'test': 1}, default_split='test', train_split='train'))
register('dataset', 'test-wrong')(3)
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "sets.py"
    file.write_text(CARD)
    yield file
    registry.unregister("dataset", "test-absent")
    registry.unregister("dataset", "test-wrong")


def checks(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["doctor", "--json", *arguments]) == code
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is (code == 0)
    return {check["name"]: check for check in report["checks"]}


def test_this_installation_has_no_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    found = checks(capsys)
    for name in ("python", "mmbench", "packages", "torch", "accelerators", "results folder", "data set easy-vqa"):
        assert found[name]["status"] == "ok", found[name]
    for kind in KINDS:
        assert found[f"{kind} plugins"]["found"] == f"{len(registry.names(kind))} can be imported"
    assert "peak memory" in found
    assert list(tmp_path.iterdir()) == []


def test_one_line_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    names = list(checks(capsys))
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(names) + 1
    for name, line in zip(names, lines, strict=False):
        assert line.split()[0] in ("ok", "warning")
        assert name in line
    assert lines[-1] == "no problems"


def test_missing_data_set_is_a_warning_and_a_wrong_one_a_problem(
    plugin: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = checks(capsys, "--plugin", str(plugin), code=4)
    assert found["data set test-absent"]["status"] == "warning"
    assert "pip install no-such-package-here==1.0" in str(found["data set test-absent"])
    assert found["data set test-wrong"]["status"] == "problem"
    assert found["data set easy-vqa"]["status"] == "ok"


def test_broken_plugin_is_a_problem_with_its_reason(tmp_path: Path) -> None:
    folder = tmp_path / "broken_dist-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-dist\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[mmbench.fusions]\ntest-broken = no_such_module_here:Thing\n")
    command = [sys.executable, "-c", "import sys; from mmbench.cli import main; sys.exit(main())", "doctor"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (4, "")
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert (
        "problem fusion plugins fusion 'test-broken' of broken-dist cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_module_here'; repair or uninstall its package"
    ) in lines
    assert any(line.startswith("ok model plugins") for line in lines)
    assert lines[-1] == "1 problem"


def test_results_that_cannot_be_written_are_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").write_text("a file")
    found = checks(capsys)
    assert found["results folder"]["status"] == "warning"
    assert "--output" in found["results folder"]["todo"]
