"""The task: name the class of an image."""

from typing import Any

from mmbench.data.card import DatasetCard
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Model
from mmbench.sample import Answers, Dataset, Prediction, Sample
from mmbench.task import Reader, TaskCard, answers, open_split

from .cifar import open_cifar
from .digits import open_digits
from .food_101 import open_food_101
from .hub_images import HubImages
from .image_folder import open_image_folder
from .imagenet import open_imagenet
from .mnist import open_mnist

_READERS: dict[str, Reader] = {
    "cifar-binary": open_cifar,
    "digits-csv": open_digits,
    "food-101": open_food_101,
    "hub-images": HubImages,
    "image-folder": open_image_folder,
    "imagenet": open_imagenet,
    "mnist-idx": open_mnist,
}


class ImageClassification:
    """Image classification: each image has one of a set of labels."""

    card = TaskCard(
        name="image_classification",
        title="image classification: an image to one label of a set",
        modalities=("image",),
        abilities=("classify", "generate"),
        metrics=("accuracy", "top5_accuracy", "macro_f1", "mean_class_recall", "ece", "nll", "brier"),
        datasets=(
            "digits",
            "mnist",
            "fashion-mnist",
            "cifar-10",
            "cifar-100",
            "imagenet-1k",
            "food-101",
            "clothing",
            "image-folder",
        ),
        floors=("majority",),
        prompt="What does the image show? Answer with one of these words and nothing else: {labels}.",
        citation=(
            "Russakovsky et al.: ImageNet Large Scale Visual Recognition Challenge, IJCV 2015, "
            "https://arxiv.org/abs/1409.0575"
        ),
    )

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split; image files are decoded only when a batch is made."""
        return open_split(_READERS, dataset, split)

    def ask(self, model: Model, batch: Batch) -> Answers:
        """The most probable label of each image."""
        return answers(model, batch)

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """A label is compared with the target as it stands: a model must answer with the data set's own names."""
        return metric.row(prediction, sample)
