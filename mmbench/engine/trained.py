"""What a training run leaves: weights, and beside them the course of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmbench.checkpoint import Header, save_weights
from mmbench.engine.curves import write_curves, write_history
from mmbench.engine.processes import world_size
from mmbench.engine.progress import Epoch
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.train_source import Source, beside
from mmbench.model import BuildOptions, Model, Stored


@dataclass(frozen=True, slots=True)
class Trained:
    """What training gave.

    Attributes:
        path: the weights file; the history (`.history.jsonl`) and its plot (`.curves.svg`) lie beside it, unless the
            model learned in closed form.
        best: the epoch whose weights it holds.
        history: all epochs.
        parameters: numbers in the model that were there to learn.
        config: how the model is built, as plain JSON.
        options: how it was trained, with no default left open.
    """

    path: Path
    best: Epoch
    history: list[Epoch]
    parameters: int
    config: dict[str, Any]
    options: TrainOptions


@dataclass(frozen=True, slots=True)
class Outcome:
    """A finished training run.

    Attributes:
        model: name of the model.
        parts: each task with the model that learned it; it is `Stored`.
        build: what the user chose of its construction.
        origins: SHA-256, by modality, of the weights files that encoders started from.
        options: how, with no default left open.
        history: all epochs; one without a loss where the model learned in closed form.
    """

    model: str
    parts: Sequence[tuple[Source, Model]]
    build: BuildOptions
    origins: Mapping[str, str]
    options: TrainOptions
    history: list[Epoch]

    @property
    def best(self) -> Epoch:
        """The epoch whose weights the models have."""
        return next(epoch for epoch in self.history if epoch.is_best)

    def trained(self) -> list[Trained]:
        """What the caller is told of each task."""
        return [
            Trained(source.output, self.best, self.history, _parameters(model), _config(model), self.options)
            for source, model in self.parts
        ]

    def write(self) -> None:
        """Write the weights of each task, and beside them the course of the training if it had one.

        Raises:
            HarnessError: a file cannot be written.
        """
        for source, model in self.parts:
            assert isinstance(model, nn.Module)  # noqa: S101  # asked before training
            header = Header(self.model, _config(model), self._provenance(source))
            save_weights(source.output, model, header, getattr(torch, self.options.store))
            if self.best.loss is not None:
                write_history(beside(source.output, ".history.jsonl"), self.history)
                title = f"{self.model}: {', '.join(other.name for other, _ in self.parts)}"
                write_curves(beside(source.output, ".curves.svg"), title, self.history, self._main_metrics())

    def _main_metrics(self) -> list[str]:
        """Their names in the epochs' metrics."""
        names = [(source.name, next(iter(source.metrics))) for source, _ in self.parts]
        return [metric if len(names) == 1 else f"{name}.{metric}" for name, metric in names]

    def _provenance(self, source: Source) -> dict[str, Any]:
        more: dict[str, Any] = {"together": [other.name for other, _ in self.parts]} if len(self.parts) > 1 else {}
        more |= {"encoders_from": dict(self.origins)} if self.origins else {}
        # Their order counts, and is lost wherever the model's configuration is compared by name.
        more |= {"modalities": list(self.build.modalities)} if self.build.modalities else {}
        return {
            "task": source.task.card.name,
            "dataset": source.data,
            "samples": {"training": len(source.training), "validation": len(source.held_out)},
            "options": asdict(self.options),
            "epoch": self.best.number,
            "validation": self.best.metrics,
            "processes": world_size(),
            "torch": torch.__version__,
        } | more


def _config(model: Model) -> dict[str, Any]:
    assert isinstance(model, Stored)  # noqa: S101  # asked before training
    return model.stored_config()


def _parameters(model: Model) -> int:
    return sum(parameter.numel() for parameter in model.parameters()) if isinstance(model, nn.Module) else 0
