"""Optimisers and schedules: the course of the learning rate is the formula's, and every pair learns."""

import math
from typing import get_args

import pytest
import torch
from torch import nn

from mmbench.engine.optimizer import make_optimizer, make_schedule
from mmbench.engine.train import train
from mmbench.engine.train_options import Optimizer, Schedule, TrainOptions

PEAK = 0.01
RATES = {"adamw": 3e-3, "adam": 3e-3, "rmsprop": 3e-4, "sgd": 0.1}
STEPS = 40


def annealed(start, end, share):
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def one_cycle(step, warmup):
    """Smith & Topin 2018, with cosines as in PyTorch: a 25th of the peak, the peak, a 10,000th of the start."""
    top = warmup * STEPS - 1
    if step <= top:
        return annealed(PEAK / 25, PEAK, step / top)
    return annealed(PEAK, PEAK / 25 / 1e4, (step - top) / (STEPS - 1 - top))


def warmed(after):
    """A linear warm-up, then what `after` gives for the share of the steps that are left."""

    def rate(step, warmup):
        rising = round(warmup * STEPS)
        return PEAK * step / rising if step < rising else PEAK * after((step - rising) / (STEPS - rising))

    return rate


FORMULAS = {
    "one-cycle": one_cycle,
    "cosine": warmed(lambda share: (1 + math.cos(math.pi * share)) / 2),
    "linear": warmed(lambda share: 1 - share),
    "constant": warmed(lambda share: 1.0),
}


def test_every_schedule_has_its_formula_here():
    assert set(FORMULAS) == set(get_args(Schedule))


@pytest.mark.parametrize("warmup", [None, 0.5])
@pytest.mark.parametrize("optimizer", get_args(Optimizer))
@pytest.mark.parametrize("schedule", FORMULAS)
def test_learning_rate_takes_the_course_of_its_formula(schedule, optimizer, warmup):
    options = TrainOptions(schedule=schedule, optimizer=optimizer, learning_rate=PEAK, warmup=warmup).resolved(100)
    steps = make_optimizer(nn.Linear(1, 1), options)
    course = make_schedule(steps, options, STEPS)
    rates = []
    for _ in range(STEPS):
        rates.append(steps.param_groups[0]["lr"])
        steps.step()
        course.step() if len(rates) < STEPS else None
    expected = [FORMULAS[schedule](step, options.warmup) for step in range(STEPS)]
    assert rates == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert max(rates) <= PEAK * (1 + 1e-9)


def test_no_warmup_begins_at_the_peak():
    for schedule in ("cosine", "linear", "constant"):
        options = TrainOptions(schedule=schedule, warmup=0.0, learning_rate=PEAK)
        steps = make_optimizer(nn.Linear(1, 1), options)
        make_schedule(steps, options, STEPS)
        assert steps.param_groups[0]["lr"] == PEAK


def test_one_step_is_enough_for_every_schedule():
    for schedule in FORMULAS:
        options = TrainOptions(schedule=schedule).resolved(1)
        steps = make_optimizer(nn.Linear(1, 1), options)
        course = make_schedule(steps, options, 1)
        steps.step()
        course.step()


def test_what_is_frozen_is_no_business_of_the_optimizer():
    module = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    module[0].requires_grad_(False)
    steps = make_optimizer(module, TrainOptions())
    assert [id(p) for group in steps.param_groups for p in group["params"]] == [id(p) for p in module[1].parameters()]


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        ("sgd", {"momentum": 0.9, "nesterov": True, "weight_decay": 0.5}),
        ("adamw", {"betas": (0.9, 0.999), "weight_decay": 0.5}),
        ("adam", {"betas": (0.9, 0.999), "weight_decay": 0.5}),
        ("rmsprop", {"momentum": 0, "weight_decay": 0.5}),
    ],
)
def test_settings_of_each_optimizer(optimizer, expected):
    steps = make_optimizer(nn.Linear(1, 1), TrainOptions(optimizer=optimizer, weight_decay=0.5))
    assert {key: steps.param_groups[0][key] for key in expected} == expected
    assert type(steps) is {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW, "adam": torch.optim.Adam}.get(
        optimizer, torch.optim.RMSprop
    )


@pytest.mark.parametrize("schedule", get_args(Schedule))
@pytest.mark.parametrize("optimizer", get_args(Optimizer))
def test_every_pair_learns(optimizer, schedule, tmp_path, tiny):
    options = TrainOptions(
        epochs=3,
        batch_size=32,
        workers=0,
        optimizer=optimizer,
        schedule=schedule,
        learning_rate=RATES[optimizer],
    )
    trained = train("text-only", tiny, options=options, output=tmp_path / "model.safetensors")
    losses = [epoch.loss for epoch in trained.history]
    assert losses[2] < losses[1] < losses[0]
