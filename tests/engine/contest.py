"""A plugin for the tests of trials: questions in memory, and models that learn them at once, or not at all."""

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from mmbench import DatasetCard, Sample, register
from mmbench.engine import cost_options
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench_baselines.models.majority import Majority
from mmbench_baselines.models.question_prior import QuestionPrior
from mmbench_tasks.vqa.task import VQA

if "pytest" not in sys.modules:  # in the processes of trials, where no fixture makes cost passes brief
    cost_options.BUDGETS.update(dict.fromkeys(cost_options.BUDGETS, cost_options.Budget(0.0, 0.01, 0.02)))

WORDS = ("red", "green", "blue")


@register("task", "contest")
class Contest(VQA):
    """150 questions of three words that tell the answer."""

    card = replace(
        VQA.card,
        name="contest",
        datasets=("contest",),
        floors=("contest-floor", "not-installed", "image-only", "text-only", "contest-ready"),
    )

    def load(self, dataset, split):
        return [
            Sample(f"{split}/{n}", {"text": f"what number {n % 7} is {WORDS[n % 3]}?"}, target=WORDS[n % 3])
            for n in range(150)
        ]


card = DatasetCard(
    name="contest",
    tasks=("contest",),
    title="questions in memory",
    format="memory",
    source={"kind": "generated"},
    revision="1",
    splits={},
    default_split="test",
    train_split="train",
    licence="CC0-1.0",
    modalities=("text",),
    metrics=("accuracy",),
)
register("dataset", "contest")(card)
register("dataset", "contest-test-only")(card.model_copy(update={"name": "contest-test-only", "train_split": None}))
register("model", "contest-floor")(Majority)
register("model", "contest-counts")(QuestionPrior)


@register("model", "contest-waits")
class Waits(QuestionPrior):
    """Learns when the file that the environment names is there."""

    def fit(self, samples):
        while not Path(os.environ["CONTEST_GATE"]).exists():
            time.sleep(0.02)
        super().fit(samples)


@register("model", "contest-fails")
class Fails(Majority):
    """Cannot be made."""

    @classmethod
    def create(cls, name, modalities, samples):
        raise UsageError("planted: this model\ncannot be made")


class Green:
    """Answers green; there is nothing to learn."""

    modalities = ()
    labels = WORDS

    def __init__(self, name):
        self.name = name

    def collate(self, samples):
        return Batch(len(samples), {}, {})

    def classify(self, batch):
        import torch

        return torch.tensor([[0.0, 1.0, 0.0]]).expand(batch.size, -1)


class GreenFactory:
    def open(self, name):
        return Green(name)

    def create(self, name, modalities, samples):
        return Green(name)

    def restore(self, name, config):
        return Green(name)


register("model", "contest-ready")(GreenFactory())
