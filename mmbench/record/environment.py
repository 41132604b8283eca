"""The environment of a run: hardware, versions and git state, and nothing that names a machine or a person."""

import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from mmbench.record.schema import Environment, GitState

# What can change a score or a time.
_PACKAGES = (
    "mmbench",
    "torch",
    "transformers",
    "tokenizers",
    "accelerate",
    "numpy",
    "scipy",
    "pandas",
    "pillow",
    "pyarrow",
    "safetensors",
    "scikit-learn",
    "onnxruntime",
    "faster-whisper",
    "ctranslate2",
)
_TIMEOUT_S = 10


def capture(threads: int | None = None) -> Environment:
    """Describe this machine and installation.

    Args:
        threads: intra-op threads that the run uses; asked of torch where `None`.
    """
    import torch  # noqa: PLC0415  # records are also read where nothing is run

    return Environment(
        versions=versions(),
        os=f"{platform.system()} {platform.release()} {platform.machine()}",
        cpu=_cpu_name(),
        logical_cores=os.cpu_count() or 1,
        memory_bytes=_memory_bytes(),
        accelerators=_accelerators(),
        git=_git_state(),
        threads=torch.get_num_threads() if threads is None else threads,
    )


def versions() -> dict[str, str]:
    """Versions, by name, of Python, CUDA and the packages that can change a score or a time; missing ones left out."""
    import torch  # noqa: PLC0415

    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    if torch.version.cuda is not None:
        found["cuda"] = torch.version.cuda
    return found


def _cpu_name() -> str:
    if sys.platform == "darwin":
        return _run("sysctl", "-n", "machdep.cpu.brand_string") or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "") or platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not POSIX
        return None


def _accelerators() -> list[str]:
    import torch  # noqa: PLC0415

    if not torch.accelerator.is_available():
        return []
    device = torch.accelerator.current_accelerator()
    kind = device.type if device is not None else "unknown"
    name_of = getattr(torch.get_device_module(kind), "get_device_name", None)  # Apple's mps has none
    return [str(name_of(i)) if name_of else kind for i in range(torch.accelerator.device_count())]


def _git_state() -> GitState | None:
    commit = _run("git", "rev-parse", "--verify", "HEAD")
    # A repository's own settings could make `status` start a file monitor.
    status = _run("git", "-c", "core.fsmonitor=false", "status", "--porcelain", "--untracked-files=no")
    return GitState(commit=commit, dirty=bool(status)) if commit and status is not None else None


def _run(program: str, *arguments: str) -> str | None:
    """Output of a program; `None` where it is missing, fails or hangs."""
    path = shutil.which(program)
    if path is None:
        return None
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # `git status` must not write to the index
    try:
        done = subprocess.run(  # noqa: S603  # fixed arguments, no shell
            [path, *arguments],
            capture_output=True,
            check=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=_TIMEOUT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", errors="replace").strip()
