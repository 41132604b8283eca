"""Models of the transformers library that are told in words what to do with an image: LLaVA, Idefics, Qwen-VL, ..."""

from collections.abc import Sequence
from functools import cached_property
from inspect import Parameter, signature
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from mmbench.adapters.hf.generation import after, compile_writer, marked, settle, told
from mmbench.adapters.hf.images import ImageReader
from mmbench.adapters.hf.model import HFModel, Parts
from mmbench.adapters.hf.options import GENERATION
from mmbench.adapters.hf.packed import PackedBatch, packed_rows
from mmbench.adapters.hf.reading import quietly
from mmbench.adapters.prompt import RULE, prompt_for
from mmbench.data.decode import load_image
from mmbench.errors import UsageError
from mmbench.model import Batch
from mmbench.sample import Modality, Sample

_TOKENS = "input_ids"
_UNREAD = ("labels",)
"""What some processors make for training alone."""


class Chat(HFModel):
    """A language model that sees; generates.

    Each sample is one turn of a user: the image, then the prompt. It is put into the form of the model's own chat
    template; a model that has none for images gets the bare prompt, after the processor's mark of an image. Where the
    prompt names the classes, the answer is read by the rule that the record tells. A sample without an image is asked
    without one, or with a grey one where the model cannot do without.
    """

    heeds = ("prompt", *GENERATION)

    def __init__(self, parts: Parts) -> None:
        """Take the parts of a model.

        Raises:
            UsageError: nothing says what to tell it, or its processor cannot read text and images.
        """
        super().__init__(parts)
        self.modalities = tuple(m for m in parts.opening.modalities if m in (Modality.IMAGE, Modality.TEXT))
        self.tokenizer: Any = getattr(parts.processor, "tokenizer", None)
        if self.tokenizer is None or not hasattr(parts.processor, "image_processor"):
            raise UsageError(f"{parts.name} comes without a processor of texts and images, so it cannot be asked here")
        self.prompt = prompt_for(parts.opening, parts.options.prompt)
        self._encodes: bool = getattr(parts.pretrained.config, "is_encoder_decoder", False)
        # What comes next must follow the prompt at once, not after padding.
        self.tokenizer.padding_side = "right" if self._encodes else "left"
        if self.tokenizer.pad_token is None:
            self.tokenizer.pad_token = self.tokenizer.eos_token
        settle(parts.pretrained, parts.options, self.tokenizer.pad_token_id)

    def settings(self) -> dict[str, Any]:
        """The prompt, its form, how an answer is read and how it is generated."""
        form = "the model's chat template" if self._template is not None else f"the prompt after {self._mark!r}"
        found = {"prompt": self.prompt.template, "prompt_form": form, "generation": told(self.pretrained)}
        return found | ({"answer_rule": RULE} if self.prompt.labels else {})

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """The part that writes."""
        compile_writer(self.pretrained, *args, **kwargs)

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """The processor's tensors of all samples together, prompts padded on the left.

        Raises:
            DecodeError: a file cannot be decoded.
        """
        values = [sample.inputs.get(Modality.IMAGE) for sample in samples]
        texts = [sample.inputs.get(Modality.TEXT) for sample in samples]
        nothing = [self._grey] if self._needs_image else []
        images = [nothing if value is None else [load_image(value)] for value in values]
        prompts = [self._told(self.prompt.told(text), len(each)) for text, each in zip(texts, images, strict=True)]
        inputs = self._process(prompts, images)
        rows = packed_rows(
            inputs, [len(each) for each in images], lambda row: self._process([prompts[row]], [images[row]])
        )
        mask = {Modality.IMAGE.value: torch.tensor([value is not None for value in values])}
        if Modality.TEXT in self.modalities:
            mask[Modality.TEXT.value] = torch.tensor([text is not None for text in texts])
        return PackedBatch(len(samples), inputs, mask, rows=rows)

    def _told(self, text: str, images: int) -> str:
        """A prompt in the form that the model is used to."""
        if self._template is None:
            return f"{self._mark if images else ''}{text}"
        return self._rendered(self._template, text, images)

    def _rendered(self, template: str, text: str, images: int) -> str:
        content = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": text}]
        turns = [{"role": "user", "content": content}]
        rendered: str = self.processor.apply_chat_template(turns, chat_template=template, add_generation_prompt=True)
        return rendered

    @cached_property
    def _template(self) -> str | None:
        """The chat template that knows images, of the processor or else of the tokenizer."""
        for owner in (self.processor, self.tokenizer):
            found = getattr(owner, "chat_template", None)
            template = found.get("default") if isinstance(found, dict) else found
            try:
                if template and self._rendered(template, "a", 1) != self._rendered(template, "a", 0):
                    return str(template)
            except Exception:  # noqa: S112  # one of texts alone, which may do anything with such content
                continue
        return None

    @cached_property
    def _mark(self) -> str:
        """What stands for an image in a bare prompt; nothing where the processor puts it there itself."""
        mark = str(getattr(self.processor, "image_token", None) or "")
        if not mark:
            return ""
        try:
            tokens = self._process(["a"], [[self._grey]])[_TOKENS]
        except ValueError:  # it misses the mark
            return f"{mark}\n"
        return "" if (tokens == self.tokenizer.convert_tokens_to_ids(mark)).any() else f"{mark}\n"

    @cached_property
    def _needs_image(self) -> bool:
        """Whether a sample without an image must be given a grey one."""
        pixels = signature(self.pretrained.generate).parameters.get("pixel_values")
        if pixels is not None and pixels.default is Parameter.empty:
            return True
        try:
            self._process([self._told("a", 0)], [[]])
        except ValueError:
            return True
        return False

    @cached_property
    def _grey(self) -> Image.Image:
        return ImageReader(self.processor.image_processor, self.name).grey()

    def _process(self, prompts: list[str], images: list[list[Image.Image]]) -> dict[str, Tensor]:
        # As `apply_chat_template` does it: a template may have written the first token already.
        first = self.tokenizer.bos_token
        special = {"add_special_tokens": False} if first and prompts[0].startswith(first) else {}
        with quietly():
            found = self.processor(
                text=prompts, images=images if any(images) else None, padding=True, return_tensors="pt", **special
            )
        return {n: each for n, each in found.items() if isinstance(each, Tensor) and n not in _UNREAD}

    def generate(self, batch: Batch) -> list[str]:
        """One text a sample, without the prompt; the class that it names, where the prompt names the classes."""
        arguments = self.arguments(batch)
        with marked(self.pretrained, compiled=self.options.compile):
            written: Tensor = self.pretrained.generate(**arguments)
        tokens = written if self._encodes else after(written, batch.inputs[_TOKENS])
        return [self.prompt.read(text) for text in self.tokenizer.batch_decode(tokens, skip_special_tokens=True)]
