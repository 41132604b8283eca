"""Which code counts: packages found through their entry points, hashed file by file."""

import sys

import pytest

from mmbench.engine.code_hash import code_hashes, packages_of
from mmbench_tasks.vqa.datasets import easy_vqa


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that registers a fusion; importing it fails."""
    folder = tmp_path / "test_hashed"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('imported')\n")
    (folder / "inner" / "part.py").write_text("A = 1\n")
    info = tmp_path / "test_hashed-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: test-hashed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mmbench.fusions]\ntest-hashed = test_hashed.inner.part:A\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def digest(name="test_hashed"):
    return code_hashes([name])[name]


def test_packages_are_those_of_the_entry_points_and_of_the_reader(package):
    parts = [("task", "vqa"), ("dataset", "easy-vqa"), ("fusion", "test-hashed"), ("model", "no-such")]
    assert packages_of(parts, easy_vqa) == ["mmbench", "mmbench_tasks", "test_hashed"]
    elsewhere = easy_vqa.model_copy(update={"format": "somewhere.readers:Reader"})
    assert packages_of([], elsewhere) == ["mmbench", "somewhere"]


def test_a_hash_follows_names_and_contents_of_python_files_alone(package):
    base = digest()
    assert digest() == base
    (package / "notes.txt").write_text("text")
    assert digest() == base
    part = package / "inner" / "part.py"
    part.write_text("A = 2\n")
    changed = digest()
    part.rename(package / "inner" / "other.py")
    assert len({base, changed, digest()}) == 3
    (package / "inner" / "other.py").rename(part)
    part.write_text("A = 1\n")
    assert digest() == base
    assert "test_hashed" not in sys.modules


def test_a_module_and_a_package_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    gone = digest("test_alone")
    (tmp_path / "test_alone.py").write_text("A = 1\n")
    first = digest("test_alone")
    (tmp_path / "test_alone.py").write_text("A = 2\n")
    assert len({gone, first, digest("test_alone")}) == 3
