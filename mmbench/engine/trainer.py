"""Gradient descent by transformers' Trainer: AdamW, one-cycle, checkpoints each epoch, early stopping."""

import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import EarlyStoppingCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mmbench.engine.options import TrainOptions
from mmbench.engine.progress import Epoch, TrainProgress
from mmbench.engine.validation import Validation
from mmbench.errors import HarnessError, UsageError
from mmbench.model import Batch, Model, Trains
from mmbench.registry import plugin_hashes
from mmbench.sample import Dataset, Sample

_OPTIONS = "options.json"


def descend(
    model: Model,
    training: Dataset,
    validation: Validation,
    options: TrainOptions,
    data: Mapping[str, str],
    folder: Path,
    resume: bool,
    progress: TrainProgress,
) -> list[Epoch]:
    """Train `model` in place and leave it with the weights of its best epoch.

    Args:
        model: an `nn.Module` that `Trains`.
        training: samples to learn from.
        validation: picks the best epoch by the task's main metric; the earlier epoch wins a tie.
        options: how.
        data: names of the data set, its revision and its split.
        folder: for checkpoints; the caller removes it once the weights are safe.
        resume: go on from the last whole checkpoint in `folder`.
        progress: told of steps and epochs.

    Raises:
        UsageError: `folder` holds a run on other data or with other options.
        HarnessError: the loss is not finite.
    """
    checkpoint = _prepare_folder(folder, model.name, validation, options, data, resume)
    trainer = _Trainer(model, training, validation, options, folder, progress)
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    return _history(trainer.state, validation)


class _Loss(nn.Module):
    """A model's loss as a forward pass, which is what wrappers for several devices hook into."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Batch) -> Tensor:
        assert isinstance(self.model, Trains)  # noqa: S101  # train() asked before it came here
        return self.model.loss(batch)


class _Trainer(transformers.Trainer):
    def __init__(
        self,
        model: Model,
        training: Dataset,
        validation: Validation,
        options: TrainOptions,
        folder: Path,
        progress: TrainProgress,
    ) -> None:
        module = _Loss(model)
        steps = -(-len(training) // options.batch_size) * options.epochs
        optimizer = torch.optim.AdamW(module.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.learning_rate, total_steps=steps)
        self._learner = model
        self._validation = validation
        super().__init__(
            model=module,
            args=_arguments(options, validation, folder),
            data_collator=partial(_collate, model),
            train_dataset=training,
            eval_dataset=validation.samples,
            optimizers=(optimizer, schedule),  # type: ignore[arg-type]  # any scheduler works; the hint names one class
            callbacks=[EarlyStoppingCallback(options.patience), _Report(progress, validation)],
        )
        self.remove_callback(transformers.PrinterCallback)

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        if "failure" in inputs:
            raise HarnessError(inputs["failure"])
        return {"batch": inputs["batch"].to(self.args.device)}

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *_: Any, **__: Any) -> Tensor:
        loss: Tensor = model(inputs["batch"])
        if not torch.isfinite(loss):
            raise HarnessError(
                f"the loss became {loss.item()} at step {self.state.global_step + 1}: lower --learning-rate"
            )
        return loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        metrics = {f"eval_{name}": value for name, value in self._validation(self._learner).items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics


def _collate(model: Model, samples: Sequence[Sample]) -> dict[str, Any]:
    """A batch in a mapping, which is all that Trainer takes; or why there is none, told from the worker in one line."""
    try:
        return {"batch": model.collate(samples)}
    except Exception:  # some sample is bad: find which
        for sample in samples:
            try:
                model.collate([sample])
            except Exception as error:  # data may be broken in any way
                return {"failure": f"training sample {sample.id} cannot be read: {type(error).__name__}: {error}"}
        raise


def _arguments(options: TrainOptions, validation: Validation, folder: Path) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(folder),
        num_train_epochs=options.epochs,
        per_device_train_batch_size=options.batch_size,
        max_grad_norm=1.0,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        save_total_limit=2,
        restore_callback_states_from_checkpoint=True,  # the patience that is used up, of early stopping
        load_best_model_at_end=True,
        metric_for_best_model=validation.main_metric,
        greater_is_better=validation.higher_is_better,
        seed=options.seed,
        use_cpu=options.device == "cpu",
        dataloader_num_workers=options.workers,
        dataloader_persistent_workers=options.workers > 0,
        dataloader_pin_memory=options.device != "cpu",
        remove_unused_columns=False,
        disable_tqdm=True,
        report_to=[],
    )


class _Report(TrainerCallback):
    """Passes steps and epochs on to the listener."""

    def __init__(self, progress: TrainProgress, validation: Validation) -> None:
        self._progress = progress
        self._validation = validation

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._progress.step(state.global_step, state.max_steps)

    def on_evaluate(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        self._progress.epoch(_history(state, self._validation)[-1])


def _history(state: TrainerState, validation: Validation) -> list[Epoch]:
    """The epochs from Trainer's log, which its checkpoints keep across a resume."""
    losses = {round(entry["epoch"]): entry["loss"] for entry in state.log_history if "loss" in entry}
    metrics = {
        round(entry["epoch"]): {key.removeprefix("eval_"): entry[key] for key in entry if key.startswith("eval_")}
        for entry in state.log_history
        if f"eval_{validation.main_metric}" in entry
    }
    pick = max if validation.higher_is_better else min
    best = pick(metrics, key=lambda number: metrics[number][validation.main_metric])  # the first of equals
    return [Epoch(number, losses.get(number), metrics[number], number == best) for number in sorted(metrics)]


def _prepare_folder(
    folder: Path, model: str, validation: Validation, options: TrainOptions, data: Mapping[str, str], resume: bool
) -> Path | None:
    """Make the folder for checkpoints, or find the last whole checkpoint in it."""
    stored = folder / _OPTIONS
    identity = {"model": model, "task": validation.task.card.name, "data": dict(data), "plugins": plugin_hashes()}
    mine = json.dumps({**identity, "options": repr(options)}, sort_keys=True)
    if resume and stored.is_file():
        if stored.read_text(encoding="utf-8") != mine:
            raise UsageError(
                f"{folder} holds an interrupted run of another model, on other data or with other options; "
                "give those, or leave out --resume"
            )
        # The trainer writes its state last, so a checkpoint killed half-way has none.
        whole = [path for path in folder.glob("checkpoint-*") if _is_json(path / "trainer_state.json")]
        return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(parents=True)
        stored.write_text(mine, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write to {folder.parent}: {error.strerror}") from error
    return None


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return True


logging.getLogger("accelerate").setLevel(logging.ERROR)
