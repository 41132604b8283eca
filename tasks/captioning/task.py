"""The task: describe an image in a sentence."""

from typing import Any, cast

from mmbench.data.card import DatasetCard
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Generates, Model
from mmbench.sample import Answers, Dataset, Prediction, Sample
from mmbench.task import TaskCard, generated_texts

from .pairs import CaptionPairs
from .readers import open_captions


class Captioning:
    """Image captioning against several reference captions."""

    card = TaskCard(
        name="captioning",
        title="image captioning: an image to a sentence, scored against several reference captions",
        modalities=("image",),
        abilities=("generate",),
        metrics=(
            "cider_d",
            "bleu_1",
            "bleu_2",
            "bleu_3",
            "bleu_4",
            "rouge_l",
            "meteor",
            "caption_length",
            "caption_vocabulary",
        ),
        datasets=("scenes", "coco-captions", "coco-karpathy", "flickr8k", "flickr30k", "nocaps", "captions-json"),
        prompt="Describe the image in one short sentence.",
        floors=("frequent-caption",),
        breakdowns=("domain",),
        target_field="references",
        many_targets=True,
        citation="Chen et al.: Microsoft COCO Captions, 2015, https://arxiv.org/abs/1504.00325",
    )

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split; images are decoded only when a batch is made."""
        return open_captions(dataset, split)

    def training(self, samples: Dataset) -> Dataset:
        """One sample a caption, so that a model learns every caption of an image."""
        return CaptionPairs(samples)

    def ask(self, model: Model, batch: Batch) -> Answers:
        """The model's caption of each image."""
        return generated_texts(cast(Generates, model), batch)

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """A caption and its references go to the metric as they stand; it splits them into words itself."""
        return metric.row(prediction, sample)
