"""Makes fusion models: new ones around chosen encoders, or as they were stored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from torch import nn

from mmbench.budget import count_parameters, solve_width
from mmbench.encoder import choose_encoders, chosen_width, start_encoders
from mmbench.errors import UsageError
from mmbench.fusion_model import WIDTH, FusionConfig, FusionModel
from mmbench.model import DEFAULT_BUILD, BuildOptions, ModelFactory
from mmbench.registry import registry
from mmbench.sample import Chain, Dataset
from mmbench.setting import read_settings


@dataclass(frozen=True, slots=True)
class FusionFactory:
    """Makes fusion models around one registered fusion.

    Attributes:
        fusion: its registered name.
        modalities: what the model reads; `None` for all that the task offers.
        build: what the user chose.
    """

    fusion: str
    modalities: tuple[str, ...] | None = None
    build: BuildOptions = DEFAULT_BUILD

    def configured(self, build: BuildOptions) -> "FusionFactory":
        """Of models that are built so."""
        return replace(self, build=build)

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> FusionModel:
        """Untrained, with the chosen encoders or the modalities' default ones."""
        (model,) = self.create_together(name, [(modalities, samples)])
        return model

    def create_together(self, name: str, tasks: Sequence[tuple[tuple[str, ...], Dataset]]) -> list[FusionModel]:
        """One model for each task's modalities and samples, with the same encoders, which know the words of all."""
        read = [self.modalities or modalities for modalities, _ in tasks]
        union = tuple(dict.fromkeys(chain.from_iterable(read)))
        if self.build.representation == "joint" and len(union) == 1:
            raise UsageError(f"model {name!r} reads {union[0]} alone; a joint representation is of several modalities")
        samples = Chain([samples for _, samples in tasks])
        configs = choose_encoders(union, samples, self.build)
        width = chosen_width(self.build, WIDTH)
        fusion_class = registry.load("fusion", self.fusion)
        options = read_settings(f"fusion {self.fusion!r}", fusion_class, self.build.options)
        encoders = {m: config.build(width) for m, config in configs.items()}
        start_encoders(encoders, self.build)
        models = []
        for modalities, (_, own) in zip(read, tasks, strict=True):
            config = FusionConfig(
                self.fusion,
                {m: configs[m] for m in modalities},
                sorted({own[index].label for index in range(len(own))}),
                width=width,
                representation=self.build.representation,
                frozen=[m for m in modalities if m in self.build.freeze],
                options=options,
            )
            models.append(self._around(nn.ModuleDict({m: encoders[m] for m in modalities}), name, config))
        return models

    def _around(self, encoders: nn.ModuleDict, name: str, config: FusionConfig) -> FusionModel:
        """The model around encoders, what comes after them as wide as the budget asks.

        Raises:
            UsageError: no width meets the budget.
        """
        asked = self.build.parameters
        if asked is not None:
            own = count_parameters(encoders)
            if own >= asked:
                raise UsageError(f"{asked:,} parameters are too few: the encoders alone have {own:,}")
            hidden = solve_width(lambda width: FusionModel(name, replace(config, hidden=width), encoders), asked)
            config = replace(config, hidden=hidden)
        return FusionModel(name, config, encoders)

    def restore(self, name: str, config: Mapping[str, Any]) -> FusionModel:
        """Built as stored.

        Raises:
            UsageError: the configuration is of another fusion or of other modalities.
        """
        try:
            stored = FusionConfig.from_json(config)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"the stored configuration is of no fusion model: {error}") from error
        if stored.fusion != self.fusion or (self.modalities and tuple(stored.encoders) != self.modalities):
            raise UsageError(
                f"the weights hold a {stored.fusion!r} fusion of {', '.join(stored.encoders)}; "
                f"model {name!r} is a {self.fusion!r} fusion of {', '.join(self.modalities or stored.encoders)}"
            )
        return FusionModel(name, stored)


def find_factory(name: str) -> ModelFactory | None:
    """The factory registered as a model, or one around the fusion of that name; `None` if there is neither."""
    if name in registry.names("model"):
        factory: ModelFactory = registry.load("model", name)
        return factory
    return FusionFactory(name) if name in registry.names("fusion") else None
