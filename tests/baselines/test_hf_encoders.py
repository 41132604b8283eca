"""Backbones of the transformers library by name: tiny random models, saved to a folder and read like any other."""

import json
import logging
import shutil

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from mmbench.encoder import EncoderConfig
from mmbench.errors import UsageError
from mmbench.fusion_factory import FusionFactory
from mmbench.model import BuildOptions
from mmbench.registry import registry
from mmbench.sample import Audio, Sample

WIDTH = 6
RNG = np.random.default_rng(0)
TEXTS = ["is there a red circle?", "squares", None, "", "zebra?"]
IMAGES = [Image.fromarray(RNG.integers(0, 256, (*size, 3), dtype=np.uint8)) for size in ((32, 32), (50, 40))] + [None]
SOUNDS = [
    None if n is None else Audio((0.1 * RNG.standard_normal(n)).astype(np.float32), 16_000)
    for n in (100, 2_240, None, 9_000, 7_777)
]
VALUES = {"text": TEXTS, "image": IMAGES, "audio": SOUNDS}

text_models = ["bert", "t5", "gpt2", "clip-text"]
image_models = ["vit", "resnet", "clip-image"]
audio_models = ["wav2vec2-group", "wav2vec2-layer", "whisper", "ast"]
MODALITY = (
    dict.fromkeys(text_models, "text") | dict.fromkeys(image_models, "image") | dict.fromkeys(audio_models, "audio")
)

pytestmark = pytest.mark.usefixtures("one_thread")
every_model = pytest.mark.parametrize("kind", MODALITY)


def encode(encoder, values):
    with torch.no_grad():
        return encoder(*encoder.prepare(values))


def reference(kind, folder, value):
    """Last hidden states [T, H] of one value, by transformers alone."""
    model = transformers.AutoModel.from_pretrained(folder).eval()
    if kind in text_models:
        inputs = dict(transformers.AutoTokenizer.from_pretrained(folder)(value, return_tensors="pt"))
        inputs.pop("token_type_ids", None)
        part = {"t5": "encoder", "clip-text": "text_model"}.get(kind)
    elif kind in image_models:
        inputs = transformers.AutoImageProcessor.from_pretrained(folder)(value, return_tensors="pt")
        part = {"clip-image": "vision_model"}.get(kind)
    else:
        extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
        inputs = dict(extractor(value.samples, sampling_rate=16_000, return_tensors="pt"))
        inputs.pop("attention_mask", None)
        part = {"whisper": "encoder"}.get(kind)
    with torch.no_grad():
        hidden = (getattr(model, part) if part else model)(**inputs).last_hidden_state[0]
    return hidden.flatten(1).T if hidden.dim() == 3 else hidden


@every_model
def test_tokens_are_those_of_transformers(hf_encoder, saved, kind):
    encoder = hf_encoder(kind)
    values = VALUES[MODALITY[kind]]
    tokens, there = encode(encoder, values)
    assert tokens.shape == (*there.shape, WIDTH)
    assert (tokens.dtype, there.dtype) == (torch.float32, torch.bool)
    assert there.any(dim=1).tolist() == [value is not None for value in values]
    for row in (1, 3) if kind in audio_models else (0, 1):  # the first sound is too short for transformers alone
        hidden = reference(kind, saved(kind), values[row])
        count = int(there[row].sum())
        assert count == len(hidden) or kind == "whisper"
        with torch.no_grad():
            expected = encoder.project(hidden)[:count]
        torch.testing.assert_close(tokens[row, :count], expected, rtol=1e-4, atol=1e-5)


@every_model
def test_tokens_depend_neither_on_padding_nor_on_neighbours(hf_encoder, kind):
    encoder = hf_encoder(kind)
    values = VALUES[MODALITY[kind]]
    together, there = encode(encoder, values)
    assert together.isfinite().all()
    for row, value in enumerate(values):
        alone, own = encode(encoder, [value])
        count = int(own.sum())
        assert there[row].tolist() == [True] * count + [False] * (there.shape[1] - count)
        torch.testing.assert_close(together[row, :count], alone[0, :count], rtol=1e-4, atol=1e-5)


@every_model
def test_nothing_but_missing_values(hf_encoder, kind):
    tokens, there = encode(hf_encoder(kind), [None, None])
    assert tokens.shape == (2, there.shape[1], WIDTH)
    assert there.shape[1] >= 1
    assert not there.any()
    assert tokens.isfinite().all()


