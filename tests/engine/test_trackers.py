"""Experiment trackers: TensorBoard beside the weights, others where installed, and none unless asked for."""

import dataclasses
import os
import socket

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions
from mmbench.errors import UsageError

TINY = TrainOptions(epochs=3, batch_size=64, workers=0)


def logged(folder):
    """Values by name and step."""
    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(event.step, event.value) for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def test_tensorboard_has_loss_metrics_and_learning_rate_by_epoch(tmp_path, tiny):
    output = tmp_path / "model.safetensors"
    options = dataclasses.replace(TINY, log_to=("tensorboard",))
    trained = train("text-only", tiny, options=options, output=output)
    found = logged(tmp_path / "model.tensorboard")
    history = trained.history
    steps = [3, 6, 9]
    assert found["train/loss"] == [(s, pytest.approx(e.loss)) for s, e in zip(steps, history, strict=True)]
    for name in ("accuracy", "macro_f1", "mean_class_recall"):
        expected = [(s, pytest.approx(e.metrics[name])) for s, e in zip(steps, history, strict=True)]
        assert found[f"eval/{name}"] == expected
    rates = [value for _, value in found["train/learning_rate"]]
    assert max(rates) <= options.learning_rate
    assert rates[-1] < 1e-6
    assert "TENSORBOARD_LOGGING_DIR" not in os.environ
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.curves.svg",
        "model.history.jsonl",
        "model.safetensors",
        "model.tensorboard",
    ]


def test_environment_may_say_where_tensorboard_writes(tmp_path, tiny, monkeypatch):
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "elsewhere"))
    options = dataclasses.replace(TINY, epochs=1, log_to=("tensorboard",))
    train("text-only", tiny, options=options, output=tmp_path / "model.safetensors")
    assert "train/loss" in logged(tmp_path / "elsewhere")
    assert not (tmp_path / "model.tensorboard").exists()
    assert os.environ["TENSORBOARD_LOGGING_DIR"] == str(tmp_path / "elsewhere")


@pytest.mark.parametrize("name", ["wandb", "mlflow", "trackio"])
def test_tracker_that_is_not_installed_says_how_to_get_it(tmp_path, monkeypatch, tiny, name):
    """Even where a folder of its name, from runs elsewhere, looks like a package."""
    if _installed(name):
        pytest.skip(f"{name} is installed")
    (tmp_path / name).mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError) as caught:
        train("text-only", tiny, options=dataclasses.replace(TINY, log_to=(name,)), output=tmp_path / "m.safetensors")
    assert str(caught.value) == f"--log-to {name}: it is not installed; pip install {name}"
    assert [path.name for path in tmp_path.iterdir()] == [name]


def _installed(name):
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True


def test_nothing_is_logged_or_sent_unless_asked(tmp_path, tiny, monkeypatch):
    """Whatever the environment holds of trackers' settings; the only socket would be a tracker's."""
    monkeypatch.chdir(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_PROJECT", "MLFLOW_TRACKING_URI", "TRACKIO_SPACE_ID", "COMET_API_KEY"):
        monkeypatch.setenv(name, "something")

    def refuse(*_):
        raise AssertionError("training opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    train("text-only", tiny, options=dataclasses.replace(TINY, epochs=1), output=tmp_path / "model.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.curves.svg",
        "model.history.jsonl",
        "model.safetensors",
    ]


class Stopping(TrainProgress):
    """Interrupts at a step."""

    def step(self, done, total):
        if done == 5:
            raise KeyboardInterrupt


def test_resumed_run_goes_on_with_its_log(tmp_path, tiny):
    options = dataclasses.replace(TINY, log_to=("tensorboard",))
    output = tmp_path / "model.safetensors"
    with pytest.raises(KeyboardInterrupt):
        train("text-only", tiny, options=options, output=output, progress=Stopping())
    trained = train("text-only", tiny, options=options, output=output, resume=True)
    found = logged(tmp_path / "model.tensorboard")
    assert found["train/loss"] == [(3 * epoch.number, pytest.approx(epoch.loss)) for epoch in trained.history]
