"""The package: what is declared is what is there, and a wheel carries all of it."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]


def visible(path: Path) -> bool:
    return not any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def packages() -> set[str]:
    """Dotted names of the folders with an `__init__.py`."""
    found = set()
    for package, folder in FOLDERS.items():
        for init in (ROOT / folder).rglob("__init__.py"):
            found.add(".".join([package, *init.parent.relative_to(ROOT / folder).parts]))
    return found


def files() -> set[str]:
    """What the wheel must hold, by its path there: every file of the packages but pages for readers of the source."""
    return {
        f"{package}/{path.relative_to(ROOT / folder).as_posix()}"
        for package, folder in FOLDERS.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix != ".md" and visible(path.relative_to(ROOT))
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build a wheel from a copy of the tree, so that no build folder stays in it."""
    copy = tmp_path_factory.mktemp("source")
    for folder in FOLDERS.values():
        shutil.copytree(ROOT / folder, copy / folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    for name in ("pyproject.toml", PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]):
        shutil.copy(ROOT / name, copy)
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(target), str(copy)]
    if new_enough_setuptools():
        command.append("--no-build-isolation")  # nothing to download
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    (path,) = target.iterdir()
    return zipfile.ZipFile(path)


def new_enough_setuptools() -> bool:
    (requirement,) = PROJECT["build-system"]["requires"]
    least = int(re.fullmatch(r"setuptools>=(\d+)", requirement)[1])
    try:
        return int(version("setuptools").split(".")[0]) >= least
    except PackageNotFoundError:
        return False


def text(wheel: zipfile.ZipFile, name: str) -> str:
    (path,) = (path for path in wheel.namelist() if path.endswith(f".dist-info/{name}"))
    return wheel.read(path).decode()


def test_package_list_is_that_of_the_folders():
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(packages())
    assert len(listed) == len(set(listed))


def test_every_folder_with_source_is_a_package():
    for folder in FOLDERS.values():
        for path in (ROOT / folder).rglob("*.py"):
            assert (path.parent / "__init__.py").is_file(), path


def test_wheel_holds_every_file_and_no_other(wheel):
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == files()


def test_wheel_holds_what_is_not_source(wheel):
    names = wheel.namelist()
    assert "mmbench/py.typed" in names
    assert "mmbench/record/run_record.schema.json" in names
    assert "mmbench_tasks/vqa/datasets/easy_vqa.yaml" in names
    assert "mmbench_baselines/weights/vqa/easy-vqa/majority.safetensors" in names


def test_wheel_names_its_licence_and_entry_points(wheel):
    metadata = text(wheel, "METADATA")
    assert "License-Expression: Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert "Apache License" in text(wheel, "licenses/LICENSE")
    points = text(wheel, "entry_points.txt")
    for group, names in PROJECT["project"]["entry-points"].items():
        assert f"[{group}]" in points
        for name, value in names.items():
            assert f"{name} = {value}" in points
    assert "mmbench = mmbench.cli:main" in points


def test_wheel_is_small(wheel):
    """Every user downloads it."""
    assert sum(info.compress_size for info in wheel.infolist()) < 20 * 10**6
