"""What a training run may be told: defaults that follow from the data, and what is refused."""

import pytest

from mmbench.engine.train_options import STEPS, TrainOptions
from mmbench.errors import UsageError


@pytest.mark.parametrize(
    ("samples", "batch_size", "epochs"),
    [
        (1, 16, 100),  # no more epochs than 100
        (16, 16, 100),
        (395, 16, 52),  # 25 steps an epoch
        (1_279, 16, 17),
        (1_280, 32, 33),  # a 40th is 32
        (2_000, 32, 21),
        (10_239, 128, 17),
        (10_240, 256, 33),
        (34_717, 256, 10),  # easy-VQA
        (10**6, 256, 10),  # no fewer epochs than 10, no larger batch than 256
    ],
)
def test_defaults_follow_from_the_number_of_samples(samples, batch_size, epochs):
    resolved = TrainOptions().resolved(samples)
    assert (resolved.batch_size, resolved.epochs) == (batch_size, epochs)
    steps = -(-samples // batch_size) * epochs
    assert epochs in {10, 100} or STEPS <= steps < STEPS * 1.1


def test_what_was_given_stays():
    given = TrainOptions(epochs=3, batch_size=7, warmup=0.0, schedule="cosine")
    assert given.resolved(10**5) == given
    assert TrainOptions(epochs=3).resolved(10**5).batch_size == 256
    assert TrainOptions(batch_size=10).resolved(130).epochs == 100
    assert TrainOptions(batch_size=10).resolved(1300).epochs == 10


@pytest.mark.parametrize(
    ("schedule", "warmup"), [("one-cycle", 0.3), ("cosine", 0.05), ("linear", 0.05), ("constant", 0.05)]
)
def test_warmup_is_that_of_the_schedule(schedule, warmup):
    assert TrainOptions(schedule=schedule).resolved(100).warmup == warmup


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit": 0}, "--limit must be at least 1, not 0"),
        ({"batch_size": -1}, "--batch-size must be at least 1, not -1"),
        ({"epochs": 0}, "--epochs must be at least 1, not 0"),
        ({"patience": 0}, "--patience must be at least 1, not 0"),
        (
            {"patience": 3, "keep": "last"},
            "--patience stops at the best epoch, which --keep last does not keep; give one of them",
        ),
        ({"threads": 0}, "--threads must be at least 1, not 0"),
        ({"workers": -1}, "--workers must be at least 0, not -1"),
        ({"seed": -1}, "--seed must be at least 0, not -1"),
        ({"seed": 2**32}, "--seed must be at most 4294967295, not 4294967296"),
        ({"validation": 1.0}, "--validation must lie between 0 and 1, not 1.0"),
        ({"validation": float("nan")}, "--validation must lie between 0 and 1, not nan"),
        ({"learning_rate": 0.0}, "--learning-rate must be more than 0, not 0.0"),
        ({"learning_rate": float("nan")}, "--learning-rate must be more than 0, not nan"),
        ({"learning_rate": float("inf")}, "--learning-rate must be more than 0, not inf"),
        ({"weight_decay": float("nan")}, "--weight-decay must be at least 0, not nan"),
        ({"weight_decay": float("inf")}, "--weight-decay must be finite, not inf"),
        ({"warmup": 1.0}, "--warmup must be at least 0 and below 1, not 1.0"),
        ({"modality_dropout": 1.0}, "--modality-dropout must be at least 0 and below 1, not 1.0"),
        ({"modality_dropout": float("nan")}, "--modality-dropout must be at least 0 and below 1, not nan"),
        ({"label_smoothing": -0.1}, "--label-smoothing must be at least 0 and below 1, not -0.1"),
        ({"optimizer": "adamm"}, "unknown optimizer 'adamm'; did you mean 'adam' or 'adamw'?"),
        ({"schedule": "one_cycle"}, "unknown schedule 'one_cycle'; did you mean 'one-cycle'?"),
        ({"precision": "bf16"}, "unknown precision 'bf16'; did you mean 'bfloat16' or 'float16'?"),
        ({"store": "float61"}, "unknown store 'float61'; did you mean 'float16' or 'bfloat16' or 'float32'?"),
        ({"log_to": ("tensorbord",)}, "unknown tracker 'tensorbord'; did you mean 'tensorboard'?"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(UsageError) as caught:
        TrainOptions(**options)
    assert str(caught.value) == message