@every_model
def test_restores_without_its_source(hf_encoder, copied, kind):
    folder = copied(kind)
    encoder = hf_encoder(kind, folder)
    encoder_class = registry.load("encoder", f"hf-{MODALITY[kind]}")
    options = encoder_class.stored_options(encoder_class.argument_options(str(folder)))
    assert (options["source"], options["revision"]) == (kind, None)
    assert str(folder.parent) not in json.dumps(options)
    values = VALUES[MODALITY[kind]]
    expected = encode(encoder, values)[0]
    shutil.rmtree(folder)
    fresh = EncoderConfig(f"hf-{MODALITY[kind]}", json.loads(json.dumps(options))).build(WIDTH).eval()
    fresh.load_state_dict(encoder.state_dict())
    assert torch.equal(encode(fresh, values)[0], expected)
    assert [fresh.length(v) for v in values if v is not None] == [encoder.length(v) for v in values if v is not None]


def test_places_that_a_tokenizer_was_saved_with_are_left_out(copied):
    folder = copied("bert")
    path = folder / "tokenizer_config.json"
    places = {"name_or_path": "/home/someone/bert", "special_tokens_map_file": "/home/someone/map.json"}
    path.write_text(json.dumps(json.loads(path.read_text()) | places))
    options = registry.load("encoder", "hf-text").argument_options(str(folder))
    assert "someone" not in json.dumps(options)


def test_revision_of_a_name_is_that_of_configuration_weights_and_tokenizer(saved, tmp_path, monkeypatch):
    """A hub's cache of two commits: `main` is no language model, `words` is."""
    model = tmp_path / "models--org--name"
    commits = {"main": ("0" * 40, "vit"), "words": ("1" * 40, "bert")}
    for branch, (commit, kind) in commits.items():
        shutil.copytree(saved(kind), model / "snapshots" / commit)
        (model / "refs").mkdir(exist_ok=True)
        (model / "refs" / branch).write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    encoder_class = registry.load("encoder", "hf-text")
    with pytest.raises(UsageError, match="a vit model reads pixel_values"):
        encoder_class.argument_options("org/name")
    options = encoder_class.stored_options(encoder_class.argument_options("org/name@words"))
    assert (options["source"], options["revision"]) == ("org/name", "1" * 40)
    encoder = EncoderConfig("hf-text", options).build(WIDTH)
    encoder.load_pretrained("org/name@words")
    expected = transformers.AutoModel.from_pretrained(saved("bert")).embeddings.word_embeddings.weight
    assert torch.equal(encoder.pretrained.embeddings.word_embeddings.weight, expected)
    assert encoder.length("is there a red circle?") == 8


@every_model
def test_frozen_backbone_stays_as_it_is(hf_encoder, kind):
    encoder = hf_encoder(kind)
    before = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
    values = VALUES[MODALITY[kind]]
    evaluated, there = encode(encoder, values)
    encoder.freeze()
    encoder.train()
    assert encoder.project.training
    assert not any(module.training for module in encoder.pretrained.modules())
    assert not any(parameter.requires_grad for parameter in encoder.pretrained.parameters())
    # Nothing is dropped and no batch statistics are taken, although the encoder trains.
    torch.testing.assert_close(encode(encoder, values)[0][there], evaluated[there])
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.1)
    encoder(*encoder.prepare(values))[0][there].square().sum().backward()
    optimizer.step()
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(tensor, before[name]) == name.startswith("pretrained."), name


@every_model
def test_backbone_learns_where_it_is_not_frozen(hf_encoder, kind):
    encoder = hf_encoder(kind).train()
    assert encoder.pretrained.training
    torch.manual_seed(0)
    tokens, there = encoder(*encoder.prepare(VALUES[MODALITY[kind]]))
    torch.autograd.backward(tokens, torch.randn_like(tokens) * there.unsqueeze(-1))
    unread = ("masked_spec_embed",) if "wav2vec2" in kind else ("post_layernorm.weight", "post_layernorm.bias")
    for name, parameter in encoder.named_parameters():
        if parameter.requires_grad and not name.endswith(unread):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name


@every_model
@pytest.mark.parametrize("width", [1, 7])
def test_any_width(hf_encoder, kind, width):
    assert encode(hf_encoder(kind, width=width), VALUES[MODALITY[kind]])[0].shape[2] == width


def test_poolers_are_left_out(hf_encoder):
    for kind in ("bert", "vit"):
        assert not [name for name, _ in hf_encoder(kind).named_parameters() if "pooler" in name]


def test_weights_of_a_model_with_a_head(hf_encoder, copied):
    """As most are published: the backbone under a prefix, a head beside it, no pooler."""
    folder = copied("bert")
    torch.manual_seed(3)
    whole = transformers.BertForMaskedLM(transformers.AutoConfig.from_pretrained(folder))
    whole.save_pretrained(folder)
    found = hf_encoder("bert", folder).pretrained.embeddings.word_embeddings.weight
    assert torch.equal(found, whole.bert.embeddings.word_embeddings.weight)


def test_loading_is_quiet(hf_encoder, copied, capfd):
    folder = copied("bert")
    levels = [logging.getLogger(name).level for name in ("transformers", "huggingface_hub")]
    capfd.readouterr()
    hf_encoder("bert", folder)
    assert capfd.readouterr() == ("", "")
    assert levels == [logging.getLogger(name).level for name in ("transformers", "huggingface_hub")]


