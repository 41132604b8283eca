"""A plugin for the tests of the gate: a model that is as slow, and errs, as `planted.json` beside it says."""

import inspect
import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import torch

from mmbench import DatasetCard, Sample, register, stage
from mmbench.metrics.accuracy import Accuracy
from mmbench.model import Batch
from mmbench_tasks.vqa.task import VQA

PLANTED = json.loads(Path(__file__).with_name("planted.json").read_text(encoding="utf-8"))

ODD = False
"""Every other process, where such are planted."""

if "other_read_s" in PLANTED:
    count = Path(__file__).with_name("processes")
    ODD = bool(count.exists() and len(count.read_text(encoding="utf-8")) % 2)
    with count.open("a", encoding="utf-8") as file:
        file.write("x")


@register("task", "planted")
class Planted(VQA):
    """200 questions with the answer in them."""

    card = replace(VQA.card, name="planted", datasets=("planted",), floors=())

    def load(self, dataset, split):
        words = ("red", "green")
        return [
            Sample(
                PLANTED.get("id") or f"{PLANTED.get('ids', split)}/{n}",
                {"text": f"is it {words[n % 2]}?"},
                target=words[n % 2],
            )
            for n in range(PLANTED.get("samples", 200))
        ]


register("dataset", "planted")(
    DatasetCard(
        name="planted",
        tasks=("planted",),
        title="questions in memory",
        format="memory",
        source={"kind": "generated"},
        revision=PLANTED.get("revision", "1"),
        splits={},
        default_split="test",
        train_split="train",
        licence="CC0-1.0",
        modalities=("text",),
        metrics=("accuracy",),
    )
)


if "brings" in PLANTED:

    @register("metric", PLANTED["brings"])
    class Brought(Accuracy):
        """Accuracy under another name."""

        name = PLANTED["brings"]


def called_by(function):
    """Whether this call serves a function of that name: `chunk`, which times it, or `evaluate`."""
    return any(frame.function == function for frame in inspect.stack(context=0))


@register("model", "planted")
class Model:
    """Reads the answer from the question."""

    name = "planted"
    modalities = ("text",)
    labels = ("red", "green")
    calls = 0
    ended = 0.0

    @classmethod
    def open(cls, name):
        if PLANTED.get("fails_to_open"):
            raise RuntimeError("planted: it cannot be opened")
        return cls()

    @classmethod
    def create(cls, name, modalities, samples):
        return cls()

    @classmethod
    def restore(cls, name, config):
        return cls()

    def collate(self, samples):
        time.sleep(PLANTED.get("collate_s", 0.002))
        red = torch.tensor([1.0 if "red" in sample.inputs["text"] else -1.0 for sample in samples])
        return Batch(len(samples), {"text": red}, {"text": torch.ones(len(samples), dtype=torch.bool)})

    def classify(self, batch):
        Model.calls += 1
        if PLANTED.get("notes_cores"):
            with Path(__file__).with_name("cores").open("a", encoding="utf-8") as file:
                file.write(f"{'timed' if called_by('chunk') else 'else'} {sorted(os.sched_getaffinity(0))}\n")
        if Model.calls == 1:
            time.sleep(PLANTED.get("first_s", 0.0))
        if 1 < Model.calls <= 6:
            time.sleep(PLANTED.get("warming_s", 0.0))
        if Model.calls == PLANTED.get("crashes_at"):
            raise ValueError("planted: it crashes")
        if Model.calls == PLANTED.get("aborts_at"):
            os.abort()
        if PLANTED.get("killed_in_chunk") and called_by("chunk"):
            os.kill(os.getpid(), signal.SIGKILL)
        if Model.calls == PLANTED.get("hangs_at") or ("hangs_in" in PLANTED and called_by(PLANTED["hangs_in"])):
            time.sleep(1000)
        if time.perf_counter() - Model.ended > 0.002:  # as where another process has filled the caches
            time.sleep(PLANTED.get("after_pause_s", 0.0))
        with stage("read"):
            time.sleep(PLANTED.get("other_read_s" if ODD else "read_s", 0.002))
        with stage("tell"):
            time.sleep(PLANTED.get("tell_s", 0.002))
        red = batch.inputs["text"].clone()
        red[: PLANTED.get("wrong", 0)] *= -1
        red = red[: len(red) - PLANTED.get("drops", 0)]
        Model.ended = time.perf_counter()
        return torch.stack([red, -red], dim=1)
