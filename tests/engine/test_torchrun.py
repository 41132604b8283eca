"""Two processes under torchrun: as one process within tolerance; the first writes and speaks."""

import json
import os
import subprocess
import sys

import pytest
import torch

from mmbench.checkpoint import read_weights
from mmbench.engine.models import load_model
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions

STEADY = {"optimizer": "sgd", "learning_rate": 0.03}
"""With which rounding errors stay small: Adam's make one process with batches in reverse differ by 3 % from itself."""

BOTH = TrainOptions(limit=300, epochs=2, batch_size=50, workers=0, modality_dropout=0.2, augment=True, **STEADY)
"""Batches that two processes cannot halve evenly, batch norm, and everything that is random."""

DROPPED = TrainOptions(limit=60, epochs=2, batch_size=4, workers=0, modality_dropout=0.8, **STEADY)
"""Of two samples in a process, often none has an image."""

IMAGE = TrainOptions(limit=300, epochs=3, batch_size=32, workers=0, **STEADY)

KILLED = """
import os, signal, sys
from pathlib import Path
from mmbench.engine.progress import TrainProgress
from mmbench.engine.train import train
from mmbench.engine.train_options import TrainOptions

class Killer(TrainProgress):
    def step(self, done, total):
        if done == 8:
            os.kill(os.getpid(), signal.SIGKILL)

steady = {"optimizer": "sgd", "learning_rate": 0.03}
options = TrainOptions(limit=300, epochs=2, batch_size=50, workers=0, modality_dropout=0.2, augment=True, **steady)
train("film", "vqa", options=options, output=Path("two.safetensors"), progress=Killer())
"""

VERBS = """
import os, sys
from pathlib import Path
from mmbench.cli import main
few = ["--limit", "300", "--workers", "0"]
steady = ["--optimizer", "sgd", "--learning-rate", "0.03"]
both = ["--model", "film", "--task", "vqa", "--epochs", "2", "--batch-size", "50"]
varied = ["--modality-dropout", "0.2", "--augment"]
image = ["--model", "image-only", "--task", "image_classification", "--epochs", "3", "--batch-size", "32"]
codes = [
    main(["train", *both, *few, *steady, *varied, "--output", "two.safetensors", "--resume", "--json"]),
    main(["train", *image, *few, *steady, "--output", "image.safetensors"]),
    main(["train", *image, "--multi-task", "vqa", "--limit", "60", "--workers", "0", "--epochs", "1", "--output", "m"]),
    main(["train", "--model", "film", "--task", "vqa", "--epochs", "2", "--batch-size", "4", "--limit", "60",
          "--modality-dropout", "0.8", "--workers", "0", *steady, "--output", "dropped.safetensors"]),
    main(["train", "--model", "majority", "--task", "vqa", *few, "--output", "majority.safetensors"]),
]
Path(f"codes-{os.environ['RANK']}").write_text(str(codes))
sys.exit(main(["train", *both, *few, "--optimizer", "adamm"]))
"""
"""Several runs in one start, which takes longer than they do; the last one is refused."""


def torchrun(folder, script):
    (folder / "script.py").write_text(script)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "script.py"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two processes left and printed: a run that was killed and goes on, others, and one that is refused."""
    folder = tmp_path_factory.mktemp("two")
    killed = torchrun(folder, KILLED)
    assert killed.returncode == 1, killed.stderr
    assert [path.name for path in folder.glob(".two.training/checkpoint-*")] == ["checkpoint-6"]
    return folder, torchrun(folder, VERBS)


def test_same_losses_and_weights_as_one_process(two, tmp_path, threads):
    folder, _ = two
    one = train("film", "vqa", options=BOTH, output=tmp_path / "one.safetensors")
    header, tensors = read_weights(folder / "two.safetensors")
    _, expected = read_weights(one.path)
    assert header.training["validation"] == pytest.approx(one.best.metrics, rel=1e-3)
    history = [json.loads(line) for line in (folder / "two.history.jsonl").read_text().splitlines()]
    assert [epoch["loss"] for epoch in history] == pytest.approx([e.loss for e in one.history], rel=1e-3)
    for name, tensor in expected.items():
        torch.testing.assert_close(tensors[name], tensor, rtol=1e-3, atol=1e-3)


def test_process_without_any_image_learns_with_the_others(two, tmp_path, threads):
    folder, _ = two
    one = train("film", "vqa", options=DROPPED, output=tmp_path / "one.safetensors")
    history = [json.loads(line) for line in (folder / "dropped.history.jsonl").read_text().splitlines()]
    assert [epoch["loss"] for epoch in history] == pytest.approx([e.loss for e in one.history], rel=1e-3)


def test_batch_norm_of_half_a_batch_learns_the_same(two, tmp_path, threads):
    folder, _ = two
    one = train("image-only", "image_classification", options=IMAGE, output=tmp_path / "one.safetensors")
    header, _ = read_weights(folder / "image.safetensors")
    history = [json.loads(line) for line in (folder / "image.history.jsonl").read_text().splitlines()]
    assert [epoch["loss"] for epoch in history] == pytest.approx([e.loss for e in one.history], rel=3e-4)
    assert header.training["validation"] == pytest.approx(one.best.metrics, rel=1e-3)


def test_stored_weights_are_the_validated_ones(two):
    """The first process stores what all have validated, running statistics of batch norm with it."""
    from mmbench.data.split import split_by_group
    from mmbench.engine.resolve import resolve_metrics
    from mmbench.engine.validation import Validation
    from mmbench.registry import registry
    from mmbench.sample import Subset
    from mmbench_tasks.image_classification.task import ImageClassification

    folder, _ = two
    task, card = ImageClassification(), registry.load("dataset", "digits")
    _, held_out = split_by_group(Subset(task.load(card, "train"), range(300)), IMAGE.validation)
    loaded = load_model("image-only", "image_classification", "digits", folder / "image.safetensors")
    validation = Validation(task, resolve_metrics(task, card, (), {}), held_out, 32, 0, "cpu")
    stored = read_weights(folder / "image.safetensors")[0].training["validation"]
    assert validation(loaded.model.eval()) == pytest.approx(stored, rel=1e-5)


def test_several_tasks(two):
    folder, _ = two
    (_, one), (_, other) = map(read_weights, sorted((folder / "m").rglob("*.safetensors")))
    assert all(torch.equal(one[name], other[name]) for name in one if name.startswith("encoders."))


def test_first_process_alone_prints_and_writes(two):
    folder, result = two
    assert [(folder / f"codes-{rank}").read_text() for rank in (0, 1)] == ["[0, 0, 0, 0, 0]"] * 2
    told, _, rest = result.stdout.partition("\n}\n")
    assert json.loads(told + "}")["weights"]["source"] == "two.safetensors"
    assert rest.count("best at epoch") == 4
    assert result.stderr.count("epoch   1  loss") == 3  # the first run went on with its second epoch
    assert not [path for path in folder.rglob(".*") if path.name.endswith((".training", ".tmp"))]


def test_refusal_is_one_line(two):
    _, result = two
    errors = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert errors == ["error: unknown optimizer 'adamm'; did you mean 'adam' or 'adamw'?"]
    assert "exitcode  : 2" in result.stderr