def test_text_is_cut_at_what_the_model_reads(hf_encoder):
    text = "red circle " * 40
    encoder = hf_encoder("bert")
    assert encoder.length(text) == encode(encoder, [text])[1].sum() == 24  # its positions
    short = hf_encoder("bert", longest=5)
    assert short.length(text) == 5
    indices, _ = short.prepare([text])
    assert indices.tolist() == [[2, 7, 9, 7, 3]]  # [CLS] red circle red [SEP]


def test_text_lengths_count_the_special_tokens(hf_encoder):
    encoder = hf_encoder("bert")
    lengths = [encoder.length(text) for text in TEXTS if text is not None]
    assert lengths == [8, 4, 2, 4]
    assert encoder.prepare(TEXTS)[1].sum(dim=1).tolist() == [8, 4, 0, 2, 4]


def test_image_processor_is_the_models_own(hf_encoder):
    inputs, mask = hf_encoder("vit").prepare(IMAGES)
    expected = (np.asarray(IMAGES[0]) / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    np.testing.assert_allclose(inputs[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)
    assert mask.tolist() == [True, True, False]


def test_images_of_unequal_sizes_are_refused(hf_encoder, copied):
    folder = copied("resnet")
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(settings | {"do_resize": False}))
    with pytest.raises(UsageError, match="its image processor makes images of unequal sizes"):
        hf_encoder("resnet", folder).prepare(IMAGES)


def test_sound_is_resampled_to_the_models_rate(hf_encoder):
    encoder = hf_encoder("wav2vec2-layer")
    slow = Audio(SOUNDS[3].samples[::2].copy(), 8_000)
    assert encoder.prepare([slow])[0].shape == encoder.prepare([SOUNDS[3]])[0].shape == (1, 9_000)


def test_sound_lengths_tell_which_is_longer(hf_encoder, tmp_path):
    encoder = hf_encoder("wav2vec2-layer")
    lengths = [encoder.length(SOUNDS[row]) for row in (0, 1, 4, 3)]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]
    assert encoder.length(tmp_path / "missing.wav") == 0
    for kind in ("whisper", "ast"):
        assert hf_encoder(kind).length(SOUNDS[3]) == 0


def test_whisper_masks_what_comes_after_the_sound_and_reads_no_more_than_its_window(hf_encoder):
    encoder = hf_encoder("whisper")
    long = Audio(np.tile(SOUNDS[3].samples, 4), 16_000)
    _, there = encode(encoder, [SOUNDS[3], long])
    assert there.sum(dim=1).tolist() == [29, 50]  # 9,000 samples are 57 frames of 10 ms, two to a token


def test_spec_augment_and_layer_drop_are_off(hf_encoder, saved):
    folder = saved("wav2vec2-group")
    config = registry.load("encoder", "hf-audio").argument_options(str(folder))["config"]
    dropouts = {name: 0.0 for name in config if "dropout" in name}
    encoder = hf_encoder("wav2vec2-group", folder, config=config | dropouts)
    assert (config["apply_spec_augment"], config["layerdrop"]) == (False, 0.0)
    evaluated, there = encode(encoder, SOUNDS)
    torch.testing.assert_close(encode(encoder.train(), SOUNDS)[0][there], evaluated[there])


def test_in_a_fusion_model(copied):
    vit, bert = copied("vit"), copied("bert")
    encoders = {"image": f"hf:{vit}", "text": f"hf:{bert},longest=6"}
    chosen = BuildOptions(encoders, freeze=("image",), width=WIDTH)
    samples = [Sample(str(i), {"image": IMAGES[i], "text": TEXTS[i]}, label) for i, label in enumerate(["yes", "no"])]
    model = FusionFactory("concat", build=chosen).create("mine", ("image", "text"), samples)
    original = transformers.AutoModel.from_pretrained(vit)
    assert torch.equal(model.encoders["image"].pretrained.layernorm.weight, original.layernorm.weight)
    batch = model.collate(samples)
    assert batch.inputs["text"].shape[1] == 6
    model.train()
    model.loss(batch).backward()
    image, text = model.encoders["image"], model.encoders["text"]
    assert all(parameter.grad is None for parameter in image.pretrained.parameters())
    assert all(parameter.grad is not None for parameter in [*image.project.parameters(), *text.parameters()])
    stored = json.dumps(model.stored_config())
    assert str(vit.parent) not in stored
    shutil.rmtree(vit)
    shutil.rmtree(bert)
    fresh = FusionFactory("concat").restore("mine", json.loads(stored))
    fresh.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert torch.equal(fresh.eval().classify(fresh.collate(samples)), model.eval().classify(batch))
