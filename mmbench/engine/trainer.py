"""Gradient descent by transformers' Trainer: checkpoints each epoch, early stopping, trackers, several processes."""

import logging
import os
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments
from transformers.utils import SAFE_WEIGHTS_NAME

from mmbench.engine.checkpoints import Checkpoint, begin_or_resume, last_checkpoint
from mmbench.engine.lesson import Lesson, LessonBatches, LessonSampler
from mmbench.engine.loader import die_with, start_method
from mmbench.engine.optimizer import make_optimizer, make_schedule
from mmbench.engine.processes import first_does, is_first, raise_together, rank, world_size
from mmbench.engine.progress import Epoch, TrainProgress
from mmbench.engine.sync_batch_norm import synchronise_batch_norm
from mmbench.engine.train_options import Keep, TrainOptions
from mmbench.errors import HarnessError
from mmbench.model import Batch, Trains

_MAIN = "eval_main"
"""The number that picks the best epoch, greater is better: the main metric, or the mean of several tasks' ones."""


def descend(
    lessons: Sequence[Lesson],
    options: TrainOptions,
    identity: Mapping[str, Any],
    folder: Path,
    resume: bool,
    progress: TrainProgress,
) -> list[Epoch]:
    """Train the lessons' models in place and leave them with the weights of the epoch that the options keep.

    Args:
        lessons: what to learn; each model is an `nn.Module` that `Trains`.
        options: how, with no default left open.
        identity: all that the result depends on besides the options: model, data and their revisions, plugins.
        folder: for checkpoints; the caller removes it once the weights are safe.
        resume: go on from the last whole checkpoint in `folder`.
        progress: told of steps and epochs.

    Raises:
        UsageError: `folder` holds a run on other data or with other options, or there are more processes than samples
            in a step.
        HarnessError: the loss is not finite, a sample cannot be read, or the checkpoint of the best epoch is gone.
    """
    _quiet()
    trainer = _Trainer(lessons, options, folder, progress)
    checkpoint = first_does(lambda: begin_or_resume(folder, options, identity, resume, progress.note))
    try:
        trainer.go(checkpoint)
    except BaseException as error:
        # Nothing to go on with: no epoch was finished, or going on would only diverge again.
        if is_first() and (isinstance(error, _DivergedError) or last_checkpoint(folder) is None):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    if options.keep == "best":
        trainer.restore_best(folder)
    return _history(trainer.state, options.keep)


class _DivergedError(HarnessError):
    """The loss is not finite."""


