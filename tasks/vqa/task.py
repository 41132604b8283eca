"""The task: answer a question about an image."""

from typing import Any

from mmbench.data.card import DatasetCard
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Classifies, Model
from mmbench.sample import Dataset, Prediction, Sample
from mmbench.task import TaskCard, argmax_labels

from .easy_vqa import EasyVQA

_READERS = {"easy-vqa": EasyVQA}


class VQA:
    """Visual question answering over a closed set of answers."""

    card = TaskCard(
        name="vqa",
        title="visual question answering: an image and a question to one of a closed set of answers",
        modalities=("image", "text"),
        ability="classify",
        metrics=("accuracy", "macro_f1", "mean_class_recall"),
        datasets=("easy-vqa",),
        breakdowns=("question_type",),
        citation="Antol et al.: VQA: Visual Question Answering, ICCV 2015, https://arxiv.org/abs/1505.00468",
    )

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split; images are decoded only when a batch is made."""
        return _READERS[dataset.format](dataset, split)

    def ask(self, model: Model, batch: Batch) -> list[Prediction]:
        """The most probable answer to each question."""
        assert isinstance(model, Classifies)  # check_fit refused every other model  # noqa: S101
        return argmax_labels(model.classify(batch), model.labels)

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """An answer is compared with the target as it stands: both come from the same closed set."""
        return metric.row(prediction, sample)
