"""One sample put to a model, and where the model's attention lay while it answered."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmbench.attention import MODALITIES, Attention, Grid, Places, Steps, record_attention
from mmbench.encoder import Encoder
from mmbench.engine.ask import ask_in_parts
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.loader import Failure
from mmbench.engine.look import as_json
from mmbench.engine.options import EvalOptions
from mmbench.engine.run import Run
from mmbench.errors import HarnessError, MMBenchError, UsageError
from mmbench.model import Batch, Model
from mmbench.registry import registry
from mmbench.sample import Alters, Prediction, Sample

_DIGITS = 6  # of weights for programs


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Where the tokens of one kind looked, in one softmax of the model.

    Attributes:
        name: where in the model (`layer 1`).
        query: modality, or name of learned tokens, that looked.
        weights: [H, Tq, Tk] by what was looked at, without what was masked; over all of it, each head's Tq rows sum
            to 1.
    """

    name: str
    query: str
    weights: Mapping[str, NDArray[np.float32]]

    def means(self) -> dict[str, NDArray[np.float64]]:
        """[Tk] by what was looked at: the mean over heads and over the tokens that looked; all together sum to 1."""
        return {key: weights.mean(axis=(0, 1), dtype=np.float64) for key, weights in self.weights.items()}


@dataclass(frozen=True, slots=True, eq=False)
class Attended:
    """A sample, the answer to it, and where attention lay.

    Attributes:
        model, task, dataset, split: names.
        sample: with its inputs as the data set has them.
        prediction: the model's answer.
        looks: in the order in which the model made them.
        places: what the tokens are, by the names that `looks` uses.
    """

    model: str
    task: str
    dataset: str
    split: str
    sample: Sample
    prediction: Prediction
    looks: list[Look]
    places: Mapping[str, Places]

    def to_json(self) -> dict[str, Any]:
        """All of it as plain JSON, weights to six digits."""
        return {
            "model": self.model,
            "task": self.task,
            "dataset": self.dataset,
            "split": self.split,
            "sample": as_json(self.sample),
            "prediction": self.prediction.value,
            "tokens": {name: _plain(places) for name, places in self.places.items()},
            "attention": [
                {
                    "name": look.name,
                    "query": look.query,
                    "weights": {
                        key: weights.astype(np.float64).round(_DIGITS).tolist() for key, weights in look.weights.items()
                    },
                }
                for look in self.looks
            ],
        }


def _plain(places: Places) -> dict[str, Any]:
    if isinstance(places, Grid):
        return {"rows": places.rows, "columns": places.columns, "before": places.before}
    return {"seconds": places.seconds} if isinstance(places, Steps) else {"texts": list(places)}


def attend(
    model: str,
    task: str,
    sample_id: str,
    *,
    where: Where | None = None,
    weights: Path | None = None,
    options: EvalOptions | None = None,
) -> Attended:
    """Put one sample to a model, loaded as an evaluation loads it, and keep its attention weights.

    Args:
        model: its name.
        task: name of the task.
        sample_id: of the sample in its split.
        where: which data.
        weights: the model's; found by its name if `None`.
        options: of an evaluation.

    Raises:
        UsageError: a name, an option or a file is wrong, the split has no such sample, or the model tells no attention.
        HarnessError: the sample cannot be decoded, or the model fails on it.
    """
    run = load_run(model, task, where or Where(), weights, options or EvalOptions())
    sample, batch = _prepared(run, _position(run, sample_id), sample_id)
    with torch.inference_mode(), record_attention() as told:
        (answer,) = ask_in_parts(run.task, run.model, batch)
    if isinstance(answer, Exception):
        raise _failed(sample_id, "model", answer) from answer
    if not told:
        raise UsageError(f"model {model!r} tells no attention; fusions that do: {', '.join(_attending()) or 'none'}")
    looks = [look for attention in told for look in _looks(attention)]
    if not looks:
        has = [m for m in run.model.modalities if sample.inputs.get(m) is not None]
        raise HarnessError(f"{sample_id}: with {', '.join(has) or 'no modality'} alone nothing looked at anything")
    places = {name: _places(run.model, sample, name, _there(mask)) for name, mask in _masks(told).items()}
    return Attended(run.model.name, run.task.card.name, run.dataset.name, run.split, sample, answer, looks, places)


