"""What overhead.py and memory.py share: a model, the first samples of a split, and mmbench's quality pass over them."""

import tempfile
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from mmbench.data.card import DatasetCard
from mmbench.engine.journal import Journal
from mmbench.engine.loader import Plan, plan_batches
from mmbench.engine.models import load_model
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import EvalProgress
from mmbench.engine.quality import QualityPass
from mmbench.engine.resolve import resolve_dataset, resolve_metrics, resolve_task
from mmbench.model import Model
from mmbench.sample import Dataset, Subset
from mmbench.task import Task


def parser(description: str) -> ArgumentParser:
    """The options that both benchmarks have."""
    options = ArgumentParser(description=description)
    options.add_argument("--model", default="film")
    options.add_argument("--task", default="vqa")
    options.add_argument("--split", default=None, help="default: the data set's default one")
    options.add_argument("--batch-size", type=int, default=64)
    options.add_argument("--workers", type=int, default=0, help="loader processes")
    options.add_argument("--threads", type=int, default=1, help="PyTorch threads")
    options.add_argument("--device", default="cpu")
    return options


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that a pass over the samples takes."""

    task: Task
    card: DatasetCard
    model: Model
    samples: Dataset
    plan: Plan
    device: torch.device
    workers: int

    def quality_pass(self) -> None:
        """One quality pass as `mmbench eval` runs it, with a journal in a temporary folder."""
        metrics = resolve_metrics(self.task, self.card, (), {})
        options = EvalOptions(batch_size=self.plan.batch_size)
        quality = QualityPass(self.task, self.model, metrics, self.device, options)
        with (
            tempfile.TemporaryDirectory() as folder,
            Journal(Path(folder) / "journal.jsonl", {"batch_size": self.plan.batch_size}, resume=False) as journal,
        ):
            quality.run(self.samples, self.plan, self.workers, journal, EvalProgress())
            assert len(journal.done) == len(self.plan)


def prepare(options: Namespace, limit: int) -> Prepared:
    """Load what the options name, with the first `limit` samples."""
    torch.set_num_threads(options.threads)
    task = resolve_task(options.task)
    card = resolve_dataset(task, None)
    model = load_model(options.model, options.task, card.name).model
    device = torch.device(options.device)
    if isinstance(model, nn.Module):
        model.to(device).eval()
    dataset = task.load(card, options.split or card.default_split)
    if limit > len(dataset):
        raise SystemExit(f"{limit} samples were asked for; the split has {len(dataset)}")
    samples = Subset(dataset, range(limit))
    return Prepared(
        task, card, model, samples, plan_batches(samples, model, options.batch_size), device, options.workers
    )
