"""`wrap`: a plain module as a model, against the module asked directly; and what is refused before a run begins."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mmbench import Sample, UsageError, evaluate, wrap
from mmbench.adapters.module import state_sha256
from mmbench.engine.open_model import labels_of
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import EvalProgress
from mmbench.engine.resolve import resolve_dataset, resolve_task
from mmbench.testing import check_model

OPTIONS = EvalOptions(limit=40, workers=0, threads=1, device="cpu", invariance=4)


class Pixels(nn.Module):
    """Logits of 8 by 8 digits."""

    def __init__(self, classes=10):
        super().__init__()
        torch.manual_seed(0)
        self.head = nn.Linear(3 * 8 * 8, classes)

    def forward(self, image):
        return self.head(image.flatten(1))


class Reads(nn.Module):
    """Logits of an image's mean colour and a text's bytes, which are averaged under the mask."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.words, self.colour = nn.Embedding(256, 13), nn.Linear(3, 13)

    def forward(self, image, text, mask):
        there = mask["text"].unsqueeze(-1)
        mean = (self.words(text) * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)
        return self.colour(image.mean(dim=(2, 3))) + mean


def as_bytes(text):
    return torch.tensor(list(text.encode()), dtype=torch.int64)


def image_of(pixels):
    return torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255


def test_a_module_of_images_needs_nothing_but_labels(tmp_path):
    module = Pixels()
    digits = [str(n) for n in range(10)]
    run = evaluate(
        wrap(module, task="image_classification", labels=digits),
        "image_classification",
        options=OPTIONS,
        output=tmp_path,
    )
    task = resolve_task("image_classification")
    card = resolve_dataset(task, None)
    samples = task.load(card, card.default_split)
    with torch.inference_mode():
        own = [digits[module(image_of(samples[n].inputs["image"].convert("RGB"))[None]).argmax()] for n in range(40)]
    right = sum(answer == samples[n].target for n, answer in enumerate(own))
    assert run.record.metrics["accuracy"].value == pytest.approx(right / 40)
    assert run.record.model.name == "Pixels"
    assert run.record.model.parameters == 3 * 64 * 10 + 10
    assert run.record.model.config["state_sha256"] == state_sha256(module)
    assert labels_of(task, card) == tuple(digits)


def test_texts_are_filled_up_and_masked():
    transforms = {"image": image_of, "text": as_bytes}
    labels = labels_of(resolve_task("vqa"), resolve_dataset(resolve_task("vqa"), None))
    model = wrap(Reads(), task="vqa", labels=labels, transforms=transforms)
    assert model.modalities == ("image", "text")
    check_model(model, "vqa", samples=6)
    batch = model.collate([Sample("a", {"text": "ab"}), Sample("b", {"text": "abcd"})])
    assert batch.inputs["text"].tolist() == [[97, 98, 0, 0], [97, 98, 99, 100]]
    assert batch.mask["text"].tolist() == [[True, True, False, False], [True] * 4]
    assert batch.mask["image"].tolist() == [False, False]


def test_texts_and_vectors_are_answers_too(tmp_path):
    class Tells(nn.Module):
        def forward(self, image):
            return ["a red square" if each.mean() > 0.5 else "a blue circle" for each in image]

    run = evaluate(wrap(Tells(), task="captioning", name="tells"), "captioning", options=OPTIONS, output=tmp_path)
    assert run.record.model.name == "tells"
    assert run.record.metrics["cider_d"].value is not None

    class Both(nn.Module):
        def encode_image(self, image):
            return image.mean(dim=(2, 3))

        def encode_text(self, text):
            return torch.stack([text.float().mean(dim=1)] * 3, dim=1)

    both = wrap(Both(), task="retrieval", transforms={"image": image_of, "text": as_bytes})
    assert both.embed(both.collate([Sample("a", {"text": "ab"})]), "text").shape == (1, 3)


def test_what_is_called_gets_masks_if_it_takes_them():
    class Mean(nn.Module):
        def encode_text(self, text, mask):
            return (text * mask["text"]).sum(dim=1, keepdim=True) / mask["text"].sum(dim=1, keepdim=True).clamp(min=1)

        def encode_image(self, image):
            return image.mean(dim=(1, 2, 3))[:, None]

    check_model(wrap(Mean(), task="retrieval", transforms={"image": image_of, "text": as_bytes}), "retrieval")

    class Writes(nn.Module):
        def forward(self, image, mask):
            raise NotImplementedError

        def generate(self, image):
            return ["a circle"] * len(image)

    check_model(wrap(Writes(), task="captioning"), "captioning")


