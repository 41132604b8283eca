"""Models of the transformers library that write a text about an image without being told what to do: BLIP, GIT, ..."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmbench.adapters.hf.generation import after, compile_writer, marked, settle, told
from mmbench.adapters.hf.images import ImageReader
from mmbench.adapters.hf.model import HFModel, Parts
from mmbench.adapters.hf.options import GENERATION
from mmbench.adapters.prompt import RULE, Prompt
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.sample import Modality, Sample

_TOKENS, _MASK = "input_ids", "attention_mask"

_PREFIX = ("blip", "git")
"""Kinds of models that take a prompt as the beginning of the text."""


class Captioner(HFModel):
    """An encoder of images with a decoder of text; generates.

    The text begins with the prompt where there is one, and what comes after it is the answer. Where the samples have a
    text, that is the prompt unless the user gives another: GIT and BLIP learned to answer questions so. A vision
    encoder with any decoder has a prompt only where the user gives one (Donut: `<s_docvqa>...{text}...`).

    Prompts of unequal length are not padded, since what these models write depends on padding: each length is asked by
    itself.
    """

    heeds = ("prompt", *GENERATION)

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a captioner.

        Raises:
            UsageError: the samples have a text that the model would not read.
        """
        super().__init__(parts)
        images, self.tokenizer = parts.processor
        self._images = ImageReader(images, parts.name)
        self._kind: str = parts.pretrained.config.model_type
        self.prompt = self._prompt(parts)
        reads_text = self.prompt is not None and "{text}" in self.prompt.template
        text = [Modality.TEXT.value] if reads_text else []
        self.modalities = (Modality.IMAGE.value, *text)
        settle(parts.pretrained, parts.options, self.tokenizer.pad_token_id)

    def _prompt(self, parts: Parts) -> Prompt | None:
        has_text = Modality.TEXT in parts.opening.modalities
        template = parts.options.prompt
        if template is None and has_text and self._kind in _PREFIX:
            template = "{text}"
        if has_text and "{text}" not in (template or ""):
            raise UsageError(
                f"{parts.name} would answer without the text of a sample; give --option prompt=..., with {{text}} "
                "where the text stands"
            )
        if template is not None and not has_text and "{text}" in template:
            raise UsageError(
                f"the samples of {parts.opening.dataset.name!r} have no text for the {{text}} of the prompt"
            )
        return None if template is None else Prompt(template, parts.opening.labels() if "{labels}" in template else ())

    def settings(self) -> dict[str, Any]:
        """The prompt, and how the text is generated."""
        found = {"prompt": None if self.prompt is None else self.prompt.template, "generation": told(self.pretrained)}
        return found | ({"answer_rule": RULE} if self.prompt is not None and self.prompt.labels else {})

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """The part that writes."""
        compile_writer(self.pretrained, *args, **kwargs)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Pixels, and the tokens of the prompts, padded on the right.

        Raises:
            DecodeError: a file cannot be decoded.
        """
        inputs, there = self._images([sample.inputs.get(Modality.IMAGE) for sample in samples])
        mask = {Modality.IMAGE.value: there}
        texts = [sample.inputs.get(Modality.TEXT) for sample in samples]
        if Modality.TEXT in self.modalities:
            mask[Modality.TEXT] = torch.tensor([text is not None for text in texts])
        if self.prompt is not None:
            rows = [self._numbers(self.prompt.told(text)) for text in texts]
            inputs[_TOKENS] = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)
            inputs[_MASK] = torch.zeros_like(inputs[_TOKENS])
            for row, numbers in enumerate(rows):
                inputs[_TOKENS][row, : len(numbers)] = torch.tensor(numbers)
                inputs[_MASK][row, : len(numbers)] = 1
        return Batch(len(samples), inputs, mask)

    def _numbers(self, text: str) -> list[int]:
        """Tokens of a prompt, in the form that this kind of model wants."""
        whole = self._kind == "blip"  # it takes away the end itself, and puts its own start in place of the first
        numbers: list[int] = self.tokenizer(text, add_special_tokens=whole)[_TOKENS]
        return [self.tokenizer.cls_token_id, *numbers] if self._kind == "git" else numbers

    def generate(self, batch: Batch) -> list[str]:
        """One text a sample, without the prompt."""
        arguments = self.arguments(batch)
        tokens, mask = arguments.pop(_TOKENS, None), arguments.pop(_MASK, None)
        if tokens is None or mask is None:
            return self._texts(self._write(arguments))
        lengths: list[int] = mask.sum(dim=1).tolist()
        texts = [""] * batch.size
        for length in sorted(set(lengths), reverse=True):
            rows = [row for row, each in enumerate(lengths) if each == length]
            chosen = {name: each[rows] for name, each in arguments.items()}
            for row, text in zip(rows, self._texts(self._continue(chosen, tokens[rows, :length])), strict=True):
                texts[row] = text
        return texts

    def _write(self, arguments: dict[str, Any]) -> Tensor:
        with marked(self.pretrained, compiled=self.options.compile):
            written: Tensor = self.pretrained.generate(**arguments)
        return written

    def _continue(self, arguments: dict[str, Any], prompt: Tensor) -> Tensor:
        """What follows prompts [B, P] of one length."""
        if not prompt.shape[1]:
            return self._write(arguments)
        if self._kind not in _PREFIX:
            return after(self._write({**arguments, "decoder_input_ids": prompt}), prompt)
        # A copy, since BLIP writes into what it is given.
        written = self._write({**arguments, _TOKENS: prompt.clone(), _MASK: torch.ones_like(prompt)})
        return after(written, prompt[:, 1:-1] if self._kind == "blip" else prompt)

    def _texts(self, tokens: Tensor) -> list[str]:
        found: list[str] = self.tokenizer.batch_decode(tokens, skip_special_tokens=True)
        return [text.strip() if self.prompt is None else self.prompt.read(text) for text in found]


class QuestionAnswerer(Captioner):
    """An encoder of image and question together, with a decoder that writes the answer (BLIP); generates."""

    def _continue(self, arguments: dict[str, Any], prompt: Tensor) -> Tensor:
        # It would take padding for a part of the question, but here is none.
        return self._write({**arguments, _TOKENS: prompt.clone(), _MASK: torch.ones_like(prompt)})
