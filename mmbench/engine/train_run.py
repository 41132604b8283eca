"""One training run, from names to weights."""

import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass, replace
from pathlib import Path

import torch
from torch import nn

from mmbench.data.augment import AUGMENT
from mmbench.encoder import origins, unknown_words
from mmbench.engine.checkpoints import reserved
from mmbench.engine.lesson import Lesson
from mmbench.engine.models import model_factory
from mmbench.engine.processes import first_does, is_first, join_processes
from mmbench.engine.progress import Epoch, TrainProgress
from mmbench.engine.resolve import metrics_for
from mmbench.engine.trackers import check_trackers, tensorboard_at
from mmbench.engine.train_device import check_precision, make_repeatable, train_device
from mmbench.engine.train_options import COURSE, TrainOptions
from mmbench.engine.train_source import On, Source, beside, open_source
from mmbench.engine.trained import Outcome, Trained
from mmbench.engine.unknown import unknown_targets
from mmbench.engine.validation import Validation
from mmbench.errors import UsageError, unknown_name
from mmbench.model import (
    DEFAULT_BUILD,
    BuildOptions,
    Configurable,
    Embeds,
    Fits,
    Model,
    ModelFactory,
    Shares,
    Smooths,
    Stored,
    Trains,
)
from mmbench.registry import plugin_hashes
from mmbench.sample import Chain, Dataset
from mmbench.task import check_fit

_LENGTH = 60  # characters of an answer in a note


class TrainingRun:
    """Trains one model on one task, or models that share their encoders on several."""

    def __init__(
        self,
        model: str,
        on: Sequence[On],
        build: BuildOptions | None,
        options: TrainOptions | None,
        outputs: Sequence[Path | None],
        progress: TrainProgress | None,
    ) -> None:
        """Resolve every name and open the data; see `train`."""
        options = options or TrainOptions()
        self._model = model
        self._build = build or DEFAULT_BUILD
        self._factory = _factory(model, self._build)
        self._device = train_device(options.device)
        check_precision(options.precision, self._device)
        check_trackers(options.log_to)
        self._options = replace(options, device=str(self._device))
        # Of several processes the first speaks to the user and writes files.
        self._progress = progress if progress is not None and is_first() else TrainProgress()
        self._asked = options
        self._sources = [open_source(each, model, output, options) for each, output in zip(on, outputs, strict=True)]
        for source in self._sources:
            for modality in self._build.modalities or ():
                if modality not in source.modalities:
                    raise unknown_name(f"modality of {source.name}", modality, source.modalities)

    def go(self, resume: bool) -> list[Trained]:
        """Train, and write the best weights of each task."""
        join_processes(self._device)
        make_repeatable(self._device)
        torch.set_num_threads(self._options.threads)
        torch.manual_seed(self._options.seed)
        taught = [source.taught(source.training) for source in self._sources]
        for source, samples in zip(self._sources, taught, strict=True):
            if not len(samples):
                raise UsageError(f"{source.name}: nothing can be learned from its {len(source.training)} samples")
        self._options = self._options.resolved(sum(map(len, taught)))
        learners = self._learners(taught, resume)
        started_from = origins(self._build)  # now, since a file may be written anew meanwhile
        for note in unknown_words(self._build, Chain(taught)):
            self._progress.note(note)
        with reserved(self._checkpoints):
            if isinstance(learners[0], Fits):
                learners, history = self._count(learners[0])
            else:
                history = self._descend(learners, taught, started_from, resume)
            parts = list(zip(self._sources, learners, strict=True))
            outcome = Outcome(self._model, parts, self._build, started_from, self._options, history)
            first_does(outcome.write)
            if is_first():
                shutil.rmtree(self._checkpoints, ignore_errors=True)
        return outcome.trained()

    @property
    def _checkpoints(self) -> Path:
        output = self._sources[0].output
        return beside(output.with_name(f".{output.name}"), ".training")

    def _learners(self, taught: Sequence[Dataset], resume: bool) -> list[Model]:
        """New models for the samples that they are taught."""
        asked = [(source.modalities, samples) for source, samples in zip(self._sources, taught, strict=True)]
        if len(asked) == 1:
            learners = [self._factory.create(self._model, *asked[0])]
        elif isinstance(self._factory, Shares):
            learners = list(self._factory.create_together(self._model, asked))
        else:
            raise UsageError(f"model {self._model!r} cannot share its encoders between tasks; a fusion can")
        for source, learner in zip(self._sources, learners, strict=True):
            check_fit(source.task.card, source.card, learner)
            _check_learns(learner, self._asked, resume)
            if self._options.label_smoothing:
                if not isinstance(learner, Smooths):
                    raise UsageError(f"model {self._model!r} does not smooth labels; leave out --label-smoothing")
                learner.label_smoothing = self._options.label_smoothing
            learner.to(self._device)  # type: ignore[attr-defined]  # an nn.Module, as was just checked
        read = {modality for learner in learners for modality in learner.modalities}
        if self._options.modality_dropout and len(read) == 1:
            raise UsageError(
                f"model {self._model!r} has one modality, {next(iter(read))}, and one is always kept; leave out "
                "--modality-dropout"
            )
        if self._options.modality_dropout and any(isinstance(learner, Embeds) for learner in learners):
            raise UsageError(
                f"model {self._model!r} learns from pairs, and half of one teaches nothing; leave out "
                "--modality-dropout"
            )
        if self._options.augment and read.isdisjoint(AUGMENT):
            raise UsageError(
                f"model {self._model!r} reads only {' and '.join(sorted(read)) or 'nothing'}, and what is varied is "
                f"{' and '.join(sorted(AUGMENT))}; leave out --augment"
            )
        return learners

    def _validation(self, source: Source, learner: Model) -> Validation:
        options = self._options
        metrics = metrics_for(learner, source.metrics, ())
        return Validation(
            source.task, metrics, source.held_out, options.batch_size or 1, options.workers, options.device
        )

    def _count(self, learner: Fits) -> tuple[list[Model], list[Epoch]]:
        """Learn in closed form."""
        (source,) = self._sources
        learner.fit(source.taught(source.training))
        assert isinstance(learner, Model)  # noqa: S101  # check_fit asked
        epoch = Epoch(1, None, self._validation(source, learner)(learner), is_best=True)
        self._progress.epoch(epoch)
        # Nothing was chosen by validation, so in the end it counts the whole split, as priors are defined.
        whole = source.taught(source.samples)
        final = self._factory.create(self._model, source.modalities, whole)
        assert isinstance(final, Fits)  # noqa: S101  # made by the same factory
        final.fit(whole)
        return [final], [epoch]

    def _descend(
        self, learners: Sequence[Model], taught: Sequence[Dataset], started_from: Mapping[str, str], resume: bool
    ) -> list[Epoch]:
        """Learn by gradient descent."""
        from mmbench.engine.trainer import descend  # noqa: PLC0415  # transformers' Trainer takes seconds to import

        lessons = [
            Lesson(source.name, learner, samples, self._validation(source, learner))
            for source, learner, samples in zip(self._sources, learners, taught, strict=True)
        ]
        for lesson in lessons:
            held_out = lesson.validation.samples
            targets = (held_out[index].target for index in range(len(held_out)))
            if note := unknown_targets(targets, lesson.model):
                self._progress.note(f"{lesson.name} validation: {note}")
        identity = {
            "model": self._model,
            "build": repr(self._build),
            "encoders_from": dict(started_from),
            "tasks": [source.name for source in self._sources],
            "data": [source.data for source in self._sources],
            "plugins": plugin_hashes(),
        }
        with tensorboard_at(beside(self._sources[0].output, ".tensorboard")):
            history = descend(lessons, self._options, identity, self._checkpoints, resume, self._progress)
        best = next(epoch for epoch in history if epoch.is_best)
        for lesson in lessons:
            if note := _no_better_than_constant(lesson, best.metrics, many=len(lessons) > 1):
                self._progress.note(note)
        return history


