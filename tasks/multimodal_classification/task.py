"""The task: name the class of what several modalities show together."""

from typing import Any

from mmbench.data.card import DatasetCard
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Model
from mmbench.sample import Answers, Dataset, Prediction, Sample
from mmbench.task import Reader, TaskCard, answers, open_split

from .av_digits import AVDigits
from .trimodal_digits import TrimodalDigits

_READERS: dict[str, Reader] = {
    "av-digits": AVDigits,
    "trimodal-digits": TrimodalDigits,
}


class MultimodalClassification:
    """Classification from image, audio and text together, or from those that a data set has."""

    card = TaskCard(
        name="multimodal_classification",
        title="multimodal classification: an image, a sound and a text to one label of a set",
        modalities=("image", "audio", "text"),
        abilities=("classify", "generate"),
        metrics=("accuracy", "macro_f1", "mean_class_recall", "top5_accuracy", "ece", "nll", "brier"),
        datasets=("trimodal-digits", "av-digits"),
        prompt="{text}\nTo which class does this belong? Answer with one of these words and nothing else: {labels}.",
        floors=("majority", "image-only", "audio-only", "text-only"),
        breakdowns=("image_condition", "audio_condition", "hint", "speaker"),
        citation=(
            "Baltrusaitis et al.: Multimodal Machine Learning: A Survey and Taxonomy, TPAMI 2019, "
            "https://arxiv.org/abs/1705.09406"
        ),
    )

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split; files are decoded only when a batch is made."""
        return open_split(_READERS, dataset, split)

    def ask(self, model: Model, batch: Batch) -> Answers:
        """The most probable label of each sample."""
        return answers(model, batch)

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """A label is compared with the target as it stands: a model must answer with the data set's own names."""
        return metric.row(prediction, sample)
