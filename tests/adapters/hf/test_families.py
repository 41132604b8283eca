"""Which way a model is asked: by its configuration, the checkpoint's head and the task."""

import json

import pytest
import transformers

from mmbench.adapters.hf.families import FAMILIES
from mmbench.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "task", "family"),
    [
        ("vit", "image_classification", "ImageClassifier"),
        ("vilt", "vqa", "VQAClassifier"),
        ("clip", "retrieval", "DualEncoder"),
        ("clip", "image_classification", "ZeroShotClassifier"),
        ("siglip", "retrieval", "DualEncoder"),
        ("blip", "captioning", "Captioner"),
        ("blip-vqa", "vqa", "QuestionAnswerer"),
        ("git", "captioning", "Captioner"),
        ("encoder-decoder", "captioning", "Captioner"),
        ("llava", "vqa", "Chat"),
        ("llava", "captioning", "Chat"),
        ("llava", "image_classification", "Chat"),
    ],
)
def test_family_follows_from_model_and_task(opened, kind, task, family):
    loaded = opened(kind, task)
    assert type(loaded.model).__name__ == loaded.config["family"] == family


@pytest.mark.parametrize(
    ("kind", "task", "message"),
    [
        (
            "vit",
            "captioning",
            r"is a vit model \(ViTForImageClassification\), which classifies images; task 'captioning' asks for one "
            r"that can generate, from image; it fits image_classification, multimodal_classification and vqa$",
        ),
        (
            "clip",
            "captioning",
            r"is a clip model \(CLIPModel\), which embeds images and texts and classifies images by the names of the "
            r"classes; task 'captioning' asks for one that can generate, from image; it fits .* retrieval .*",
        ),
        ("blip", "retrieval", r"\(BlipForConditionalGeneration\), which writes about images; .* it fits captioning"),
        ("blip", "image_classification", r"which writes about images; task 'image_classification' asks for"),
        ("vilt", "image_classification", r"about an image; .* it fits multimodal_.* and vqa$"),
        ("backbone", "image_classification", r"is a vit model \(ViTModel\), which nothing here can ask; task"),
        ("llava", "asr", r"is told in words what to do with an image; task 'asr' asks for one that can generate, from"),
    ],
)
def test_tasks_that_cannot_ask_a_model_say_which_can(opened, kind, task, message):
    with pytest.raises(UsageError, match=message) as caught:
        opened(kind, task)
    assert "\n" not in str(caught.value)


def test_checkpoint_without_architectures_is_taken_for_what_it_can_be(opened, copied):
    folder = copied("vit")
    path = folder / "config.json"
    config = json.loads(path.read_text())
    del config["architectures"]
    path.write_text(json.dumps(config))
    assert opened(folder, "image_classification").config["family"] == "ImageClassifier"


def test_table_names_classes_of_the_library_and_families_that_are_there():
    for family in FAMILIES:
        assert hasattr(transformers, family.auto)
        assert all(hasattr(transformers, name) for name in family.processors)
        loaded = family.load()
        assert callable(getattr(loaded, family.ability))


def test_one_family_a_model_and_ability():
    """No model of the library is asked in two ways with the same ability and the same needs."""
    for one in FAMILIES:
        for other in FAMILIES:
            if one is not other and (one.auto, one.ability) == (other.auto, other.ability):
                apart = {*one.kinds} and ({*one.kinds} <= {*other.without} or not {*one.kinds} & {*other.kinds})
                apart = apart or ({*other.kinds} and {*other.kinds} <= {*one.without})
                assert apart, (one.does, other.does)
