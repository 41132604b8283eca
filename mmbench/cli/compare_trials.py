"""`mmbench compare --task ... --models ...`: trains and evaluates what is missing, and says where the runs are."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmbench.cli.console import console, print_line
from mmbench.cli.train_settings import make_build, make_train_options
from mmbench.engine.options import EvalOptions
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import HarnessError, UsageError, unknown_name

if TYPE_CHECKING:
    from mmbench.engine.combination import Combination
    from mmbench.engine.trial import Trial
    from mmbench.engine.trial_plan import Recipe
    from mmbench.engine.trials import TrialResult

DEFAULTS = TrainOptions()

_TRIALS = "Models to train"

TaskToCompareOption = Annotated[
    str | None, typer.Option("--task", help="Train what is missing for this task.", rich_help_panel=_TRIALS)
]
ModelsOption = Annotated[
    str | None,
    typer.Option("--models", metavar="MODEL,MODEL,...", help="Models and fusions, by comma.", rich_help_panel=_TRIALS),
]
SeedsOption = Annotated[
    int, typer.Option("--seeds", metavar="N", help="Trainings of each model.", rich_help_panel=_TRIALS)
]
FloorsOption = Annotated[
    bool,
    typer.Option(
        "--floors/--no-floors",
        help="Beside them the task's floors: what knows nothing, and each modality alone.",
        rich_help_panel=_TRIALS,
    ),
]
TrainSamplesOption = Annotated[
    int | None,
    typer.Option("--train-limit", help="Train on the first samples only.", rich_help_panel=_TRIALS),
]
EvalSamplesOption = Annotated[
    int | None, typer.Option("--limit", help="Evaluate on the first samples only.", rich_help_panel=_TRIALS)
]
JobsOption = Annotated[
    int, typer.Option("--jobs", metavar="N", help="Processes at a time, a core or two each.", rich_help_panel=_TRIALS)
]
TrialsOption = Annotated[
    Path,
    typer.Option(
        "--trials",
        metavar="FOLDER",
        help="Where weights and runs are kept, by code and configuration; what is there is not made again.",
        rich_help_panel=_TRIALS,
    ),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to train and compare, in the words of the command line; see `Recipe` for what they mean together."""

    task: str | None = None
    models: str | None = None
    dataset: str | None = None
    data: Path | None = None
    split: str | None = None
    seeds: int = 5
    floors: bool = True
    budget: str = "equal-width"
    encoder: Sequence[str] | None = None
    epochs: int | None = DEFAULTS.epochs
    batch_size: int | None = DEFAULTS.batch_size
    learning_rate: float = DEFAULTS.learning_rate
    augment: bool = DEFAULTS.augment
    modality_dropout: float = DEFAULTS.modality_dropout
    device: str = DEFAULTS.device
    precision: str = DEFAULTS.precision
    train_limit: int | None = None
    limit: int | None = None
    jobs: int = 1
    trials: Path = Path("trials")  # not among `results`, where a leaderboard would take a brief trial for a result

    def wanted(self, runs: Sequence[Path] | None) -> bool:
        """Whether models are named, and not runs.

        Raises:
            UsageError: both are, or neither, or options of training without models.
        """
        chosen = [each.name for each in fields(self) if getattr(self, each.name) != each.default]
        if runs and chosen:
            flags = ", ".join("--no-floors" if name == "floors" else _flag(name) for name in chosen)
            raise UsageError(f"{flags}: runs that exist are compared as they are; give RUN..., or --task and --models")
        if not runs and not (self.task and self.models):
            raise UsageError("nothing to compare: give the folders of at least two runs, or --task and --models")
        return not runs

    def names(self) -> list[str]:
        """The models.

        Raises:
            UsageError: a comma too many.
        """
        found = [name.strip() for name in (self.models or "").split(",")]
        if not all(found):
            raise UsageError(f"--models expects names with a comma between them, not {self.models!r}")
        return found

    def members(self, left: Iterable[str]) -> list[str]:
        """What ensembles are made of unless that is told: of the models that have runs the named ones, so no floors."""
        known = set(left)
        return [name for name in dict.fromkeys(self.names()) if name in known]

    def recipe(self) -> "Recipe":
        """What all models have in common.

        Raises:
            UsageError: a value makes no sense.
        """
        from mmbench.engine.trial_plan import Recipe

        if self.train_limit is not None and self.train_limit < 1:
            raise UsageError(f"--train-limit must be at least 1, not {self.train_limit}")
        training = make_train_options(
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            augment=self.augment,
            modality_dropout=self.modality_dropout,
            device=self.device,
            precision=self.precision,
            limit=self.train_limit,
        )
        return Recipe(
            build=make_build(encoder=self.encoder, budget=self.budget),
            training=training,
            evaluation=EvalOptions(device=self.device, limit=self.limit, cost="quick", keep_scores="if-any"),
            split=self.split,
            seeds=self.seeds,
            floors=self.floors,
        )


