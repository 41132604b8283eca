"""Which trials a comparison consists of: names checked, floors added, the same recipe for every model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from pydantic import JsonValue

from mmbench.data.augment import AUGMENT
from mmbench.data.card import DatasetCard
from mmbench.encoder import encoder_name, origins
from mmbench.engine.code_hash import HARNESS, code_hashes, packages_of
from mmbench.engine.models import model_factory
from mmbench.engine.options import EvalOptions
from mmbench.engine.resolve import resolve_dataset, resolve_metrics, resolve_task, revision_of
from mmbench.engine.train_device import check_precision
from mmbench.engine.train_options import COURSE, TrainOptions
from mmbench.engine.train_source import On
from mmbench.engine.trial import Trial
from mmbench.errors import UsageError, unknown_name
from mmbench.fusion_factory import FusionFactory
from mmbench.model import DEFAULT_BUILD, BuildOptions, Configurable, Fits, ModelFactory, Ready
from mmbench.profile.device import pick_device
from mmbench.record.environment import versions
from mmbench.registry import Kind, plugin_hashes, registry
from mmbench.task import Task


@dataclass(frozen=True, slots=True)
class Recipe:
    """How all models of a comparison are built, trained and evaluated.

    Attributes:
        build: encoders and budget.
        training: the seed is set for each trial.
        evaluation: cost passes are made for the first seed alone, since cost does not depend on the seed.
        split: that is evaluated; the data set's default one if `None`.
        seeds: trainings of each model, under seeds 0, 1, ...
        floors: whether the floors that the task's card names stand beside the models.
    """

    build: BuildOptions = DEFAULT_BUILD
    training: TrainOptions = field(default_factory=TrainOptions)
    evaluation: EvalOptions = field(default_factory=EvalOptions)
    split: str | None = None
    seeds: int = 5
    floors: bool = True

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense.

        Raises:
            UsageError: no seeds.
        """
        if self.seeds < 1:
            raise UsageError(f"--seeds must be at least 1, not {self.seeds}")


@dataclass(frozen=True, slots=True)
class _Entrant:
    """A model of the comparison.

    Attributes:
        reads: its modalities; those of the data set where its factory leaves them open.
        floor: it was not asked for by name.
    """

    name: str
    factory: ModelFactory
    reads: tuple[str, ...]
    floor: bool


def plan_trials(
    models: Sequence[str], on: On, recipe: Recipe, note: Callable[[str], None] = lambda message: None
) -> list[Trial]:
    """The trials of a comparison, first seeds first; nothing is run, and no sample is decoded.

    All models have the same split, encoders, budget, optimiser, schedule and stopping rule. What a model cannot heed is
    left out for it: a model that counts has no course of training and no budget, one of a single modality lacks none,
    and one that reads nothing that is varied is not augmented.

    Args:
        models: names of models and fusions.
        on: task and data set.
        recipe: what all of them have in common.
        note: told where a model differs from the others.

    Raises:
        UsageError: a name is wrong or given twice, a model does not fit the data set or cannot be built so, the data
            set has no training split, or there is no such device here, or it lacks the precision.
    """
    check_precision(recipe.training.precision, pick_device(recipe.training.device))
    for name in models:
        if models.count(name) > 1:
            raise UsageError(f"model {name!r} is named twice")
    task = resolve_task(on.task)
    card = resolve_dataset(task, on.dataset, on.data)
    offered = task.card.modalities_of(card)
    for option, named in (("--encoder", recipe.build.encoders), ("--freeze", recipe.build.freeze)):
        for modality in named:
            if modality not in offered:
                raise unknown_name(f"modality in {option}", modality, offered)
    entrants = [_entrant(name, offered, floor=False) for name in models]
    for entrant in entrants:
        if not isinstance(entrant.factory, Ready) and card.train_split is None:
            raise UsageError(
                f"data set {card.name!r} has no training split, so {entrant.name!r} cannot be trained on it"
            )
    if recipe.floors:
        floors = _floors(task.card.floors, models, offered)
        entrants += [floor for floor in floors if isinstance(floor.factory, Ready) or card.train_split is not None]
    split = recipe.split or card.default_split
    card.check_split(split)
    ground = _Ground(task, card, split)
    trials = {entrant.name: _trials(entrant, on, split, recipe, ground, note) for entrant in entrants}
    return [
        own[seed] for seed in range(recipe.seeds) for entrant in entrants if seed < len(own := trials[entrant.name])
    ]


def _entrant(name: str, offered: tuple[str, ...], *, floor: bool) -> _Entrant:
    factory = model_factory(name)
    reads = getattr(factory, "modalities", None)
    if not floor:
        for modality in reads or ():
            if modality not in offered:
                raise UsageError(f"model {name!r} reads {modality}; the data set has {', '.join(offered)}")
    return _Entrant(name, factory, offered if reads is None else tuple(reads), floor)


