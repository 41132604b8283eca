"""What cannot be a backbone: other modalities, folders that lack something, pickled weights, remote code."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mmbench.encoder import EncoderConfig, choose_encoders
from mmbench.errors import UsageError
from mmbench.model import BuildOptions
from mmbench.registry import registry

MODALITY = {"bert": "text", "vit": "image", "whisper": "audio"}

pytestmark = pytest.mark.usefixtures("one_thread")


def refused(modality, source):
    with pytest.raises(UsageError) as caught:
        registry.load("encoder", f"hf-{modality}").argument_options(str(source))
    message = str(caught.value)
    assert "\n" not in message
    assert str(source) in message
    return message


@pytest.mark.parametrize(
    ("modality", "kind", "reads"),
    [
        ("image", "bert", "a bert model reads input_ids; expected one that reads pixel_values"),
        ("text", "vit", "a vit model reads pixel_values; expected one that reads input_ids"),
        (
            "audio",
            "resnet",
            "a resnet model reads pixel_values; expected one that reads input_values or",
        ),
        ("text", "whisper", "a whisper model reads input_features; expected one that reads input_ids"),
    ],
)
def test_model_of_another_modality(saved, modality, kind, reads):
    message = refused(modality, saved(kind))
    assert f"is no encoder of {modality}: {reads}" in message


def test_no_such_folder(tmp_path):
    message = refused("image", tmp_path / "nothing")
    assert "cannot load its configuration" in message
    assert message.endswith("expected a model's name on the Hugging Face hub, or a folder made by save_pretrained")


def test_folder_that_holds_no_model(tmp_path):
    assert "cannot load its configuration" in refused("text", tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": "wide"}')
    refused("text", tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "no such thing"}')
    refused("text", tmp_path)


def test_hub_out_of_reach(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "hf:nobody/nothing-at-all: cannot load its configuration" in refused("audio", "nobody/nothing-at-all")


@pytest.mark.parametrize(
    ("modality", "kind", "files", "what"),
    [
        ("text", "gpt2", ["tokenizer.json", "tokenizer_config.json"], "tokenizer: it has no vocabulary"),
        ("image", "vit", ["preprocessor_config.json"], "image processor"),
        ("audio", "wav2vec2-layer", ["preprocessor_config.json"], "feature extractor"),
    ],
)
def test_source_without_its_processor(copied, modality, kind, files, what):
    folder = copied(kind)
    for file in files:
        (folder / file).unlink()
    assert f"cannot load its {what}" in refused(modality, folder)


@pytest.mark.parametrize("kind", ["bert", "vit", "whisper"])
@pytest.mark.parametrize("damage", ["absent", "garbled", "a path"])
def test_stored_processor_that_is_damaged(saved, kind, damage):
    name = f"hf-{MODALITY[kind]}"
    options = registry.load("encoder", name).argument_options(str(saved(kind)))
    files = {"absent": {}, "garbled": dict.fromkeys(options["files"], "{"), "a path": {"../stray.json": "{}"}}[damage]
    encoder = EncoderConfig(name, {**options, "source": "label", "files": files}).build(6)
    with pytest.raises(UsageError, match=r"^hf:label: its processor cannot be read from the weights, ") as caught:
        encoder.prepare([None] if kind != "bert" else ["what?"])
    assert "\n" not in str(caught.value)


def test_processor_that_no_text_can_hold(copied, monkeypatch):
    def save(self, folder):
        (Path(folder) / "spiece.model").write_bytes(b"\xff\xfe\x00")

    monkeypatch.setattr("transformers.PreTrainedTokenizerFast.save_pretrained", save)
    assert "cannot be kept in weights" in refused("text", copied("bert"))


@pytest.mark.parametrize("argument", ["org/name@", "{folder}@main"])
def test_revision_that_cannot_be(saved, argument):
    source = argument.format(folder=saved("bert"))
    assert "expected NAME@REVISION, a branch, tag or commit on the hub, or a folder alone" in refused("text", source)


@pytest.mark.parametrize("setting", ["revision=abc", "source=other", "config=null", "files=null"])
def test_what_the_name_decides_cannot_be_set_beside_it(saved, setting):
    build = BuildOptions({"text": f"hf:{saved('bert')},{setting}"})
    with pytest.raises(UsageError, match=f"{setting.partition('=')[0]} follows from .* and cannot be set beside it"):
        choose_encoders(("text",), [], build)


def test_text_of_no_tokens(saved):
    options = registry.load("encoder", "hf-text").argument_options(str(saved("bert")))
    with pytest.raises(UsageError, match="longest must be at least 1, not 0"):
        EncoderConfig("hf-text", {**options, "longest": 0}).build(6)


@pytest.mark.parametrize("options", [{}, {"source": "somewhere"}])
def test_without_a_model(options):
    with pytest.raises(UsageError, match="an hf encoder of image needs a model: expected image=hf:NAME_OR_PATH"):
        EncoderConfig("hf-image", options).build(6)


def test_empty_name():
    with pytest.raises(UsageError, match="expected text=hf:NAME_OR_PATH, not an empty name"):
        registry.load("encoder", "hf-text").argument_options("")


def test_pickled_weights_are_refused(hf_encoder, copied):
    folder = copied("bert")
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"cannot load its weights \(safetensors\)"):
        hf_encoder("bert", folder)


def test_incomplete_weights_are_refused(hf_encoder, copied):
    folder = copied("bert")
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"its weights lack 1 of 37 tensors, encoder\.layer\.1\.output\.dense\.weight"):
        hf_encoder("bert", folder)


def test_remote_code_is_not_run(copied, tmp_path):
    folder = copied("bert")
    settings = json.loads((folder / "config.json").read_text())
    settings |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoModel": "own.Own"}}
    (folder / "config.json").write_text(json.dumps(settings))
    marker = tmp_path / "was run"
    (folder / "own.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Own: pass\n")
    assert "cannot load its configuration" in refused("text", folder)
    assert not marker.exists()