ASKED = Asked()
"""The defaults."""


def train_missing(
    asked: Asked,
    baseline: str | None,
    metric: str | None,
    combinations: "Sequence[Combination]" = (),
    members: str | None = None,
) -> tuple[list[Path], str, list[str]]:
    """Train and evaluate what is not stored yet, and tell on stderr how far it is and what failed.

    Args:
        asked: what to compare.
        baseline: the model that the others are compared with; the first named if `None`.
        metric: by which they are to be compared.
        combinations: ensembles that are to be made of them.
        members: names with commas between them of what those are made of; the models that are asked for if `None`.

    Returns:
        The folders of the runs, the baseline's first, then in the order of the models, floors last; the baseline; and
        which trials failed.

    Raises:
        UsageError: a name or an option is wrong, or there is one model only; nothing was run.
        HarnessError: the baseline or all others failed, so that there is nothing to compare.
    """
    from mmbench.cli.trial_lines import TrialLines
    from mmbench.engine.resolve import resolve_dataset, resolve_task
    from mmbench.engine.train_source import On
    from mmbench.engine.trial_plan import plan_trials
    from mmbench.engine.trials import run_trials

    names, recipe = asked.names(), asked.recipe()
    task = resolve_task(asked.task or "")
    card = resolve_dataset(task, asked.dataset, asked.data)
    metrics = task.card.metrics_on(card)
    if metric is not None and metric not in metrics:
        raise unknown_name(f"metric of {card.name}", metric, metrics)
    with TrialLines(console(stderr=True)) as lines:
        trials = plan_trials(names, On(asked.task or "", asked.dataset, asked.data), recipe, lines.note)
        entrants = list(dict.fromkeys(trial.model for trial in trials))
        if baseline is not None and baseline not in entrants:
            raise unknown_name("--baseline among the models", baseline, entrants)
        if len(entrants) < 2:
            more = "name another model" if asked.floors else "name another model, or leave out --no-floors"
            raise UsageError(f"there is nothing to compare {entrants[0]} with: {more}")
        if combinations:
            _check_members(combinations, names if members is None else members.split(","), entrants)
        results = run_trials(trials, folder=asked.trials, jobs=asked.jobs, progress=lines)
    _tell(trials, results)
    base = baseline or names[0]
    failed = [result.trial.label for result in results if result.run is None]
    left = {result.trial.model for result in results if result.run is not None}
    if base not in left or len(left) < 2:
        raise HarnessError(f"there is nothing to compare: {', '.join(failed)} failed")
    results = sorted(results, key=lambda result: (result.trial.model != base, entrants.index(result.trial.model)))
    return [result.run for result in results if result.run is not None], base, failed


def _check_members(combinations: "Sequence[Combination]", members: Sequence[str], entrants: Sequence[str]) -> None:
    """Refuse before training what would be refused after it."""
    for name in map(str.strip, members):
        if name not in entrants:
            raise unknown_name("--members among the models", name, entrants)
    for combination in combinations:
        combination.check(len(members))


def _tell(trials: "Sequence[Trial]", results: "Sequence[TrialResult]") -> None:
    """The numbers of parameters where they shall be equal, and what failed."""
    asked = next((trial.build.parameters for trial in trials if trial.build.parameters), None)
    if asked is not None:
        found = {
            result.trial.model: f"{result.trial.model} {result.record.model.parameters:,}"
            for result in results
            if result.record is not None and result.trial.build.parameters
        }
        print_line("parameters", "bold", f"{', '.join(found.values())} (asked for: {asked:,} within 5 %)")
    for result in results:
        if result.run is None:
            print_line("failed", "bold red", f"{result.trial.label}: {result.reason}")


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
