"""Several tasks at once: one set of encoders, a weights file for each task, and the best epoch of all together."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from mmbench.checkpoint import read_weights
from mmbench.cli import main
from mmbench.engine.lesson import LessonSampler
from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train, train_together
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.train_source import On
from mmbench.errors import UsageError

ON = [On("vqa"), On("image_classification", "digits")]
NAMES = ["vqa/easy-vqa", "image_classification/digits"]
TINY = TrainOptions(epochs=3, batch_size=64, limit=150, workers=0)


class Listener(TrainProgress):
    """Keeps what it is told, and stops a run if asked to."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.total = 0

    def step(self, done, total):
        self.total = total
        if done == self.stop_at:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """A training run on two tasks, with a listener, and the order of its steps."""
    listener = Listener()
    trained = train_together("concat", ON, options=TINY, output=tmp_path_factory.mktemp("both"), progress=listener)
    return trained, listener


def test_each_task_gets_weights_and_the_encoders_are_the_same(together):
    trained, _ = together
    assert [each.path.relative_to(each.path.parents[2]).as_posix() for each in trained] == [
        f"{name}/concat.safetensors" for name in NAMES
    ]
    (_, one), (_, other) = (read_weights(each.path) for each in trained)
    shared = {name for name in other if name.startswith("encoders.")}
    assert shared == {name for name in one if name.startswith("encoders.image.")}
    assert all(torch.equal(one[name], other[name]) for name in shared)
    assert not torch.equal(one["heads.fused.output.weight"], other["heads.fused.output.weight"])


def test_headers_tell_of_each_other(together):
    for each, name in zip(together[0], NAMES, strict=True):
        header, _ = read_weights(each.path)
        assert header.training["together"] == NAMES
        assert header.training["task"] == name.partition("/")[0]
        assert header.training["dataset"]["name"] == name.partition("/")[2]
        assert header.training["validation"] == each.best.metrics


def test_best_epoch_has_the_best_mean_of_the_main_metrics(together):
    first, second = together[0]
    assert first.history == second.history
    means = [sum(epoch.metrics[f"{name}.accuracy"] for name in NAMES) / 2 for epoch in first.history]
    assert first.best.number == 1 + means.index(max(means))
    assert [epoch.is_best for epoch in first.history].count(True) == 1


def test_both_have_the_history_and_the_curves_of_all(together):
    texts = set()
    for each in together[0]:
        lines = each.path.with_suffix(".history.jsonl").read_text()
        assert [json.loads(line)["metrics"] for line in lines.splitlines()] == [e.metrics for e in each.history]
        texts.add(each.path.with_suffix(".curves.svg").read_text())
    (curves,) = texts
    for name in NAMES:
        assert f"validation {name}.accuracy" in curves


def test_steps_are_those_of_both_tasks(together):
    trained, listener = together
    sizes = [read_weights(each.path)[0].training["samples"]["training"] for each in trained]
    assert listener.total == 3 * len(LessonSampler(sizes, 64, 0)) == 3 * sum(-(-size // 64) for size in sizes)


def test_same_seed_gives_the_same_bytes_also_after_an_interruption(together, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_together("concat", ON, options=TINY, output=tmp_path, progress=Listener(stop_at=8))
    resumed = train_together("concat", ON, options=TINY, output=tmp_path, resume=True)
    for one, other in zip(together[0], resumed, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert not list(tmp_path.rglob(".*.training"))


def test_resume_refuses_other_tasks(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train_together("concat", ON, options=TINY, output=tmp_path, progress=Listener(stop_at=8))
    with pytest.raises(UsageError, match="holds an interrupted run of another model, on other data"):
        train("concat", "vqa", options=TINY, output=tmp_path / "vqa/easy-vqa/concat.safetensors", resume=True)


@pytest.mark.parametrize(
    ("model", "on", "message"),
    [
        ("majority", ON, "model 'majority' cannot share its encoders between tasks; a fusion can"),
        ("concat", [On("vqa"), On("vqa", "easy-vqa")], "task vqa on easy-vqa is named twice"),
        ("film", ON, "fusion 'film' cannot be built: FiLM fuses at least 2 modalities, not image"),
    ],
)
def test_what_cannot_be_trained_together_is_refused(tmp_path, model, on, message):
    with pytest.raises(UsageError) as caught:
        train_together(model, on, options=TINY, output=tmp_path)
    assert message in str(caught.value)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


TRAIN = ("train", "--model", "concat", "--task", "vqa", "--multi-task", "image_classification/digits")
FEW = ("--limit", "150", "--epochs", "1", "--workers", "0")


def test_command_line_trains_what_eval_takes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*TRAIN, *FEW]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].startswith("concat best at epoch 1 on validation: vqa/easy-vqa.accuracy 0.")
    assert ", image_classification/digits.accuracy 0." in lines[0]
    for name, start in zip(NAMES, (1, 4), strict=True):
        task, _, dataset = name.partition("/")
        assert lines[start].startswith(f"weights: weights/{name}/concat.safetensors (")
        assert lines[start + 1] == f"curves:  weights/{name}/concat.curves.svg"
        named = f" --dataset {dataset}" if dataset == "digits" else ""
        assert lines[start + 2] == f"next: mmbench eval --model concat --task {task}{named}"
        arguments = ["eval", "--model", "concat", "--task", task, "--limit", "20", "--threads", "1", "--workers", "0"]
        assert main([*arguments, "--device", "cpu", "--json"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["model"]["weights"]["source"] == f"weights/{name}/concat.safetensors"


def test_command_line_prints_a_list_as_json(tmp_path, capsys):
    assert main([*TRAIN, *FEW, "--output", str(tmp_path / "out"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [each["task"] for each in found] == ["vqa", "image_classification"]
    assert [Path(each["weights"]["source"]) for each in found] == [
        tmp_path / "out" / f"{name}/concat.safetensors" for name in NAMES
    ]
    assert found[0]["history"] == found[1]["history"]


def test_command_line_refuses_a_data_set_without_name(capsys):
    assert main([*TRAIN[:-1], "digits/", *FEW]) == 2
    assert capsys.readouterr().err == "error: --multi-task expects TASK or TASK/DATASET, not 'digits/'\n"


def test_patience_counts_the_mean(tmp_path):
    options = dataclasses.replace(TINY, patience=1, learning_rate=1e-9, epochs=5)
    trained = train_together("concat", ON, options=options, output=tmp_path)
    assert len(trained[0].history) == 1 + trained[0].best.number
