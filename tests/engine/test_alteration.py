"""Altered samples in the loop: planned like clean ones, opened only in batches, and scored by what they were."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.data.alteration import Alteration, altered
from mmbench.engine.cost_subject import make_subject
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.loader import make_loader, plan_batches
from mmbench.engine.options import EvalOptions
from mmbench.errors import HarnessError
from mmbench.model import Batch
from mmbench.sample import Sample

WORDS = [3, 9, 1, 7, 5]


class Reader:
    """Reads images and texts of several lengths."""

    name = "reader"
    modalities = ("image", "text")

    def length(self, sample):
        return len(sample.inputs["text"].split())

    def collate(self, samples):
        images = [sample.inputs.get("image") for sample in samples]
        pixels = np.stack([np.zeros((4, 4, 3)) if image is None else np.asarray(image) for image in images])
        there = torch.tensor([image is not None for image in images])
        return Batch(len(samples), {"image": torch.from_numpy(pixels)}, {"image": there})


def samples(image):
    return [Sample(f"s/{n}", {"image": image, "text": " ".join(["word"] * count)}) for n, count in enumerate(WORDS)]


@pytest.mark.parametrize(
    "alteration",
    [Alteration(noise=(("image", "blur", 0.5),)), Alteration(drop=("text",)), Alteration(shuffle=("image", "text"))],
)
def test_batches_are_planned_as_of_clean_samples(alteration):
    """By length, longest first; no image is opened for it, and the batches are those of the run without."""
    clean = samples(Path("no/such.png"))
    plan = plan_batches(altered(clean, alteration), Reader(), 2)
    assert plan.order.tolist() == plan_batches(clean, Reader(), 2).order.tolist() == [1, 3, 4, 0, 2]


@pytest.mark.parametrize("keep", [True, False])
def test_model_gets_altered_inputs_and_metrics_clean_ones(keep):
    clean = samples(Image.new("RGB", (4, 4), "white"))
    found = altered(clean, Alteration(noise=(("image", "occlusion", 1.0),), shuffle=("text",)))
    plan = plan_batches(found, Reader(), 2)
    loader = make_loader(found, Reader(), plan, numbers=range(len(plan)), workers=0, pin_memory=False, keep_inputs=keep)
    for loaded in loader:
        assert (loaded.batch.inputs["image"] == 128).all()
        assert [sample.inputs for sample in loaded.samples] == [
            clean[index].inputs if keep else {} for index in loaded.indices
        ]


@pytest.mark.parametrize(
    "alteration", [Alteration(noise=(("image", "gaussian", 1.0),)), Alteration(drop=("image",), shuffle=("text",))]
)
def test_cost_is_measured_on_samples_as_they_were(alteration, threads):
    """The cost passes get the same batches as those of a run without: making noise is no cost of the model."""
    options = EvalOptions(limit=8, workers=0, threads=1, device="cpu")
    clean, asked = (
        load_run("film", "vqa", Where(), None, replace(options, alteration=each)) for each in (Alteration(), alteration)
    )
    assert asked.samples[0].inputs != clean.samples[0].inputs
    ours, theirs = make_subject(asked, 4), make_subject(clean, 4)
    for one, other in zip([*ours.batches, *ours.requests], [*theirs.batches, *theirs.requests], strict=True):
        assert all(torch.equal(one.inputs[name], other.inputs[name]) for name in ("image", "text"))
    assert ours.run.samples is asked.unaltered  # of which the pass over the loader reads


def test_interrupted_run_goes_on_only_with_the_same_alteration(run, tmp_path):
    """What was scored on clean questions is no part of a run on altered ones; noise of level 0 is no alteration."""
    journals = []
    for level in (None, 0.0, 0.5):
        noise = () if level is None else (("text", "typo", level),)
        with pytest.raises(HarnessError, match="decode"):
            run("film", "probe-corrupt", batch_size=4, resume=True, alteration=Alteration(noise=noise))
        journals.append({file.name for file in (tmp_path / "results" / ".journal").glob("*.jsonl")})
    clean, nothing, altered_too = journals
    assert len(clean) == 1
    assert nothing == clean
    assert len(altered_too) == 2
