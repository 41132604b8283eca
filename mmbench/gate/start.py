"""Starts a worker with the code of its own side: `python -P start.py SITE PARENT REPLIES`, run by path, on its own.

An editable installation of another version of a package would serve whatever the side's own version lacks: a module
that head has added would be found by base. So packages that lie in SITE come from there, whole, or not at all.
"""

import runpy
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType


class _OwnCode:
    """Finds modules of the packages in one folder there, and nowhere else."""

    def __init__(self, site: Path) -> None:
        self._site = site
        # A folder without __init__.py may be part of a package that goes on elsewhere.
        self._packages = {path.parent.name for path in site.glob("*/__init__.py")}
        self._packages |= {path.stem for path in site.glob("*.py")}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module in the folder; `None` where it has no such package."""
        if name.partition(".")[0] not in self._packages:
            return None
        found = PathFinder.find_spec(name, path or [str(self._site)], target)
        if found is None:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return found


if __name__ == "__main__":
    site = sys.argv.pop(1)
    if site:
        sys.meta_path.insert(0, _OwnCode(Path(site)))
    runpy.run_module("mmbench.gate.worker", run_name="__main__", alter_sys=True)
