"""The task: write down what is said in a recording."""

from typing import Any, cast

from mmbench.data.card import DatasetCard
from mmbench.metrics.metric import Metric
from mmbench.model import Batch, Generates, Model
from mmbench.sample import Answers, Dataset, Prediction, Sample
from mmbench.task import Reader, TaskCard, generated_texts, open_split

from .an4 import AN4
from .common_voice import common_voice
from .fleurs import fleurs
from .librispeech import librispeech
from .manifest import SpeechManifest
from .spoken_sentences import SpokenSentences
from .tedlium import tedlium

_READERS: dict[str, Reader] = {
    "an4": AN4,
    "common-voice": common_voice,
    "fleurs": fleurs,
    "librispeech": librispeech,
    "speech-manifest": SpeechManifest,
    "spoken-sentences": SpokenSentences,
    "tedlium": tedlium,
}


class ASR:
    """Automatic speech recognition."""

    card = TaskCard(
        name="asr",
        title="speech recognition: a recording to the words that are said in it",
        modalities=("audio",),
        abilities=("generate",),
        metrics=("wer", "cer"),
        datasets=("spoken-sentences", "an4", "librispeech", "common-voice", "fleurs", "tedlium", "speech-manifest"),
        prompt="Write down what is said, word for word, and nothing else.",
        floors=("empty-transcript",),
        breakdowns=("condition",),
        target_field="reference",
        citation="Radford et al.: Robust Speech Recognition via Large-Scale Weak Supervision, 2022, "
        "https://arxiv.org/abs/2212.04356 (its text normalisation is the default)",
    )

    def load(self, dataset: DatasetCard, split: str) -> Dataset:
        """Open one split; audio is decoded only when a batch is made."""
        return open_split(_READERS, dataset, split)

    def ask(self, model: Model, batch: Batch) -> Answers:
        """The transcript of each recording."""
        return generated_texts(cast(Generates, model), batch)

    def score(self, metric: Metric, prediction: Prediction, sample: Sample) -> tuple[Any, ...]:
        """A transcript is compared as the metric's normaliser leaves it."""
        return metric.row(prediction, sample)