def _factory(model: str, build: BuildOptions) -> ModelFactory:
    factory = model_factory(model)
    if build.modalities is not None:
        factory = _reading(factory, model, build.modalities)
        build = replace(build, modalities=None)  # heeded
    if build == DEFAULT_BUILD:
        return factory
    if not isinstance(factory, Configurable):
        raise UsageError(
            f"model {model!r} takes no --encoder, --freeze, --option, --budget or --representation: its parts are fixed"
        )
    return factory.configured(build)


def _reading(factory: ModelFactory, model: str, modalities: tuple[str, ...]) -> ModelFactory:
    """The factory of models that read these modalities, if it leaves open which."""
    if not is_dataclass(factory) or isinstance(factory, type) or getattr(factory, "modalities", ()) is not None:
        raise UsageError(f"model {model!r} takes no --modality: what it reads is fixed")
    found: ModelFactory = replace(factory, modalities=modalities)
    return found


def _check_learns(learner: Model, options: TrainOptions, resume: bool) -> None:
    if not isinstance(learner, Fits | Trains):
        raise UsageError(f"model {learner.name!r} cannot be trained: it has neither loss(batch) nor fit(samples)")
    if not (isinstance(learner, nn.Module) and isinstance(learner, Stored)):
        raise UsageError(f"model {learner.name!r} cannot be stored: it must be a torch.nn.Module with stored_config()")
    if isinstance(learner, Fits):
        ignored = [name for name in COURSE if getattr(options, name) != getattr(TrainOptions(), name)]
        if ignored or resume:
            name = ignored[0].replace("_", "-") if ignored else "resume"
            raise UsageError(f"model {learner.name!r} counts its samples once and as they are; leave out --{name}")


def _no_better_than_constant(lesson: Lesson, metrics: Mapping[str, float | None], *, many: bool) -> str | None:
    """What to tell the user of a model that is no better than one and the same answer to everything."""
    labels = Counter(lesson.samples[index].label for index in range(len(lesson.samples)))
    answer, _ = labels.most_common(1)[0]
    validation = lesson.validation
    name = validation.main_metric
    value, floor = metrics[f"{lesson.name}.{name}" if many else name], validation.constant(answer)
    if value is None or floor is None or (value > floor if validation.higher_is_better else value < floor):
        return None
    shown = answer if len(answer) <= _LENGTH else f"{answer[: _LENGTH - 1]}…"
    return (
        f"{lesson.name}: {name} {value:.4f} on validation is no better than answering {shown!r} to everything, "
        f"{floor:.4f}; more --epochs, a smaller --batch-size or another --learning-rate may help"
    )