def test_what_is_no_module_is_refused():
    with pytest.raises(UsageError, match=r"^wrap takes a torch\.nn\.Module, not a function"):
        wrap(lambda image: image, task="image_classification", labels=["a"])


def test_a_transform_that_fails_is_told(tmp_path):
    def broken(image):
        return image.nope

    model = wrap(Pixels(), task="image_classification", labels=["a"] * 10, transforms={"image": broken})
    with pytest.raises(UsageError, match=r"the first 2 samples cannot be batched: AttributeError: 'Image' object"):
        evaluate(model, "image_classification", options=OPTIONS, output=tmp_path)


def test_images_of_the_users_without_a_training_split(tmp_path):
    """Their folders are the classes; the data may be named by a text."""
    for label in ("cat", "dog"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "photos" / label / "one.png")
    module = Pixels(classes=2)
    model = wrap(module, task="image_classification", labels=["cat", "dog"])
    photos = str(tmp_path / "photos")
    run = evaluate(
        model, "image_classification", dataset="image-folder", data=photos, options=OPTIONS, output=tmp_path / "runs"
    )
    assert run.record.metrics["accuracy"].value == 0.5
    check_model(model, "image_classification", dataset="image-folder", data=photos)
    task = resolve_task("image_classification")
    assert labels_of(task, resolve_dataset(task, "image-folder", Path(photos))) == ("cat", "dog")


def test_a_run_of_other_weights_is_not_gone_on_with(tmp_path):
    """What was scored before the module learned on is not mixed with what it says after."""
    module = Pixels()
    model = wrap(module, task="image_classification", labels=[str(n) for n in range(10)])

    class Stops(EvalProgress):
        def advance(self, samples):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(model, "image_classification", options=OPTIONS, output=tmp_path, progress=Stops())
    nn.init.zeros_(module.head.weight)
    nn.init.zeros_(module.head.bias)
    run = evaluate(model, "image_classification", options=OPTIONS, output=tmp_path, resume=True)
    assert run.record.metrics["nll"].value == pytest.approx(np.log(10))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Pixels(classes=7), "Pixels gave float32 [2, 7]; expected logits [2, 10], floating for the 10 labels"),
        (nn.Flatten(), "Flatten gave float32 [2, 192]; expected logits [2, 10], floating for the 10 labels"),
        (nn.Linear(5, 10), "Linear fails on image float32 [2, 3, 8, 8]: RuntimeError: mat1 and mat2 shapes"),
        (nn.Threshold(9.0, float("nan")), "Threshold gave float32 [2, 3, 8, 8]; expected logits [2, 10]"),
    ],
)
def test_the_first_batch_is_checked(module, message, tmp_path):
    digits = [str(n) for n in range(10)]
    with pytest.raises(UsageError) as caught:
        evaluate(
            wrap(module, task="image_classification", labels=digits),
            "image_classification",
            options=OPTIONS,
            output=tmp_path,
        )
    assert str(caught.value).startswith(message)
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_wrapped():
    with pytest.raises(
        UsageError, match=r"how is text read\? Give transforms=\{'text': FUNCTION\}, which makes a tensor"
    ):
        wrap(Reads(), task="vqa", labels=["yes"])
    with pytest.raises(UsageError, match="task 'asr' has no image; it has audio"):
        wrap(Pixels(), task="asr", transforms={"image": image_of})
    with pytest.raises(UsageError, match="compares vectors: Pixels needs a method encode_image"):
        wrap(Pixels(), task="retrieval", transforms={"image": image_of})
    with pytest.raises(UsageError, match="unknown task 'vqaa'; did you mean 'vqa'"):
        wrap(Pixels(), task="vqaa")
    with pytest.raises(UsageError, match="takes neither weights nor options"):
        evaluate(
            wrap(Pixels(), task="image_classification", labels=["1"]),
            "image_classification",
            options=EvalOptions(settings=("a=b",)),
        )


def test_transforms_that_give_no_tensors(tmp_path):
    for transform, message in (
        (lambda pixels: [1.0], "the transform of image gave a list; expected a tensor"),
        (lambda pixels: torch.zeros(3, int(np.array(pixels)[4, 4, 0]) + 1), "gave tensors that cannot be stacked"),
    ):
        model = wrap(Pixels(), task="image_classification", labels=list("0123456789"), transforms={"image": transform})
        with pytest.raises(UsageError, match=message):
            evaluate(model, "image_classification", options=OPTIONS, output=tmp_path)


def test_a_hash_tells_one_state_from_another():
    module = Pixels()
    before = state_sha256(module)
    assert before == state_sha256(Pixels())
    with torch.no_grad():
        module.head.bias[3] += 1
    assert state_sha256(module) != before
