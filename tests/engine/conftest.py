"""The probe plugin, weights for its models, and short ways to run an evaluation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import mmbench_baselines.weights
from mmbench.checkpoint import Header, save_weights
from mmbench.data.card import DatasetCard
from mmbench.engine.diagnose import Diagnosed, diagnose
from mmbench.engine.diagnose_options import DiagnoseOptions
from mmbench.engine.evaluate import Evaluation, evaluate
from mmbench.engine.load_run import Where
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import DiagnoseProgress
from mmbench.registry import KINDS, load_plugin_file, registry
from mmbench.sample import Sample
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

PROBES = Path(__file__).with_name("probes.py")
CONTEST = Path(__file__).with_name("contest.py")
FILM = Path(mmbench_baselines.weights.__path__[0]) / "vqa" / "easy-vqa" / "film.safetensors"


@contextmanager
def loaded(plugin: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A context in which that plugin file and no other one is loaded."""
    monkeypatch.setattr(registry, "files", [])
    before = {kind: set(registry.names(kind)) for kind in KINDS}
    load_plugin_file(plugin)
    yield
    for kind in KINDS:
        for name in set(registry.names(kind)) - before[kind]:
            registry.unregister(kind, name)


BRIEF = DiagnoseOptions(permutations=2, emap_samples=60, levels=(0.5, 1.0))
HERE = EvalOptions(limit=80, workers=0, threads=1, device="cpu")


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plugin file, loaded, and no other one; what it registered is forgotten afterwards."""
    with loaded(PROBES, monkeypatch):
        yield PROBES


@pytest.fixture
def register() -> Iterator[Callable[[str, str, object], None]]:
    """Register for one test."""
    added: list[tuple[str, str]] = []

    def add(kind: str, name: str, thing: object) -> None:
        registry.unregister(kind, name)
        registry.register(kind, name)(thing)
        added.append((kind, name))

    yield add
    for kind, name in added:
        registry.unregister(kind, name)


class Tiny(VQA):
    """150 questions of three words that tell the answer, in memory."""

    card = replace(VQA.card, name="test-tiny", datasets=("test-tiny",))

    def load(self, dataset: DatasetCard, split: str) -> list[Sample]:
        words = ("red", "green", "blue")
        return [
            Sample(f"{split}/{n}", {"text": f"what number {n % 7} is {words[n % 3]}?"}, target=words[n % 3])
            for n in range(150)
        ]


@pytest.fixture
def tiny(register: Callable[[str, str, object], None], threads: None) -> str:
    """Name of a task that costs nothing to open, for models of text."""
    register("task", "test-tiny", Tiny)
    register("dataset", "test-tiny", easy_vqa.model_copy(update={"name": "test-tiny", "tasks": ("test-tiny",)}))
    return "test-tiny"


@pytest.fixture
def threads() -> Iterator[None]:
    """PyTorch's threads as they were: a run sets them for its process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def film() -> Path:
    """The shipped weights of film."""
    return FILM


@pytest.fixture
def weights(tmp_path: Path, probes: Path, threads: None) -> Callable[[str], Path]:
    """Weights of a model: those that ship, or made for a probe."""

    def find(model: str) -> Path:
        if not model.startswith("probe-"):
            return FILM.with_stem(model)
        path = tmp_path / "weights" / f"{model}.safetensors"
        save_weights(path, registry.load("model", model).restore(model, {}), Header(model, {}, {}))
        return path

    return find


@pytest.fixture
def run(tmp_path: Path, weights: Callable[[str], Path]) -> Callable[..., Evaluation]:
    """Evaluate on one thread, in this process, into `tmp_path / "results"` unless told otherwise."""

    def evaluate_model(
        model: str,
        dataset: str = "probe-clean",
        *,
        task: str = "probe",
        output: Path = tmp_path / "results",
        resume: bool = False,
        **options: object,
    ) -> Evaluation:
        chosen = EvalOptions(**{"limit": 32, "threads": 1, "workers": 0, "device": "cpu", "invariance": 0, **options})
        return evaluate(
            model, task, dataset=dataset, weights=weights(model), options=chosen, output=output, resume=resume
        )

    return evaluate_model


@pytest.fixture
def look(tmp_path: Path, threads: None) -> Callable[..., Diagnosed]:
    """Diagnose on 80 samples, on one thread, in this process, into `tmp_path / "results"` unless told otherwise."""

    def diagnose_model(
        model: str,
        task: str = "vqa",
        dataset: str | None = None,
        *,
        chosen: DiagnoseOptions = BRIEF,
        options: EvalOptions = HERE,
        progress: DiagnoseProgress | None = None,
    ) -> Diagnosed:
        return diagnose(
            model,
            task,
            where=Where(dataset),
            options=options,
            chosen=chosen,
            output=tmp_path / "results",
            progress=progress,
        )

    return diagnose_model


@pytest.fixture
def contest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The plugin of trials, loaded, and no other one; what it registered is forgotten afterwards."""
    with loaded(CONTEST, monkeypatch):
        yield CONTEST


@pytest.fixture
def own_contest(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A copy of the plugin of trials that a test may change."""
    path = tmp_path / "own_contest.py"
    path.write_bytes(CONTEST.read_bytes())
    with loaded(path, monkeypatch):
        yield path