def _floors(names: Sequence[str], models: Sequence[str], offered: tuple[str, ...]) -> list[_Entrant]:
    """The floors that are installed, fit the data set, and are not among the models already."""
    known = registry.model_names()
    found = [_entrant(name, offered, floor=True) for name in names if name in known and name not in models]
    return [entrant for entrant in found if set(entrant.reads) <= set(offered)]


class _Ground:
    """What trials on a data set rest on besides their options."""

    def __init__(self, task: Task, card: DatasetCard, split: str) -> None:
        self.card = card
        self._revision = revision_of(card, task.load(card, split))
        metrics = resolve_metrics(task, card, (), {})
        self._parts: list[tuple[Kind, str]] = [("task", task.card.name), ("dataset", card.name)]
        self._parts += [("metric", name) for name in metrics]
        self._hashes: dict[str, str] = {}

    def of(self, entrant: _Entrant, build: BuildOptions) -> dict[str, JsonValue]:
        """Of one model's trials."""
        packages = packages_of([*self._parts, *_parts(entrant, build)], self.card)
        self._hashes |= code_hashes(package for package in packages if package not in self._hashes)
        return {
            "card": self.card.model_dump(mode="json"),
            "revision": self._revision,
            "code": {package: self._hashes[package] for package in packages},
            "plugins": dict(plugin_hashes()),
            "encoders_from": dict(origins(build)),
            "versions": {name: each for name, each in versions().items() if name != HARNESS},  # its code tells more
        }


def _parts(entrant: _Entrant, build: BuildOptions) -> list[tuple[Kind, str]]:
    """Registered parts that a model consists of."""
    parts: list[tuple[Kind, str]] = [("model", entrant.name), ("fusion", entrant.name)]
    if isinstance(entrant.factory, FusionFactory):
        parts.append(("fusion", entrant.factory.fusion))
    specs = {modality: build.encoders.get(modality, modality) for modality in entrant.reads}
    return [*parts, *(("encoder", encoder_name(modality, spec)) for modality, spec in specs.items())]


def _trials(
    entrant: _Entrant, on: On, split: str, recipe: Recipe, ground: _Ground, note: Callable[[str], None]
) -> list[Trial]:
    """Of each seed, or the single one of a model that has nothing to do with seeds."""
    counts = isinstance(entrant.factory, Fits)
    ready = isinstance(entrant.factory, Ready)
    build = DEFAULT_BUILD if counts or ready else _build_of(entrant, recipe.build)
    course = None if ready else _counted(recipe.training) if counts else _course_of(entrant, recipe.training, note)
    evaluation = recipe.evaluation
    devices = {"evaluation": evaluation.device} | ({} if course is None else {"training": course.device})
    rests_on = ground.of(entrant, build) | {"devices": {verb: pick_device(name).type for verb, name in devices.items()}}
    seeds = 1 if course is None or counts else recipe.seeds
    card = ground.card
    return [
        Trial(
            task=on.task,
            dataset=card.name,
            split=split,
            model=entrant.name,
            build=build,
            training=None if course is None else replace(course, seed=seed),
            evaluation=evaluation if seed == 0 else replace(evaluation, cost="off"),
            counts=counts,
            ground=rests_on,
            data=on.data,
            plugins=tuple(path.resolve() for path in registry.files),
        )
        for seed in range(seeds)
    ]


def _build_of(entrant: _Entrant, build: BuildOptions) -> BuildOptions:
    """What of the common construction concerns a model.

    Raises:
        UsageError: it is asked for by name and cannot be built so.
    """
    own = replace(
        build,
        encoders={modality: spec for modality, spec in build.encoders.items() if modality in entrant.reads},
        freeze=tuple(modality for modality in build.freeze if modality in entrant.reads),
    )
    if own == DEFAULT_BUILD:
        return own
    if isinstance(entrant.factory, Configurable):
        entrant.factory.configured(own)  # refuses what these models would not heed
        return own
    if entrant.floor:
        return DEFAULT_BUILD
    raise UsageError(f"model {entrant.name!r} takes no --encoder, --freeze or --budget: its parts are fixed")


def _counted(training: TrainOptions) -> TrainOptions:
    """What of the options concerns a model that counts."""
    return replace(training, **{name: getattr(TrainOptions(), name) for name in COURSE})


def _course_of(entrant: _Entrant, training: TrainOptions, note: Callable[[str], None]) -> TrainOptions:
    """What of the options concerns a model of these modalities."""
    reads = " and ".join(entrant.reads)
    if training.augment and set(entrant.reads).isdisjoint(AUGMENT):
        note(f"{entrant.name} reads {reads} alone, of which nothing is varied: trained without --augment")
        training = replace(training, augment=False)
    if training.modality_dropout and len(entrant.reads) == 1:
        note(f"{entrant.name} reads {reads} alone, which is always kept: trained without --modality-dropout")
        training = replace(training, modality_dropout=0.0)
    return training
