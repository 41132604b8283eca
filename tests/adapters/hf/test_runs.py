"""Models of the transformers library through the command line and the conformance suite."""

import json

import pytest
import torch
import transformers

from mmbench.cli import main
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.testing import check_model
from mmbench_tasks.image_classification.task import ImageClassification

HERE = ["--workers", "0", "--threads", "1", "--device", "cpu", "--cost", "off", "--json"]


def record(capsys, folder, task, *words):
    assert main(["eval", "--model", f"hf:{folder}", "--task", task, *HERE, *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_adapter_is_listed_without_being_imported(capsys):
    assert main(["list", "adapters", "--json"]) == 0
    (entry,) = (each for each in json.loads(capsys.readouterr().out)["adapters"] if each["name"] == "hf")
    assert entry["summary"].startswith("A model of the transformers library")


def test_classifier_is_scored_as_by_hand(capsys, saved, tmp_path):
    found = record(capsys, saved("vit"), "image_classification", "--limit", "60", "--output", str(tmp_path))
    assert found["model"]["name"] == "hf:vit"
    assert found["model"]["weights"]["source"] == "vit"
    assert found["model"]["config"]["family"] == "ImageClassifier"
    model = transformers.ViTForImageClassification.from_pretrained(saved("vit"))
    processor = transformers.AutoImageProcessor.from_pretrained(saved("vit"))
    assert found["model"]["parameters"] == model.num_parameters()
    from mmbench_tasks.image_classification.datasets import digits

    samples = [ImageClassification().load(digits, "test")[index] for index in range(60)]
    with torch.inference_mode():
        pixels = processor([sample.inputs["image"].convert("RGB") for sample in samples], return_tensors="pt")
        best = model(**pixels).logits.argmax(dim=1).tolist()
    right = sum(str(number) == sample.target for number, sample in zip(best, samples, strict=True))
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(right / 60)


def test_options_of_the_command_line_reach_the_model(capsys, saved, tmp_path):
    words = ["--attn", "eager", "--option", "max_new_tokens=3", "--option", "prompt={text}", "--limit", "8"]
    found = record(capsys, saved("llava"), "vqa", *words, "--output", str(tmp_path))
    config = found["model"]["config"]
    assert (config["attn_implementation"], config["generation"]["max_new_tokens"]) == ("eager", 3)
    assert config["prompt"] == "{text}"
    assert found["settings"]["checks"]["batch_invariance"]["differ"] == 0


def test_items_are_found_by_vectors(saved, tmp_path):
    options = EvalOptions(limit=6, workers=0, threads=1, device="cpu")
    found = evaluate(f"hf:{saved('clip')}", "retrieval", options=options, output=tmp_path).record
    assert found.dataset.n == 6 * 6  # images, and five texts each
    assert found.settings["checks"]["batch_invariance"]["differ"] == 0


def test_loader_processes(saved, tmp_path):
    """The processors are made before processes are forked, and work in them."""
    options = EvalOptions(limit=12, workers=1, threads=1, device="cpu", batch_size=4, settings=("max_new_tokens=2",))
    found = evaluate(f"hf:{saved('llava')}", "vqa", options=options, output=tmp_path).record
    assert found.dataset.n == 12
    assert not found.failures


@pytest.mark.parametrize(
    ("kind", "task", "settings"),
    [
        ("vit", "image_classification", ()),
        ("vilt", "vqa", ()),
        ("clip", "retrieval", ()),
        ("siglip", "image_classification", ()),
        ("blip", "captioning", ("max_new_tokens=3",)),
        ("blip-vqa", "vqa", ("max_new_tokens=3",)),
        ("git", "vqa", ("max_new_tokens=3",)),
        ("llava", "vqa", ("max_new_tokens=3",)),
        ("idefics3", "vqa", ("max_new_tokens=3",)),
        ("paddle", "vqa", ("max_new_tokens=3",)),
    ],
)
def test_conformance(saved, kind, task, settings):
    check_model(f"hf:{saved(kind)}", task, settings=settings, samples=3)
