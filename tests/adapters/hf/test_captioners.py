"""Models that write about an image without being told what to do, against transformers' own code."""

import pytest
import torch
import transformers

from mmbench.errors import UsageError
from mmbench.sample import Sample

pytestmark = pytest.mark.usefixtures("no_gradients")
captioners = pytest.mark.parametrize("kind", ["blip", "git", "encoder-decoder"])
BRIEF = "max_new_tokens=8"
CLASS = {
    "blip": transformers.BlipForConditionalGeneration,
    "blip-vqa": transformers.BlipForQuestionAnswering,
    "git": transformers.GitForCausalLM,
    "encoder-decoder": transformers.VisionEncoderDecoderModel,
}


class Reference:
    """One image after the other, as the library's documentation does it."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.model = CLASS[kind].from_pretrained(folder)
        self.images = transformers.AutoImageProcessor.from_pretrained(folder)
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)

    def __call__(self, image, text=None, **how):
        inputs = {"pixel_values": self.images(image, return_tensors="pt")["pixel_values"]}
        skipped = 0
        if text is not None:
            numbers = self.tokenizer(text, add_special_tokens=self.kind != "git", return_tensors="pt")["input_ids"]
            if self.kind == "git":
                numbers = torch.cat([torch.tensor([[self.tokenizer.cls_token_id]]), numbers], dim=1)
            inputs |= {"input_ids": numbers, "attention_mask": torch.ones_like(numbers)}
            skipped = {"git": numbers.shape[1], "blip": numbers.shape[1] - 1}.get(self.kind, 0)
        written = self.model.generate(**inputs, do_sample=False, max_new_tokens=8, **how)
        return self.tokenizer.decode(written[0, skipped:], skip_special_tokens=True).strip()


@captioners
def test_captions_are_those_of_transformers(opened, saved, seen, images, kind):
    model = opened(kind, "captioning", "scenes", BRIEF).model
    assert model.modalities == ("image",)
    reference = Reference(kind, saved(kind))
    found = model.generate(model.collate(seen))
    assert found == [reference(image) for image in images]
    assert len(set(found)) > 1
    assert all(found)


@captioners
def test_beams_are_those_of_transformers(opened, saved, seen, images, kind):
    model = opened(kind, "captioning", "scenes", BRIEF, "num_beams=3").model
    reference = Reference(kind, saved(kind))
    assert model.generate(model.collate(seen)) == [reference(image, num_beams=3) for image in images]


@pytest.mark.parametrize("kind", ["blip", "git"])
def test_caption_goes_on_from_the_users_prompt(opened, saved, seen, images, kind):
    loaded = opened(kind, "captioning", "scenes", BRIEF, "prompt=a photo of a")
    assert loaded.config["prompt"] == "a photo of a"
    reference = Reference(kind, saved(kind))
    found = loaded.model.generate(loaded.model.collate(seen))
    assert found == [reference(image, "a photo of a") for image in images]
    assert not any(text.startswith("a photo of a") for text in found)


@pytest.mark.parametrize("kind", ["blip", "git", "blip-vqa"])
def test_questions_are_answered_as_by_transformers_one_by_one(opened, saved, asked, kind):
    """In one batch of unequal questions, where the library's own BLIP would read padding as a part of the question."""
    loaded = opened(kind, "vqa", None, BRIEF)
    assert loaded.model.modalities == ("image", "text")
    assert loaded.config["prompt"] == "{text}"
    reference = Reference(kind, saved(kind))
    found = loaded.model.generate(loaded.model.collate(asked))
    assert found == [reference(sample.inputs["image"], sample.inputs["text"]) for sample in asked]
    assert len(set(found)) > 1


def test_encoder_decoder_begins_with_the_users_prompt(opened, saved, asked):
    with pytest.raises(UsageError, match=r"^hf:encoder-decoder would answer without the text of a sample; give --opt"):
        opened("encoder-decoder", "vqa")
    model = opened("encoder-decoder", "vqa", None, BRIEF, "prompt=USER {text} ASSISTANT").model
    reference = transformers.VisionEncoderDecoderModel.from_pretrained(saved("encoder-decoder"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(saved("encoder-decoder"))
    processor = transformers.AutoImageProcessor.from_pretrained(saved("encoder-decoder"))
    found = model.generate(model.collate(asked))
    for sample, text in zip(asked, found, strict=True):
        prompt = f"USER {sample.inputs['text']} ASSISTANT"
        numbers = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
        pixels = processor(sample.inputs["image"], return_tensors="pt")["pixel_values"]
        written = reference.generate(pixel_values=pixels, decoder_input_ids=numbers, max_new_tokens=8)
        assert text == tokenizer.decode(written[0, 1 + numbers.shape[1] :], skip_special_tokens=True).strip()


@pytest.mark.parametrize(("kind", "task"), [("blip", "captioning"), ("git", "vqa"), ("blip-vqa", "vqa")])
def test_batches_parts_and_gaps(opened, asked, kind, task):
    model = opened(kind, task, None, BRIEF).model
    batch = model.collate(asked)
    before = {name: each.clone() for name, each in batch.inputs.items()}
    together = model.generate(batch)
    assert all(torch.equal(each, before[name]) for name, each in batch.inputs.items())
    assert [model.generate(model.collate([sample]))[0] for sample in asked] == together
    assert model.generate(batch.part(1, 3)) == together[1:3]
    with_gap = model.collate([Sample("nothing", {}), *asked])
    assert with_gap.mask["image"].tolist() == [False, True, True, True, True]
    assert model.generate(with_gap)[1:] == together


def test_settings_of_generation_are_recorded(opened):
    generation = opened("encoder-decoder", "captioning").config["generation"]
    told = {"do_sample": False, "num_beams": 1, "max_new_tokens": 8, "decoder_start_token_id": 2}
    assert told.items() <= generation.items()
    chosen = opened("blip", "captioning", "scenes", "num_beams=4", "max_new_tokens=30").config["generation"]
    assert {"do_sample": False, "num_beams": 4, "max_new_tokens": 30}.items() <= chosen.items()
    assert opened("git", "captioning").config["generation"]["max_new_tokens"] == 64


def test_what_only_drawing_heeds_is_taken_out(opened, copied, seen, capfd):
    folder = copied("git")
    model = transformers.GitForCausalLM.from_pretrained(folder)
    model.generation_config.update(do_sample=True, temperature=0.3, top_p=0.5, top_k=3)
    model.generation_config.save_pretrained(folder)
    loaded = opened(folder, "captioning", "scenes", BRIEF)
    assert not {"temperature", "top_p", "top_k"} & loaded.config["generation"].keys()
    capfd.readouterr()
    found = loaded.model.generate(loaded.model.collate(seen))
    assert capfd.readouterr() == ("", "")
    plain = opened("git", "captioning", "scenes", BRIEF).model
    assert found == plain.generate(plain.collate(seen))


def test_drawing_follows_the_seed(opened, seen):
    loaded = opened("git", "captioning", "scenes", BRIEF, "temperature=2.0")
    assert {"do_sample": True, "temperature": 2.0}.items() <= loaded.config["generation"].items()
    texts = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        texts.append(loaded.model.generate(loaded.model.collate(seen)))
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize("setting", ["prompt={labels} is it", "prompt=what is {thing}", "prompt={text} ?"])
def test_prompts_that_cannot_be(opened, setting):
    if "{labels}" in setting:
        assert len(opened("git", "image_classification", "digits", setting).model.prompt.labels) == 10
        return
    with pytest.raises(UsageError, match=r"a prompt may have|have no text for the \{text\} of the prompt"):
        opened("git", "captioning", "scenes", setting)