def _position(run: Run, sample_id: str) -> int:
    """Where the sample with an id is; nothing is decoded on the way.

    Raises:
        UsageError: there is none, with the nearest id.
    """
    samples = run.samples
    sample_at = samples.unaltered if isinstance(samples, Alters) else samples.__getitem__  # noise would decode
    ids, broken = [], 0
    for index in range(len(samples)):
        try:
            found = sample_at(index).id
        except MMBenchError:
            raise
        except Exception:  # data may be broken in any way; another sample may be the one that is asked for
            broken += 1
            continue
        if found == sample_id:
            return index
        ids.append(found)
    near = difflib.get_close_matches(sample_id, ids, n=1, cutoff=0.0)
    hint = f"; the nearest id is {near[0]!r}" if near else ""
    unread = f", {broken:,} of which cannot be read" if broken else ""
    raise UsageError(
        f"no sample {sample_id!r} among the {len(samples):,} of {run.dataset.name} {run.split}{unread}{hint}"
    )


def _prepared(run: Run, position: int, sample_id: str) -> tuple[Sample, Batch]:
    """The sample, and the batch of it alone on the model's device."""
    try:
        sample = run.samples[position]
        return sample, run.model.collate([sample]).to(run.device)
    except Exception as error:  # models are foreign code, and files may be broken in any way
        raise _failed(sample_id, "decode", error) from error


def _failed(sample_id: str, stage: str, error: Exception) -> HarnessError:
    return HarnessError(f"{sample_id}: {stage}: {Failure.of(0, sample_id, stage, error).reason}")


def _attending() -> list[str]:
    """Registered fusions that tell their attention."""
    found = []
    for name in registry.names("fusion"):
        try:
            attends = registry.load("fusion", name).attends
        except (MMBenchError, AttributeError):  # another package's, broken: of no help here
            continue
        if attends:
            found.append(name)
    return found


def _there(mask: Tensor) -> NDArray[np.intp]:
    """Positions of the only sample's tokens that are there, from a mask [1, T]."""
    return np.flatnonzero(mask[0].cpu().numpy())


def _masks(told: list[Attention]) -> dict[str, Tensor]:
    """By name, for everything that asked or answered."""
    return {name: mask for each in told for masks in (each.query, each.key) for name, mask in masks.items()}


def _looks(told: Attention) -> list[Look]:
    """Cut by who asks, and by who answers, with masked tokens left out; who has no token makes no look."""
    whole = told.weights[0].float().cpu().numpy()
    looks = []
    for query, asking in _parts(told.query).items():
        weights = {key: whole[:, asking][:, :, answering] for key, answering in _parts(told.key).items()}
        if weights and len(asking):
            looks.append(Look(told.name, query, weights))
    return looks


def _parts(masks: Mapping[str, Tensor]) -> dict[str, NDArray[np.intp]]:
    """Positions, in the whole, of the tokens that are there; names without any are left out."""
    found, start = {}, 0
    for name, mask in masks.items():
        if len(there := _there(mask)):
            found[name] = start + there
        start += mask.shape[1]
    return found


def _places(model: Model, sample: Sample, name: str, there: NDArray[np.intp]) -> Places:
    """What the tokens are: as the encoder says, by their modality, or by number."""
    if name == MODALITIES:
        return [model.modalities[index] for index in there]
    encoders = getattr(model, "encoders", None)
    encoder = encoders[name] if isinstance(encoders, nn.ModuleDict) and name in encoders else None
    count = len(there)
    if isinstance(encoder, Encoder) and sample.inputs.get(name) is not None:
        places = encoder.places(sample.inputs[name], count)
        if places is not None and _count(places) in (None, count):
            return places
    return [name] if count == 1 else [f"{name} {number}" for number in range(1, count + 1)]


def _count(places: Places) -> int | None:
    """How many tokens are placed; any number for steps in time."""
    if isinstance(places, Steps):
        return None
    return places.before + places.rows * places.columns if isinstance(places, Grid) else len(places)
