"""A trial: one model, trained under one seed and evaluated; what names it, and the commands that make it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

from pydantic import JsonValue

from mmbench.engine.cost_options import CostLevel
from mmbench.engine.options import EvalOptions
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError
from mmbench.model import BuildOptions
from mmbench.record.schema import RunRecord
from mmbench.record.store import Store

_MACHINE = ("device", "threads", "workers", "log_to")
"""Options of training and evaluation that say where it runs, not what; of the device, its kind is in the ground."""

_COST = ("cost", "stages")
"""Options of an evaluation that no row depends on."""

_FLAGS = {"metrics": "metric", "stages": "stage"}
"""Fields of options whose flag has another name than theirs."""

_KEY = 24  # hexadecimal digits of the hash
_WEIGHTS = "weights.safetensors"
_LEVELS: tuple[str, ...] = get_args(CostLevel)


@dataclass(frozen=True)
class Trial:
    """One model on one data set under one training seed.

    Attributes:
        task, dataset, split, model: names; the split is the one that is evaluated.
        build: what is chosen of the model's construction.
        training: how it is trained; `None` for a model that is ready without.
        evaluation: how it is evaluated. With cost passes it is run alone, when nothing else of the comparison runs.
        counts: the model learns in closed form, so that its seed means nothing.
        ground: what the result rests on besides these options: data, code, plugin files, weights that encoders start
            from, versions of packages, kinds of device.
        data: where the files of the data set are, if not where its card says.
        plugins: files that its processes load.
    """

    task: str
    dataset: str
    split: str
    model: str
    build: BuildOptions
    training: TrainOptions | None
    evaluation: EvalOptions
    counts: bool
    ground: Mapping[str, JsonValue]
    data: Path | None = None
    plugins: tuple[Path, ...] = ()

    @property
    def label(self) -> str:
        """What people call it: `film, seed 2`."""
        return self.model if self.training is None or self.counts else f"{self.model}, seed {self.training.seed}"

    @cached_property
    def key(self) -> str:
        """The name of its folder: a hash of all that may change a row."""
        return sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:_KEY]

    def identity(self) -> dict[str, Any]:
        """All that may change a row, as plain JSON; where it runs, and what it costs, is left out."""
        without = {
            "training": None if self.training is None else _without(self.training, _MACHINE),
            "evaluation": _without(self.evaluation, _MACHINE + _COST),
        }
        names = {name: getattr(self, name) for name in ("task", "dataset", "split", "model")}
        found: dict[str, Any] = json.loads(json.dumps(names | {"build": asdict(self.build)} | without))
        return found | dict(self.ground)

    def description(self) -> str:
        """What its folder says of it: its identity, and what it is trained on."""
        training = self.training
        machine = {} if training is None else {"device": training.device, "threads": training.threads}
        return json.dumps({"key": self.key, **self.identity(), "machine": machine}, indent=2) + "\n"

    def weights(self, folder: Path) -> Path | None:
        """Its weights file, if it has one."""
        return None if self.training is None else folder / _WEIGHTS

    def checkpoints(self, folder: Path) -> Path:
        """Where its training keeps checkpoints until it ends."""
        return folder / f".{_WEIGHTS.removesuffix('.safetensors')}.training"

    def train_words(self, folder: Path, *, resume: bool) -> list[str]:
        """`train` and its options."""
        assert self.training is not None  # noqa: S101  # what the caller asked first
        words = ["train", *self._names(), *_build_words(self.build), *_words(self.training)]
        return [*words, "--output", str(folder / _WEIGHTS), *(["--resume"] if resume else [])]

    def eval_words(self, folder: Path, *, workers: int | None, threads: int | None) -> list[str]:
        """`eval` and its options, with so many loader processes and threads; it goes on where it was interrupted."""
        options = replace(self.evaluation, workers=workers, threads=threads)
        weights = self.weights(folder)
        words = ["eval", *self._names(), "--split", self.split, *_words(options)]
        words += ["--cost", options.cost]  # the default of the command is another
        words += [] if weights is None else ["--weights", str(weights)]
        return [*words, "--output", str(folder), "--resume"]

    def stored(self, folder: Path) -> tuple[Path, RunRecord] | None:
        """Its latest run in its folder, with at least the cost passes asked for; nothing if there is none."""
        if not folder.is_dir():
            return None
        asked = _LEVELS.index(self.evaluation.cost)
        runs = Store(folder).find([folder])
        fitting = [(file.parent, run) for file, run in runs if _LEVELS.index(str(run.settings["cost"])) >= asked]
        return fitting[-1] if fitting else None

    def _names(self) -> list[str]:
        words = [word for file in self.plugins for word in ("--plugin", str(file))]
        words += ["--model", self.model, "--task", self.task, "--dataset", self.dataset]
        return words + (["--data", str(self.data)] if self.data else [])


def _without(options: TrainOptions | EvalOptions, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: value for name, value in asdict(options).items() if name not in names}


def _build_words(build: BuildOptions) -> list[str]:
    """What the command line calls a construction, defaults left out."""
    words = []
    for flag, values in (
        ("modality", build.modalities or ()),
        ("encoder", [f"{modality}={spec}" for modality, spec in build.encoders.items()]),
        ("freeze", build.freeze),
        ("option", build.options),
    ):
        words += [word for value in values for word in (f"--{flag}", value)]
    if build.width is not None:
        words += ["--budget", f"equal-width={build.width}"]
    if build.parameters is not None:
        words += ["--budget", f"equal-params={build.parameters}"]
    if build.representation != BuildOptions().representation:
        words += ["--representation", build.representation]
    return words


def _words(options: TrainOptions | EvalOptions) -> list[str]:
    """What the command line calls options; those at their default, and the cost level, left out."""
    words = []
    for field in fields(options):
        name, value = field.name, getattr(options, field.name)
        if name == "cost" or value == getattr(type(options)(), name):
            continue
        flag = "--" + _FLAGS.get(name, name).replace("_", "-")
        match value:
            case "if-any":
                words += ["--scores-if-any"]
            case True:
                words += [flag]
            case tuple():
                words += [word for each in value for word in (flag, str(each))]
            case Mapping():
                words += [word for key, each in value.items() for word in (flag, f"{key}={each}")]
            case int() | float() | str():
                words += [flag, str(value)]
            case _:
                raise UsageError(f"a trial has no {name}: it is trained and evaluated on samples as they are")
    return words
