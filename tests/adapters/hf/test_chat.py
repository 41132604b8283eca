"""Models that are told in words what to do with an image, against transformers' own code."""

import pytest
import torch
import transformers

from mmbench.adapters.prompt import RULE
from mmbench.errors import UsageError
from mmbench.sample import Sample

pytestmark = pytest.mark.usefixtures("no_gradients")
chats = pytest.mark.parametrize("kind", ["llava", "idefics3", "paddle"])
BRIEF = "max_new_tokens=8"
PROMPT = "prompt={text}"


def reference(folder, samples, prompt="{text}", **how):
    """Answers to all samples in one batch, as the library's documentation does it."""
    processor = transformers.AutoProcessor.from_pretrained(folder)
    processor.tokenizer.padding_side = "left"
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder)
    turns = [
        [
            {
                "role": "user",
                "content": [
                    {"type": "image", "image": sample.inputs["image"]},
                    {"type": "text", "text": prompt.replace("{text}", sample.inputs.get("text", ""))},
                ],
            }
        ]
        for sample in samples
    ]
    inputs = processor.apply_chat_template(
        turns,
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
        processor_kwargs={"padding": True},
    )
    written = model.generate(**inputs, do_sample=False, max_new_tokens=8, **how)
    found = processor.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in found], inputs


@chats
def test_answers_are_those_of_transformers(opened, saved, asked, kind):
    loaded = opened(kind, "vqa", None, BRIEF, PROMPT)
    assert loaded.model.modalities == ("image", "text")
    assert loaded.config["prompt_form"] == "the model's chat template"
    batch = loaded.model.collate(asked)
    expected, inputs = reference(saved(kind), asked)
    assert batch.inputs.keys() == inputs.keys()
    assert all(torch.equal(batch.inputs[name], inputs[name]) for name in inputs)
    found = loaded.model.generate(batch)
    assert found == expected
    assert len(set(found)) > 1


@chats
def test_beams_are_those_of_transformers(opened, saved, asked, kind):
    model = opened(kind, "vqa", None, BRIEF, PROMPT, "num_beams=2").model
    assert model.generate(model.collate(asked)) == reference(saved(kind), asked, num_beams=2)[0]


@chats
def test_batches_and_their_parts_change_nothing(opened, asked, kind):
    model = opened(kind, "vqa", None, BRIEF, PROMPT).model
    batch = model.collate(asked)
    together = model.generate(batch)
    assert [model.generate(model.collate([sample]))[0] for sample in asked] == together
    for start, stop in ((0, 1), (1, 3), (3, 4), (0, 4)):
        assert model.generate(batch.part(start, stop)) == together[start:stop]
    assert model.generate(batch.part(1, 4).part(1, 3)) == together[2:4]


@chats
def test_sample_without_an_image_is_asked_without_one(opened, asked, kind):
    model = opened(kind, "vqa", None, BRIEF, PROMPT).model
    blind = Sample("blind", {"text": "is there a circle ?"})
    together = model.generate(model.collate(asked))
    batch = model.collate([asked[0], blind, *asked[1:], Sample("nothing", {})])
    assert batch.mask["image"].tolist() == [True, False, True, True, True, False]
    assert batch.mask["text"].tolist() == [True] * 5 + [False]
    found = model.generate(batch)
    assert found[0:1] + found[2:5] == together
    assert model.generate(model.collate([blind])) == found[1:2]
    alone = model.generate(batch.part(0, 2))
    assert alone == found[:2]


def test_task_says_what_to_tell(opened, saved, asked, seen):
    loaded = opened("llava", "vqa", None, BRIEF)
    told = "{text}\nAnswer the question with a single word or phrase."
    assert loaded.config["prompt"] == told
    assert loaded.model.generate(loaded.model.collate(asked)) == reference(saved("llava"), asked, told)[0]
    captions = opened("llava", "captioning", "scenes", BRIEF)
    assert captions.model.modalities == ("image",)
    expected, _ = reference(saved("llava"), seen, "Describe the image in one short sentence.")
    assert captions.model.generate(captions.model.collate(seen)) == expected


def test_class_is_read_from_the_answer(opened, saved, seen):
    expected, _ = reference(saved("llava"), seen, "what is in the image ?")
    assert all(expected)
    loaded = opened("llava", "image_classification", "digits", BRIEF)
    assert loaded.config["answer_rule"] == RULE
    assert loaded.model.prompt.labels == tuple("0123456789")
    assert "0, 1, 2" in loaded.model.prompt.told(None)
    chosen = opened("llava", "image_classification", "digits", BRIEF, "prompt=what is in the image ?")
    assert "answer_rule" not in chosen.config
    assert chosen.model.generate(chosen.model.collate(seen)) == expected


def test_model_without_a_chat_template_gets_the_bare_prompt(opened, saved, asked):
    loaded = opened("bare-llava", "vqa", None, BRIEF, PROMPT)
    assert loaded.config["prompt_form"] == r"the prompt after '<image>\n'"
    processor = transformers.AutoProcessor.from_pretrained(saved("bare-llava"))
    processor.tokenizer.padding_side = "left"
    model = transformers.LlavaForConditionalGeneration.from_pretrained(saved("bare-llava"))
    inputs = processor(
        text=[f"<image>\n{sample.inputs['text']}" for sample in asked],
        images=[sample.inputs["image"] for sample in asked],
        padding=True,
        return_tensors="pt",
    )
    written = model.generate(**inputs, do_sample=False, max_new_tokens=8)
    expected = processor.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
    assert loaded.model.generate(loaded.model.collate(asked)) == [text.strip() for text in expected]


def test_chat_template_of_texts_alone_is_not_used_for_images(opened, copied):
    folder = copied("bare-llava")
    (folder / "chat_template.jinja").write_text("{% for message in messages %}{{ message.content + '' }}{% endfor %}")
    assert opened(folder, "vqa").config["prompt_form"] == r"the prompt after '<image>\n'"


def test_tokenizer_without_padding_pads_with_its_end(opened, copied, asked):
    folder = copied("llava")
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    tokenizer.pad_token = None
    tokenizer.save_pretrained(folder)
    model = opened(folder, "vqa", None, BRIEF, PROMPT).model
    assert model.tokenizer.pad_token == "[SEP]"  # noqa: S105  # no secret
    whole = opened("llava", "vqa", None, BRIEF, PROMPT).model
    assert model.generate(model.collate(asked)) == whole.generate(whole.collate(asked))


def test_halves_of_a_number_are_enough(opened, asked):
    model = opened("llava", "vqa", None, BRIEF, PROMPT, dtype="bfloat16").model
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert all(model.generate(model.collate(asked)))


def test_prompt_in_no_form(opened):
    with pytest.raises(UsageError, match=r"a prompt may have \{text\} and \{labels\}, not \{question\}"):
        opened("llava", "vqa", None, "prompt={question}")
