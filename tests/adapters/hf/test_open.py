"""What is read of a model, from a folder or the hub's cache, and what the record tells of it."""

import hashlib
import json
import shutil
import socket

import pytest
import torch
import transformers

pytestmark = pytest.mark.usefixtures("no_gradients")
COMMIT = "0123456789" * 4


@pytest.fixture
def hub(saved, tmp_path, monkeypatch):
    """A hub's cache, into which a kind of model is put as org/name."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))

    def put(kind):
        model = tmp_path / "hub" / "models--org--name"
        shutil.copytree(saved(kind), model / "snapshots" / COMMIT)
        (model / "refs").mkdir()
        (model / "refs" / "main").write_text(COMMIT)
        return model / "snapshots" / COMMIT

    return put


def test_record_tells_what_was_opened(opened, saved):
    loaded = opened("llava", "vqa", None, "max_new_tokens=5", "attn=eager", "num_beams=2")
    assert loaded.model.name == "hf:llava"
    assert loaded.source == "llava"
    assert loaded.placed
    assert not loaded.model.training
    assert loaded.sha256 == hashlib.sha256((saved("llava") / "model.safetensors").read_bytes()).hexdigest()
    assert {
        "max_new_tokens": 5,
        "num_beams": 2,
        "attn": "eager",
        "family": "Chat",
        "model_type": "llava",
        "architecture": "LlavaForConditionalGeneration",
        "commit": None,
        "attn_implementation": "eager",
        "quantized_by": None,
    }.items() <= loaded.config.items()
    assert "trust_remote_code" not in loaded.config
    stored = json.dumps(loaded.config)
    assert str(saved("llava").parent) not in stored
    assert opened("llava", "vqa").config["attn_implementation"] == "sdpa"


def test_weights_of_several_files(opened, refused, copied, seen):
    folder = copied("vit")
    model = transformers.ViTForImageClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="10KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 1
    loaded = opened(folder, "image_classification")
    hashes = [hashlib.sha256(shard.read_bytes()).hexdigest() for shard in shards]
    assert loaded.sha256 == hashlib.sha256("".join(hashes).encode()).hexdigest()
    whole = opened("vit", "image_classification").model
    batch = whole.collate(seen)
    assert torch.equal(loaded.model.classify(batch), whole.classify(batch))
    shards[1].unlink()
    message = refused(folder, "image_classification")
    assert message.endswith(f"its weights lack {shards[1].name}")
    (folder / "model.safetensors.index.json").write_text("{}")
    assert "is no index of weights" in refused(folder, "image_classification")


def test_attention_is_the_chosen_one(opened, refused, seen):
    eager, usual = (opened("vit", "image_classification", None, *given) for given in (["attn=eager"], []))
    assert (eager.config["attn_implementation"], usual.config["attn_implementation"]) == ("eager", "sdpa")
    batch = usual.model.collate(seen)
    torch.testing.assert_close(eager.model.classify(batch), usual.model.classify(batch), rtol=0, atol=1e-5)
    assert "cannot load its weights" in refused("vit", "image_classification", None, "attn=swift")
    message = refused("vit", "image_classification", None, "attn=someone/kernel")
    assert "attention 'someone/kernel' would run code from the hub" in message


def test_device_map_is_the_librarys(opened, seen):
    loaded = opened("vit", "image_classification", None, "device_map=auto")
    assert loaded.config["device_map"] == "auto"
    assert loaded.model.classify(loaded.model.collate(seen)).shape == (4, 10)


def test_quantizing_needs_a_package(refused, monkeypatch):
    monkeypatch.setattr("mmbench.adapters.hf.weights.find_spec", lambda name: None)
    message = refused("vit", "image_classification", None, "quantize=int8")
    assert message == "--quantize needs bitsandbytes or torchao: pip install 'mmbench[quantize]'"
    assert "Input should be 'int8' or 'int4'" in refused("vit", "image_classification", None, "quantize=int2")


def test_quantized_weights(opened, refused, seen):
    pytest.importorskip("torchao")
    loaded = opened("vit", "image_classification", None, "quantize=int8")
    assert (loaded.config["quantize"], loaded.config["quantized_by"]) == ("int8", "torchao")
    whole = opened("vit", "image_classification").model
    batch = whole.collate(seen)
    found, expected = loaded.model.classify(batch), whole.classify(batch)
    assert not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.1)
    message = refused("vit", "image_classification", None, "quantize=int4")  # which comes in groups of 128
    assert "torchao quantized no weight to int4: its layers are too small" in message


@pytest.mark.parametrize(("kind", "task"), [("vit", "image_classification"), ("clip", "retrieval"), ("git", "vqa")])
def test_compiled_parts_are_those_that_are_called(opened, kind, task, monkeypatch):
    """Without a compiler: what would be compiled is marked by torch itself."""
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, *args, **kwargs: compiled.append(type(self).__name__))
    loaded = opened(kind, task, None, "compile=true")
    expected = {
        "vit": ["ViTForImageClassification"],
        "clip": ["CLIPVisionModel", "CLIPTextModel"],
        "git": ["GitForCausalLM"],
    }[kind]
    assert compiled == expected
    assert loaded.config["compile"] is True


def test_compiled_model_answers_the_same(opened, seen):
    loaded = opened("vit", "image_classification")
    batch = loaded.model.collate(seen)
    expected = loaded.model.classify(batch)
    loaded.model.compile(backend="eager")  # as far as torch goes without a compiler
    torch.testing.assert_close(loaded.model.classify(batch), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("argument", ["", "nothing/at/all", "@main"])
def test_names_that_cannot_be(refused, argument):
    assert "expected" in refused(f"hf:{argument}", "image_classification")


def test_settings_that_do_not_exist(refused):
    message = refused("vit", "image_classification", None, "num_beam=3")
    assert message == "unknown option of hf 'num_beam'; did you mean 'num_beams'?"


@pytest.mark.parametrize(
    ("kind", "task", "dataset", "setting", "takes"),
    [
        ("vit", "image_classification", None, "num_beams=3", "it takes compile, attn, device_map, quantize and"),
        ("vit", "image_classification", None, "prompt=Which?", "it takes compile"),
        ("clip", "retrieval", None, "template=a {label}", "it takes compile"),
        ("clip", "image_classification", None, "temperature=.5", "it takes template, compile"),
        ("llava", "vqa", None, "language=en", "it takes prompt, max_new_tokens, num_beams, temperature, compile"),
    ],
)
def test_settings_that_would_change_nothing(refused, kind, task, dataset, setting, takes):
    message = refused(kind, task, dataset, setting)
    assert f", and does not heed {setting.partition('=')[0]}; {takes}" in message


def test_revision_of_a_folder(refused, saved):
    assert "expected NAME@REVISION" in refused(f"hf:{saved('vit')}@main", "image_classification")


def test_folder_that_holds_no_model(refused, tmp_path):
    assert "cannot load its configuration" in refused(tmp_path, "image_classification")
    (tmp_path / "config.json").write_text('{"model_type": "no such thing"}')
    assert "cannot load its configuration" in refused(tmp_path, "image_classification")


@pytest.mark.parametrize("argument", ["org/name", "org/name@main", f"org/name@{COMMIT}"])
def test_cache_is_used_without_a_network(opened, hub, saved, seen, argument):
    hub("vit")
    loaded = opened(f"hf:{argument}", "image_classification")
    assert (loaded.model.name, loaded.source, loaded.config["commit"]) == (f"hf:{argument}", "org/name", COMMIT)
    same = opened("vit", "image_classification").model
    batch = same.collate(seen)
    assert torch.equal(loaded.model.classify(batch), same.classify(batch))


def test_model_that_is_not_in_the_cache(refused, hub):
    message = refused("hf:org/name", "image_classification")
    assert message == (
        "hf:org/name: config.json, as all its other files, is not in the cache, and the hub cannot be reached; run "
        "`hf download org/name` where there is a network and give hf:FOLDER, or set HF_HOME to a cache that has it"
    )


@pytest.mark.parametrize(
    ("kind", "task", "gone", "named"),
    [
        ("vit", "image_classification", ["model.safetensors"], "model.safetensors is not in the cache"),
        ("vit", "image_classification", ["preprocessor_config.json"], "preprocessor_config.json is not in the cache"),
        ("llava", "vqa", ["processor_config.json"], "processor_config.json or preprocessor_config.json is not"),
        ("vilt", "vqa", ["tokenizer.json", "tokenizer_config.json"], "tokenizer"),
    ],
)
def test_file_that_is_not_in_the_cache_is_named(refused, hub, kind, task, gone, named):
    folder = hub(kind)
    for name in gone:
        (folder / name).unlink()
    message = refused("hf:org/name", task)
    assert named in message


def test_hub_that_does_not_answer_is_asked_once(opened, refused, hub, monkeypatch):
    """As in a network that swallows what is sent."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("mmbench.adapters.hf.reading._PATIENCE_S", 0.2)
    asked = []

    def swallow(host, *args, **kwargs):
        asked.append(host)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "getaddrinfo", swallow)
    hub("vit")
    assert opened("hf:org/name", "image_classification").config["commit"] == COMMIT
    assert len(asked) == 1
    assert "the hub cannot be reached" in refused("hf:org/other", "image_classification")
    assert len(asked) == 2


def test_loading_is_quiet(opened, saved, capfd):
    for kind in ("vit", "llava", "vilt"):
        saved(kind)
    capfd.readouterr()
    for kind, task in (("vit", "image_classification"), ("llava", "vqa"), ("vilt", "vqa")):
        opened(kind, task)
    assert capfd.readouterr() == ("", "")
