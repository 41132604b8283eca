"""Classifiers of images, and of questions about them, against transformers' own code."""

import json

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from mmbench.errors import UsageError
from mmbench.sample import Sample

from .tiny import ANSWERS

pytestmark = pytest.mark.usefixtures("no_gradients")


def named(folder, names):
    """The same model with other names of its classes."""
    path = folder / "config.json"
    config = json.loads(path.read_text()) | {"id2label": dict(enumerate(names))}
    path.write_text(json.dumps(config | {"label2id": {name: number for number, name in enumerate(names)}}))
    return folder


def test_logits_of_images_are_those_of_transformers(opened, saved, seen, images):
    model = opened("vit", "image_classification").model
    logits = model.classify(model.collate(seen))
    reference = transformers.AutoModelForImageClassification.from_pretrained(saved("vit"))
    processor = transformers.AutoImageProcessor.from_pretrained(saved("vit"))
    torch.testing.assert_close(logits, reference(**processor(images, return_tensors="pt")).logits, rtol=0, atol=1e-5)
    assert logits.std(dim=0).min() > 1e-3  # images tell


def test_logits_of_questions_are_those_of_transformers(opened, saved, asked):
    model = opened("vilt", "vqa").model
    logits = model.classify(model.collate(asked))
    reference = transformers.AutoModelForVisualQuestionAnswering.from_pretrained(saved("vilt"))
    processor = transformers.ViltProcessor(
        transformers.AutoImageProcessor.from_pretrained(saved("vilt")),
        transformers.AutoTokenizer.from_pretrained(saved("vilt")),
    )
    for row, sample in enumerate(asked):
        inputs = processor(sample.inputs["image"], sample.inputs["text"], return_tensors="pt")
        torch.testing.assert_close(logits[row : row + 1], reference(**inputs).logits, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kind", "task"), [("vit", "image_classification"), ("vilt", "vqa")])
def test_neighbours_and_padding_change_nothing(opened, asked, kind, task):
    model = opened(kind, task).model
    together = model.classify(model.collate(asked))
    for row, sample in enumerate(asked):
        alone = model.classify(model.collate([sample]))
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=1e-5)
    parts = [model.collate(asked).part(start, start + 2) for start in (0, 2)]
    torch.testing.assert_close(torch.cat([model.classify(part) for part in parts]), together, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("kind", "task"), [("vit", "image_classification"), ("vilt", "vqa")])
def test_missing_inputs_have_an_answer_and_a_false_mask(opened, asked, kind, task):
    model = opened(kind, task).model
    samples = [Sample("nothing", {}), *asked]
    batch = model.collate(samples)
    assert all(batch.mask[m].tolist() == [False, True, True, True, True] for m in model.modalities)
    logits = model.classify(batch)
    assert logits.isfinite().all()
    torch.testing.assert_close(logits[1:], model.classify(model.collate(asked)), rtol=0, atol=1e-5)
    assert model.classify(model.collate(samples[:1])).isfinite().all()


def test_missing_image_is_of_the_mean_colour(opened, seen):
    batch = opened("vit", "image_classification").model.collate([Sample("nothing", {}), *seen])
    assert batch.inputs["pixel_values"][0].abs().max() < 0.01


def test_classes_have_the_names_of_the_model(opened, copied):
    names = [f"digit {number}" for number in range(10)]
    loaded = opened(named(copied("vit"), names), "image_classification")
    assert loaded.model.labels == tuple(names)
    assert loaded.config["labels"] == "model"
    assert opened("vilt", "vqa").model.labels == ANSWERS


def test_classes_without_names_are_those_of_the_data_set(opened):
    loaded = opened("vit", "image_classification", "digits")
    assert loaded.model.labels == tuple("0123456789")
    assert loaded.config["labels"] == "data set"


def test_classes_without_names_that_are_not_as_many_are_refused(opened, copied):
    folder = copied("vit")
    config = transformers.ViTConfig.from_pretrained(folder, num_labels=7)
    transformers.ViTForImageClassification(config).save_pretrained(folder)
    with pytest.raises(UsageError, match=r"^hf:vit has 7 classes without names; data set 'digits' has 10"):
        opened(folder, "image_classification", "digits")


def test_images_that_the_processor_leaves_unequal_are_refused(opened, copied, seen):
    folder = copied("vit")
    path = folder / "preprocessor_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"do_resize": False}))
    model = opened(folder, "image_classification").model
    with pytest.raises(UsageError, match="if they have unequal sizes, give --batch-size 1"):
        model.collate(seen)
    assert model.classify(model.collate(seen[:1])).shape == (1, 10)


def test_numbers_are_cast_to_the_models_dtype(opened, seen):
    model = opened("vit", "image_classification", dtype="bfloat16").model
    batch = model.collate(seen)
    assert batch.inputs["pixel_values"].dtype == torch.float32
    assert model.classify(batch).dtype == torch.bfloat16


def test_transparent_and_grey_images_are_read_as_rgb(opened):
    model = opened("vit", "image_classification").model
    pixels = np.full((32, 32), 90, dtype=np.uint8)
    forms = [Image.fromarray(pixels), Image.fromarray(np.stack([pixels] * 3 + [pixels], axis=-1))]
    logits = model.classify(model.collate([Sample(str(n), {"image": image}) for n, image in enumerate(forms)]))
    torch.testing.assert_close(logits[0], logits[1])
