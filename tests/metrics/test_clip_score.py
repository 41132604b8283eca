"""Reference: the paper's formula on vectors that the parts of the CLIP model give when called one by one."""

from hashlib import sha256

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import BertConfig, CLIPConfig, CLIPModel, CLIPTokenizer

from mmbench.data.decode import DecodeError
from mmbench.errors import UsageError
from mmbench.metrics.clip_score import CLIPScore
from mmbench.metrics.metric import as_columns, score_all
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample

SIDE = 32


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    """A tiny CLIP model with random weights that reads letters, saved as transformers saves models."""
    folder = tmp_path_factory.mktemp("clip")
    letters = "abcdefghijklmnopqrstuvwxyz"
    ends = ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: i for i, token in enumerate([*letters, *(f"{letter}</w>" for letter in letters), *ends])}
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    special = {"bos_token_id": 52, "eos_token_id": 53, "pad_token_id": 53}
    torch.manual_seed(0)
    config = CLIPConfig(
        text_config={**small, **special, "vocab_size": len(vocabulary), "max_position_embeddings": 24},
        vision_config={**small, "image_size": SIDE, "patch_size": 8},
        projection_dim=8,
    )
    CLIPModel(config).save_pretrained(folder)
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    preprocessor = '{"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 32}, "crop_size": 32}'
    (folder / "preprocessor_config.json").write_text(preprocessor)
    return folder


@pytest.fixture(scope="module")
def metric(clip):
    return CLIPScore(clip=str(clip))


def picture(seed):
    pixels = np.random.default_rng(seed).integers(256, size=(SIDE, SIDE, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def row(metric, text, image):
    return metric.row(Prediction(text), Sample("s", {"image": image}, ["whatever people said"]))


def cosine(clip, text, image):
    """The paper's cosine: CLIP's own preprocessing and its two encoders, one by one."""
    model = CLIPModel.from_pretrained(clip)
    pixels = torch.tensor(np.asarray(image), dtype=torch.float32).permute(2, 0, 1) / 255
    mean, std = torch.tensor([[0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]])[
        :, :, None, None
    ]
    tokens = CLIPTokenizer.from_pretrained(clip)("A photo depicts " + text, return_tensors="pt").input_ids
    with torch.inference_mode():
        seen = model.visual_projection(model.vision_model(((pixels - mean) / std)[None]).pooler_output)[0]
        said = model.text_projection(model.text_model(tokens).pooler_output)[0]
    return float(torch.nn.functional.cosine_similarity(seen, said, dim=0))


def test_formula(clip, metric):
    pairs = [(text, picture(seed)) for seed, text in enumerate(["a dog", "cats", "", "red"])]
    cosines = [cosine(clip, text, image) for text, image in pairs]
    rows = [row(metric, text, image) for text, image in pairs]
    assert [found for (found,) in rows] == pytest.approx(cosines, abs=1e-5)
    assert min(cosines) < -0.05
    assert score_all(metric, rows) == pytest.approx(np.mean([2.5 * max(found, 0) for found in cosines]), abs=1e-5)


def test_weight_and_floor(metric):
    assert metric.statistics({"cosine": [0.3, -0.2]}).tolist() == [[pytest.approx(0.75), 1], [0, 1]]
    assert np.isnan(metric.aggregate(as_columns(metric, [])))


def test_images_may_be_files_and_of_any_mode(metric, tmp_path):
    image = picture(0)
    image.save(tmp_path / "image.png")
    assert row(metric, "dog", tmp_path / "image.png") == row(metric, "dog", image)
    cell = {"bytes": (tmp_path / "image.png").read_bytes(), "path": None}  # as the hub has it
    assert row(metric, "dog", cell) == row(metric, "dog", image)
    image.convert("L").save(tmp_path / "grey.png")
    assert row(metric, "dog", tmp_path / "grey.png") == row(metric, "dog", image.convert("L"))


def test_long_captions_are_cut(metric):
    assert row(metric, "dog " * 50, picture(0)) == row(metric, "dog " * 60, picture(0))


def test_a_sample_without_its_image_fails(metric, tmp_path):
    with pytest.raises(ValueError, match="the sample has no image"):
        metric.row(Prediction("dog"), Sample("s", {}, ["dog"]))
    with pytest.raises(DecodeError, match=f"^{tmp_path.name}/missing.png: no such file$"):
        row(metric, "dog", tmp_path / "missing.png")


def test_settings_say_what_scored(metric, clip):
    """Of a folder the last two parts of its path, and what `sha256sum` says of its weights."""
    found = metric.settings()
    assert found == {
        "clip": f"{clip.parent.name}/{clip.name}",
        "clip_revision": sha256((clip / "model.safetensors").read_bytes()).hexdigest(),
        "weight": 2.5,
        "prompt": "A photo depicts ",
    }
    assert str(clip.parent) not in str(found)


def test_model_that_cannot_be_used(clip, tmp_path):
    with pytest.raises(UsageError, match=r"clip_score needs a CLIP model of transformers: --protocol clip=NAME_OR_FOL"):
        CLIPScore()
    with pytest.raises(UsageError, match=r"clip=\S+: not a CLIP model of transformers"):
        CLIPScore(clip=str(tmp_path))
    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="expected a CLIP model, found one of kind 'bert'"):
        CLIPScore(clip=str(tmp_path))
    (tmp_path / "config.json").write_bytes((clip / "config.json").read_bytes())
    with pytest.raises(UsageError, match=r"not a CLIP model of transformers: .*model\.safetensors"):
        CLIPScore(clip=str(tmp_path))


def test_reads_inputs():
    assert CLIPScore.reads_inputs


def test_is_registered():
    assert registry.load("metric", "clip_score") is CLIPScore
