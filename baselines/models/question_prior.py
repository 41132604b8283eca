"""Floor: the usual answer to each question, without looking."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from mmbench.model import Batch
from mmbench.sample import Dataset, Sample

from .counts import count_labels


class QuestionPrior(nn.Module):
    """Per-question prior: the most frequent training answer to the same question.

    A question that training never asked gets the most frequent answer of all.
    """

    modalities: tuple[str, ...] = ("text",)

    def __init__(self, name: str, labels: Sequence[str], questions: Sequence[str]) -> None:
        super().__init__()
        self.name = name
        self.labels = tuple(labels)
        self.questions = tuple(questions)
        self._row = {question: row for row, question in enumerate(self.questions, start=1)}
        # Row 0 is the answer frequency over all questions, for those never seen.
        self.log_prior: Tensor
        self.register_buffer("log_prior", torch.zeros(len(self.questions) + 1, len(self.labels)))

    @classmethod
    def create(cls, name: str, modalities: tuple[str, ...], samples: Dataset) -> Self:  # it reads text
        """For the labels and questions of the training samples."""
        questions = {_key(samples[index]) for index in range(len(samples))}
        return cls(name, sorted(count_labels(samples)), sorted(questions))

    @classmethod
    def restore(cls, name: str, config: Mapping[str, Any]) -> Self:
        """For stored labels and questions."""
        return cls(name, config["labels"], config["questions"])

    def stored_config(self) -> dict[str, Any]:
        """The labels and the questions."""
        return {"labels": list(self.labels), "questions": list(self.questions)}

    def fit(self, samples: Dataset) -> None:
        """Count answers by question; answers never given to a question share one count, by their overall frequency."""
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for index in range(len(samples)):
            counts[_key(samples[index])][samples[index].label] += 1
        total = count_labels(samples)
        overall = torch.tensor([total[label] for label in self.labels], dtype=torch.float32)
        overall /= overall.sum()
        self.log_prior[0] = overall.log()
        for question, row in self._row.items():
            frequency = torch.tensor([counts[question][label] for label in self.labels], dtype=torch.float32) + overall
            self.log_prior[row] = (frequency / frequency.sum()).log()

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """The table row of each question, int64 [B]; 0 where it is unknown or missing."""
        rows = torch.tensor([self._row.get(_key(sample), 0) for sample in samples])
        return Batch(len(samples), {"text": rows}, {"text": rows > 0})

    def classify(self, batch: Batch) -> Tensor:
        """Training frequencies of the question as logits, [B, C]."""
        return self.log_prior[batch.inputs["text"]]


def _key(sample: Sample) -> str:
    return " ".join(str(sample.inputs.get("text", "")).lower().split())
