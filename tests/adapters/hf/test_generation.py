"""Marks of the tokens of a text, and what of a text is new."""

import pytest
import torch
import transformers

from mmbench.adapters.hf.generation import after
from mmbench.profile.clock import HostClock
from mmbench.profile.generation import measure_generation
from mmbench.profile.stage import observed
from mmbench.profile.stage_times import StageTimes

from .test_captioners import CLASS

pytestmark = pytest.mark.usefixtures("no_gradients")


def written(kind, folder, image):
    """Tokens of a caption, the one that ends it included, by the library alone."""
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(image, return_tensors="pt")["pixel_values"]
    model = CLASS[kind].from_pretrained(folder)
    return model.generate(pixel_values=pixels, do_sample=False, max_new_tokens=8)[0, 1:]  # the first starts the text


@pytest.mark.parametrize("kind", ["blip", "git", "encoder-decoder"])
@pytest.mark.parametrize("beams", [1, 3])
def test_each_token_is_marked(opened, saved, seen, images, kind, beams):
    model = opened(kind, "captioning", "scenes", "max_new_tokens=8", f"num_beams={beams}").model
    for sample, image in zip(seen, images, strict=True):
        times = StageTimes()
        batch = model.collate([sample])
        with observed(times):
            model.generate(batch)
        counts = {name: len(each) for name, each in times.seconds.items()}
        assert counts["prefill"] == 1
        if beams == 1:
            assert 1 + counts.get("decode", 0) == len(written(kind, saved(kind), image))
        else:
            assert counts["decode"] <= 7


def test_rate_of_tokens_is_measured(opened, asked):
    model = opened("llava", "vqa", None, "max_new_tokens=6", "prompt={text}").model
    requests = [model.collate([sample]) for sample in asked]
    found = measure_generation(model.generate, requests, HostClock())
    assert found is not None
    assert len(asked) < found.tokens <= 6 * len(asked)
    assert found.first_token_s.value > 0
    assert found.tokens_per_s.value > 0


def test_accelerator_gets_a_cache_of_fixed_length_to_compile_for(opened, asked, monkeypatch):
    loaded = opened("llava", "vqa", None, "max_new_tokens=6", "prompt={text}")
    batch = loaded.model.collate(asked)
    expected = loaded.model.generate(batch)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(transformers.PreTrainedModel, "device", torch.device("cuda"))
        loaded.model.compile()
    assert loaded.model.settings()["generation"]["cache_implementation"] == "static"
    assert loaded.model.generate(batch) == expected


def test_hooks_do_not_stay(opened, seen):
    model = opened("git", "captioning", "scenes", "max_new_tokens=4").model
    model.generate(model.collate(seen))
    assert not model.pretrained._forward_pre_hooks


def test_what_is_new():
    prompt = torch.tensor([[5, 6], [7, 8]])
    more = torch.tensor([[1, 2, 3], [4, 5, 6]])
    start = torch.tensor([[9], [9]])
    assert torch.equal(after(torch.cat([prompt, more], dim=1), prompt), more)
    assert torch.equal(after(torch.cat([start, prompt, more], dim=1), prompt), more)
    assert torch.equal(after(more, prompt), more)
    assert torch.equal(after(prompt[:, :1], prompt), prompt[:, :1])
