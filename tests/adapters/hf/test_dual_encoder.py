"""CLIP- and SigLIP-like models, for retrieval and zero-shot classification, against transformers' own code."""

import pytest
import torch
import transformers

from mmbench.engine.open_model import open_model
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.errors import UsageError
from mmbench.sample import Sample

pytestmark = pytest.mark.usefixtures("no_gradients")
both = pytest.mark.parametrize("kind", ["clip", "siglip"])
TEXTS = ["a red circle", "is there a small blue square in the image ?", "two", ""]


def reference(folder, images, texts):
    """Logits [images, texts], vectors of images and vectors of texts."""
    model = transformers.AutoModelForZeroShotImageClassification.from_pretrained(folder)
    pixels = transformers.AutoImageProcessor.from_pretrained(folder)(images, return_tensors="pt")
    padding = "max_length" if model.config.model_type == "siglip" else True
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        texts, padding=padding, max_length=12, truncation=True, return_tensors="pt"
    )
    found = model(**pixels, **tokens)
    return found.logits_per_image, found.image_embeds, found.text_embeds


@both
def test_vectors_are_those_of_transformers(opened, saved, images, seen, kind):
    model = opened(kind, "retrieval").model
    assert model.modalities == ("image", "text")
    items = [*seen, *(Sample(f"t{number}", {"text": text}) for number, text in enumerate(TEXTS))]
    batch = model.collate(items)
    _, pictures, sentences = reference(saved(kind), images, TEXTS)
    torch.testing.assert_close(model.embed(batch, "image")[:4], pictures, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.embed(batch, "text")[4:], sentences, rtol=0, atol=1e-5)
    assert [batch.mask[m].tolist() for m in model.modalities] == [[True] * 4 + [False] * 4, [False] * 4 + [True] * 4]


@both
def test_vectors_depend_neither_on_padding_nor_on_neighbours(opened, asked, kind):
    model = opened(kind, "retrieval").model
    batch = model.collate(asked)
    for modality in model.modalities:
        together = model.embed(batch, modality)
        torch.testing.assert_close(together.norm(dim=1), torch.ones(4))
        for row, sample in enumerate(asked):
            alone = model.embed(model.collate([sample]), modality)
            torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)


@both
def test_items_of_one_modality_have_no_vector_of_the_other(opened, seen, kind):
    model = opened(kind, "retrieval").model
    vectors = model.embed(model.collate(seen), "text")
    assert vectors.shape == model.embed(model.collate(seen), "image").shape
    assert not vectors.any()


@both
def test_classification_without_training_is_that_of_transformers(opened, saved, images, seen, kind):
    """By the sentence of the data set's card."""
    loaded = opened(kind, "image_classification", "digits")
    assert loaded.model.labels == tuple("0123456789")
    assert loaded.model.modalities == ("image",)
    assert loaded.config["templates"] == ['a photo of the number: "{label}".']
    logits, _, _ = reference(saved(kind), images, [f'a photo of the number: "{label}".' for label in "0123456789"])
    found = loaded.model.classify(loaded.model.collate(seen))
    torch.testing.assert_close(found, logits, rtol=0, atol=1e-4)  # of numbers about ten


@both
def test_templates_of_the_data_set_are_averaged(saved, images, seen, kind):
    """Radford et al. 2021, section 3.1.4, as in the notebook of their repository: mean of unit vectors, made unit."""
    task = resolve_task("image_classification")
    templates = ("a {label} in the image", "a small {label}")
    card = resolve_dataset(task, "digits").model_copy(update={"templates": templates, "labels": ("circle", "square")})
    model = open_model(f"hf:{saved(kind)}", task, card).model
    _, pictures, first = reference(saved(kind), images, ["a circle in the image", "a square in the image"])
    _, _, second = reference(saved(kind), images, ["a small circle", "a small square"])
    classes = torch.nn.functional.normalize((first + second) / 2, dim=1)
    expected = pictures @ classes.T * model.pretrained.logit_scale.exp() + getattr(model.pretrained, "logit_bias", 0.0)
    torch.testing.assert_close(model.classify(model.collate(seen)), expected, rtol=0, atol=1e-4)


def test_users_template_wins(opened):
    model = opened("clip", "image_classification", "digits", "template=the {label} of two").model
    assert model.templates == ("the {label} of two",)
    plain = resolve_dataset(resolve_task("image_classification"), "fashion-mnist")
    assert plain.templates == ()  # of which the usual sentence is used
    with pytest.raises(UsageError, match=r"^a template needs \{label\}, where the class stands; 'the circle' has none"):
        opened("clip", "image_classification", "digits", "template=the circle")


def test_stages_are_marked(opened, asked):
    from mmbench.profile.stage import observed
    from mmbench.profile.stage_times import StageTimes

    model = opened("clip", "retrieval").model
    times = StageTimes()
    with observed(times):
        model.embed(model.collate(asked), "text")
        model.embed(model.collate(asked), "image")
    assert [name for name in times.seconds if name.startswith("encode")] == ["encode.text", "encode.image"]
