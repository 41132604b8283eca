"""The task: answer a question about an image."""

from typing import Any

from mmbench.data.card import DatasetCard
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Model
from mmbench.sample import Answers, Dataset, Prediction, Sample
from mmbench.task import Reader, TaskCard, answers, open_split

from .chartqa import ChartQA
from .clevr import CLEVR
from .coco_vqa import COCOVQA
from .docvqa import DocVQA
from .easy_vqa import EasyVQA
from .gqa import GQA
from .nlvr import NLVR
from .sort_of_clevr import SortOfCLEVR
from .textvqa import TextVQA
from .vqa_rad import VQARAD

_READERS: dict[str, Reader] = {
    "chartqa": ChartQA,
    "clevr": CLEVR,
    "coco-vqa": COCOVQA,
    "docvqa": DocVQA,
    "easy-vqa": EasyVQA,
    "gqa": GQA,
    "nlvr": NLVR,
    "sort-of-clevr": SortOfCLEVR,
    "textvqa": TextVQA,
    "vqa-rad": VQARAD,
}


class VQA:
    """Visual question answering: one of a closed set of answers, or any text."""

    card = TaskCard(
        name="vqa",
        title="visual question answering: an image and a question to an answer",
        modalities=("image", "text"),
        abilities=("classify", "generate"),
        metrics=("vqa_accuracy", "vqa_accuracy_normalized", "exact_match", "anls", "relaxed_accuracy"),
        datasets=(
            "easy-vqa",
            "sort-of-clevr",
            "sort-of-clevr-non-relational",
            "vqa-v2",
            "vqa-rad",
            "vqa-rad-image-disjoint",
            "nlvr",
            "gqa",
            "ok-vqa",
            "textvqa",
            "docvqa",
            "chartqa",
            "clevr",
        ),
        floors=("majority", "question-prior", "image-only", "text-only"),
        breakdowns=("question_type", "answer_type"),
        target_field="answers",
        many_targets=True,
        prompt="{text}\nAnswer the question with a single word or phrase.",
        citation="Antol et al.: VQA: Visual Question Answering, ICCV 2015, https://arxiv.org/abs/1505.00468",
    )

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split; images are decoded only when a batch is made.

        Raises:
            UsageError: no such format or split, or files that are not what the card says.
        """
        return open_split(_READERS, dataset, split)

    def ask(self, model: Model, batch: Batch) -> Answers:
        """The most probable answer to each question, or the generated one."""
        return answers(model, batch)

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """The metric of the data set compares the answer with the target, which is a list where several answered."""
        return metric.row(prediction, sample)