class _Losses(nn.Module):
    """The models' losses as one forward pass, which is what wrappers for several devices hook into."""

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        super().__init__()
        self.models = nn.ModuleList(lesson.model for lesson in lessons)  # type: ignore[misc]  # train() has checked

    def forward(self, lesson: int, batch: Batch) -> Tensor:
        model = self.models[lesson]
        assert isinstance(model, Trains)  # noqa: S101  # train() asked before it came here
        return model.loss(batch)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Each tensor in memory of its own: safetensors takes no two names for the same, as shared encoders have."""
        return {name: tensor.clone() for name, tensor in super().state_dict(*args, **kwargs).items()}


class _Loader(DataLoader[Any]):
    """Hands the number of the epoch, which Trainer tells it, to the sampler."""

    def set_epoch(self, epoch: int) -> None:
        assert isinstance(self.sampler, LessonSampler)  # noqa: S101  # it is made with one
        self.sampler.set_epoch(epoch)


class _Trainer(transformers.Trainer):
    def __init__(self, lessons: Sequence[Lesson], options: TrainOptions, folder: Path, progress: TrainProgress) -> None:
        self._lessons = lessons
        self._sampler = LessonSampler(
            [len(lesson.samples) for lesson in lessons], options.batch_size or 1, options.seed, rank(), world_size()
        )
        self._batches = LessonBatches(lessons, options)
        module = _Losses(lessons)
        if world_size() > 1:
            synchronise_batch_norm(module)
        optimizer = make_optimizer(module, options)
        schedule = make_schedule(optimizer, options, len(self._sampler) * (options.epochs or 1))
        callbacks: list[TrainerCallback] = [_Report(progress, options.keep)]
        if options.patience is not None:
            callbacks.append(EarlyStoppingCallback(options.patience))
        super().__init__(
            model=module,
            args=_arguments(lessons, options, folder),
            train_dataset=self._batches,
            eval_dataset=lessons[0].validation.samples,  # never read: evaluate() below asks every lesson's own
            optimizers=(optimizer, schedule),  # type: ignore[arg-type]  # any scheduler works
            callbacks=callbacks,
        )
        self.remove_callback(transformers.PrinterCallback)

    def go(self, checkpoint: Checkpoint | None) -> None:
        """Train from the beginning, or from a checkpoint to the end."""
        if checkpoint is None:
            self.train()
            return
        if checkpoint.stopped:  # early, and killed before its weights were stored: there is no epoch left
            self.args.num_train_epochs = checkpoint.epoch
        self.train(resume_from_checkpoint=str(checkpoint.path))

    def restore_best(self, folder: Path) -> None:
        """Load the weights of the best epoch: where its checkpoint is gone, Trainer only warns and keeps the last ones.

        Raises:
            HarnessError: it is gone, or cannot be read.
        """
        path, error = self.state.best_model_checkpoint, None
        try:
            if path is None:  # gone already when the run was resumed
                raise FileNotFoundError
            assert self.model is not None  # noqa: S101  # it was given one
            self.model.load_state_dict(load_file(Path(path) / SAFE_WEIGHTS_NAME))
        except (OSError, SafetensorError, RuntimeError):  # RuntimeError: of other weights
            error = HarnessError(
                f"the checkpoint of the best epoch is no longer in {folder}; start over without --resume"
            )
        raise_together(error, self.args.device)

    def get_train_dataloader(self) -> "DataLoader[Any]":
        # Not by accelerate, which would give the last, shorter batches of an epoch to some of the processes only.
        return _Loader(
            self._batches,  # type: ignore[arg-type]  # map-style by duck typing, as DataLoader allows
            batch_size=None,
            sampler=self._sampler,
            collate_fn=_identity,  # type: ignore[arg-type]  # without batching it is given one item, not a list
            num_workers=self.args.dataloader_num_workers,
            persistent_workers=self.args.dataloader_num_workers > 0,
            pin_memory=self.args.dataloader_pin_memory,
            multiprocessing_context=start_method(self.args.dataloader_num_workers),
            worker_init_fn=partial(die_with, os.getpid()),
            generator=torch.Generator(),  # its own, so that the model's dropout does not depend on the workers
        )

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        failure = inputs.get("failure")
        raise_together(None if failure is None else HarnessError(failure), self.args.device)
        return {**inputs, "batch": inputs["batch"].to(self.args.device)}

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Tensor:
        try:
            loss: Tensor = model(inputs["lesson"], inputs["batch"]) * inputs["weight"]
        except ValueError as error:  # batch norm over one value
            if len(inputs["batch"]) > 1:
                raise
            raise HarnessError(
                f"the model cannot learn from a step of one sample ({error}): raise --batch-size or --limit"
            ) from error
        step = self.state.global_step + 1
        raise_together(
            None
            if torch.isfinite(loss)
            else _DivergedError(f"the loss became {loss.item()} at step {step}: lower --learning-rate"),
            self.args.device,
        )
        return loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        metrics: dict[str, float] = {}
        main = []
        for lesson in self._lessons:
            found = lesson.validation(lesson.model)
            prefix = "eval_" if len(self._lessons) == 1 else f"eval_{lesson.name}."
            metrics |= {f"{prefix}{name}": float("nan") if value is None else value for name, value in found.items()}
            value = metrics[prefix + lesson.validation.main_metric]
            main.append(value if lesson.validation.higher_is_better else -value)
        metrics[_MAIN] = sum(main) / len(main)
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _identity(batch: dict[str, Any]) -> dict[str, Any]:
    return batch


def _arguments(lessons: Sequence[Lesson], options: TrainOptions, folder: Path) -> TrainingArguments:
    arguments = TrainingArguments(
        output_dir=str(folder.absolute()),  # which the state of a checkpoint names, and a resume elsewhere must find
        num_train_epochs=options.epochs or 1,
        max_grad_norm=1.0,
        bf16=options.precision == "bfloat16",
        fp16=options.precision == "float16",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        save_total_limit=2,
        restore_callback_states_from_checkpoint=True,  # the patience that is used up, of early stopping
        load_best_model_at_end=options.keep == "best",
        metric_for_best_model=_MAIN,
        greater_is_better=True,
        seed=options.seed,
        use_cpu=options.device == "cpu",
        # A batch of one task of several gives the other tasks' layers no gradient; and pretrained backbones have layers
        # that a batch may not reach.
        ddp_find_unused_parameters=True,
        dataloader_num_workers=options.workers,
        dataloader_pin_memory=options.device != "cpu",
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=list(options.log_to) if is_first() else [],
        project="mmbench",
        run_name=f"{lessons[0].model.name} {' '.join(lesson.name for lesson in lessons)} seed {options.seed}",
    )
    # Without torchrun one device trains; Trainer would spread each batch over all that it sees.
    arguments._n_gpu = min(arguments.n_gpu, 1)
    return arguments


class _Report(TrainerCallback):
    """Passes steps and epochs on to the listener."""

    def __init__(self, progress: TrainProgress, keep: Keep) -> None:
        self._progress = progress
        self._keep = keep

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._progress.step(state.global_step, state.max_steps)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._progress.epoch(_history(state, self._keep)[-1])


def _history(state: TrainerState, keep: Keep) -> list[Epoch]:
    """The epochs from Trainer's log, which its checkpoints keep across a resume."""
    losses = {round(entry["epoch"]): entry["loss"] for entry in state.log_history if "loss" in entry}
    metrics = {round(entry["epoch"]): entry for entry in state.log_history if _MAIN in entry}
    kept = max(metrics) if keep == "last" else max(metrics, key=lambda n: metrics[n][_MAIN])  # the first of equals
    return [
        Epoch(
            number,
            losses.get(number),
            {
                name.removeprefix("eval_"): None if value != value else value  # noqa: PLR0124  # NaN is not itself
                for name, value in entry.items()
                if name.startswith("eval_") and name != _MAIN
            },
            number == kept,
        )
        for number, entry in sorted(metrics.items())
    ]


def _quiet() -> None:
    logging.getLogger("accelerate").setLevel(logging.ERROR)
    # It warns where an epoch takes less than a second.
    logging.getLogger("transformers.trainer_utils").setLevel(logging.ERROR)
    # Its threads and forked loader workers do not go together.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
