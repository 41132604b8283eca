"""Optimisers and learning rate schedules by name."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR
from transformers import get_scheduler

from mmbench.engine.train_options import TrainOptions

_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adamw": AdamW, "adam": Adam, "rmsprop": RMSprop, "sgd": SGD}
_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}


def make_optimizer(module: nn.Module, options: TrainOptions) -> Optimizer:
    """The optimiser of all parameters of `module` that learn."""
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    extra: dict[str, Any] = {"momentum": 0.9, "nesterov": True} if options.optimizer == "sgd" else {}
    return _OPTIMIZERS[options.optimizer](
        learning, lr=options.learning_rate, weight_decay=options.weight_decay, **extra
    )


def make_schedule(optimizer: Optimizer, options: TrainOptions, steps: int) -> LRScheduler:
    """The learning rate over `steps` steps, with its peak at `options.learning_rate`."""
    warmup = options.warmup or 0.0
    if options.schedule == "one-cycle":
        momentum = options.optimizer != "rmsprop"  # which has none to cycle against the learning rate
        return OneCycleLR(
            optimizer, options.learning_rate, total_steps=steps, pct_start=warmup, cycle_momentum=momentum
        )
    name = _SCHEDULES[options.schedule]
    schedule: LRScheduler = get_scheduler(name, optimizer, round(warmup * steps), steps)
    return schedule
