"""Diagnosis: what a model uses of its inputs and how it bears their loss, from names to a stored record."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mmbench.data.alteration import Alteration
from mmbench.engine import diagnose_parts as parts
from mmbench.engine.batch_size import find_batch_size
from mmbench.engine.conditions import Conditions, read_sample
from mmbench.engine.diagnose_options import DiagnoseOptions
from mmbench.engine.emap import CannotRecombineError, predictions, project
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import DiagnoseProgress
from mmbench.engine.run import Run, dataset_info, model_info, settings
from mmbench.engine.verdict import Evidence, Scale, verdict
from mmbench.errors import UsageError
from mmbench.metrics.brier import Brier
from mmbench.metrics.ece import ECE
from mmbench.metrics.load import load_metric
from mmbench.metrics.metric import Metric
from mmbench.metrics.nll import NLL
from mmbench.model import Decides, Remote, abilities
from mmbench.record.diagnosis import DiagnosisRecord, Interaction, Missing, Perceptual
from mmbench.record.environment import capture
from mmbench.record.store import Store, new_run_id
from mmbench.sample import Subset

_CALIBRATION = (ECE, NLL, Brier)
_SKIPPED = "left out by --skip"


@dataclass(frozen=True, slots=True)
class Diagnosed:
    """A finished diagnosis: its record and the folder where it is stored."""

    record: DiagnosisRecord
    folder: Path


def diagnose(
    model: str,
    task: str,
    *,
    where: Where | None = None,
    weights: Path | None = None,
    options: EvalOptions | None = None,
    chosen: DiagnoseOptions | None = None,
    output: Path = Path("results"),
    progress: DiagnoseProgress | None = None,
) -> Diagnosed:
    """Find out what a model uses of its inputs, and store that.

    Args:
        model: name of a registered model or fusion.
        task: name of the task.
        where: which data; the task's default data set if `None`.
        weights: a file written by `train`; if `None`, what was trained here, else what an installed package ships.
        options: how to run; a sample that fails ends the diagnosis, whatever they say.
        chosen: what to look at.
        output: root of the store.
        progress: told how far it is.

    Raises:
        UsageError: a name, an option or a file is wrong; nothing was run or written.
        HarnessError: a sample or the model failed, or the record cannot be written; nothing was written.
    """
    options, chosen, progress = options or EvalOptions(), chosen or DiagnoseOptions(), progress or DiagnoseProgress()
    store = Store(output)
    store.check_writable()
    kind = None if chosen.metric is None else load_metric(chosen.metric)
    options = replace(options, metrics=() if chosen.metric is None else (chosen.metric,))
    run = load_run(model, task, where or Where(), weights, options)
    if isinstance(run.model, Remote):
        raise UsageError(f"{run.model.name!r} answers on another machine, and a diagnosis asks each sample many times")
    classifies = _asked(run) == "classify"
    if len(run.samples) < 2:
        raise UsageError("one sample cannot be diagnosed: its inputs are compared with those of others")
    main = run.metrics[next(iter(run.metrics)) if kind is None else kind.name]
    if main.higher_is_better is None:
        raise UsageError(
            f"metric {main.name!r} describes answers and does not judge them; --metric takes one that does"
        )
    reads = [m for m in run.task.card.modalities_of(run.dataset) if m in run.model.modalities]
    noises = parts.chosen_noises(chosen.noises, run.task.card.modalities_of(run.dataset), reads)
    absent = _absent(run, chosen, classifies, reads, noises)
    batch_size = options.batch_size
    if batch_size == "auto":
        batch_size = find_batch_size(run.model, run.task, run.samples, run.device)
        progress.note(f"batch size: {batch_size}")
    created = datetime.now(UTC)
    look = _Look(run, main, chosen, batch_size, progress, absent)
    plan = parts.planned(reads, noises, chosen, absent, options.seed)
    record = DiagnosisRecord(
        run_id=new_run_id(created),
        created=created,
        task=run.task.card.name,
        metric=main.name,
        higher_is_better=main.higher_is_better,
        dataset=dataset_info(run),
        model=model_info(run.loaded),
        modalities=list(run.task.card.modalities_of(run.dataset)),
        reads=reads,
        **look.sections(noises, plan),
        absent=absent,
        environment=capture(),
        settings=_settings(run, batch_size, chosen, noises),
    )
    return Diagnosed(record, store.save_diagnosis(record))


class _Look:
    """All that the sections of one diagnosis are made with."""

    def __init__(
        self,
        run: Run,
        main: Metric,
        chosen: DiagnoseOptions,
        batch_size: int,
        progress: DiagnoseProgress,
        absent: dict[str, str],
    ) -> None:
        self.run, self.chosen, self.progress, self.absent = run, chosen, progress, absent
        self.calibration = {} if "calibration" in absent else {kind.name: kind() for kind in _CALIBRATION}
        metrics = {**self.calibration, main.name: main}
        self.conditions = Conditions(run, main, metrics, batch_size, self._passed)
        self.passes = 0
        self.planned = 0

    def _passed(self, alteration: Alteration) -> None:
        self.passes += 1
        self.progress.step(alteration.label() or "clean", self.passes, self.planned)

    def sections(self, noises: list[parts.Pair], plan: set[Alteration]) -> dict[str, Any]:
        """Every section, null where it is absent, and what they show together."""
        conditions, chosen, seed = self.conditions, self.chosen, self.run.options.seed
        self.planned = len({conditions.effective(alteration) for alteration in plan})
        clean = conditions.value(conditions.main_rows())
        makers: dict[str, Callable[[], Any]] = {
            "perceptual": lambda: parts.perceptual(conditions, chosen.permutations, seed),
            "shapley": lambda: parts.shapley(conditions),
            "missing": lambda: parts.missing(conditions),
            "robustness": lambda: parts.robustness(conditions, noises, chosen.levels, seed),
            "calibration": lambda: parts.calibration(
                conditions,
                self.calibration,
                parts.calibration_conditions(conditions.reads, noises, chosen.middle, seed),
            ),
            "emap": self._interaction,
        }
        found = {name: None if name in self.absent else make() for name, make in makers.items()}
        interaction, units = found.pop("emap") or (None, 0)
        scale = Scale(conditions.main.name, clean.value, conditions.main.higher_is_better is not False)
        evidence = _evidence(
            found["perceptual"], found["missing"], conditions.modalities, conditions.units([conditions.main_rows()])
        )
        told = verdict(evidence, conditions.reads, interaction, scale, units)
        return {"clean": parts.measure(clean), "verdict": told, "interaction": interaction, **found}

    def _interaction(self) -> tuple[Interaction, int] | None:
        """The gain over the additive part on samples drawn at random, in data set order, and their independent units.

        Single samples are drawn, not whole clusters: few clusters would hold few different images, of which the
        additive part is an average. Intervals draw clusters all the same.
        """
        samples, conditions = self.run.samples, self.conditions
        count = min(self.chosen.emap_samples, len(samples))
        drawn = np.random.default_rng(self.run.options.seed).choice(len(samples), count, replace=False)
        positions: list[int] = np.sort(drawn).tolist()
        model, asking = self.run.model, conditions.asking
        try:
            found = project(
                model,
                asking,
                Subset(samples, positions),
                lambda done, total: self.progress.step("emap", done, total),
            )
        except CannotRecombineError as error:
            self.absent["emap"] = f"its inputs cannot be recombined: {error}"
            return None
        given = [predictions(asking, model, logits) for logits in (found.full, found.additive)]
        runs = [conditions.score(each, positions) for each in given]
        gain = conditions.contrasts(runs, {"gain": lambda values: values[0] - values[1]}, positions)["gain"]
        interaction = Interaction(
            full=parts.measure(conditions.value(runs[0], positions=positions)),
            additive=parts.measure(conditions.value(runs[1], positions=positions)),
            gain=parts.measure(gain),
            changed=conditions.changed(runs, [[prediction.value for prediction in each] for each in given]),
            recombined="tokens" if isinstance(model, Decides) else "inputs",
        )
        return interaction, conditions.units(runs, positions)


def _asked(run: Run) -> str:
    """What the task asks of the model.

    Raises:
        UsageError: vectors, which are of one modality each.
    """
    able = abilities(run.model)
    asked = next(ability for ability in run.task.card.abilities if ability in able)
    if asked == "embed":
        raise UsageError(
            f"task {run.task.card.name!r} asks for a vector of each item, which has one modality, so there is nothing "
            "to take away or to recombine; `mmbench eval` with --drop or --noise shows how altered items are found"
        )
    return asked


def _absent(
    run: Run, chosen: DiagnoseOptions, classifies: bool, reads: list[str], noises: list[parts.Pair]
) -> dict[str, str]:
    """Why sections are null, by name."""
    found = {}
    if not reads:
        found = dict.fromkeys(("emap", "shapley", "missing", "perceptual"), f"{run.model.name} reads no input")
    elif len(reads) < 2:
        found["emap"] = f"{run.model.name} reads {reads[0]} alone; it is defined for two modalities or more"
    if not classifies:
        found |= dict.fromkeys(("emap", "calibration"), f"{run.model.name} gives no scores of labels")
    elif isinstance(read_sample(run.samples, 0).target, list | tuple):
        found["calibration"] = "a sample has several right answers, so that no probability is that of the right one"
    if not noises:
        found["robustness"] = "there is no noise for what the model reads" if reads else "the model reads no input"
    return found | dict.fromkeys(chosen.skip, _SKIPPED)


def _evidence(
    perceptual: Mapping[str, Perceptual] | None,
    missing: Mapping[str, Missing] | None,
    modalities: tuple[str, ...],
    units: int,
) -> dict[str, Evidence]:
    """What is known of each modality: by shuffling, else by masking."""
    found = {}
    for name in modalities:
        if perceptual is not None:
            one = perceptual[name]
            found[name] = Evidence(one.score, one.shuffled.value, one.changed, units)
        elif missing is not None:
            other = missing[name]
            found[name] = Evidence(other.share, other.without.value, other.changed, units, "masking")
        else:
            found[name] = Evidence(None, None, 0, units)
    return found


def _settings(run: Run, batch_size: int, chosen: DiagnoseOptions, noises: list[parts.Pair]) -> dict[str, Any]:
    """How it was done, as far as it may change a number."""
    found = settings(run, batch_size)
    shared = ("batch_size", "device", "dtype", "workers", "threads", "seed", "protocol", "plugins")
    looked = {**asdict(chosen), "levels": list(chosen.levels), "skip": list(chosen.skip)}
    looked["noises"] = [f"{modality}={name}" for modality, name in noises]
    return {name: found[name] for name in shared} | {"diagnose": looked}
