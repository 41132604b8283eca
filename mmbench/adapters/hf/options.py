"""What a user may set of a model of the transformers library."""

from dataclasses import dataclass, fields
from typing import Any, Literal

Quantization = Literal["int8", "int4"]

LOADING = ("compile", "attn", "device_map", "quantize", "trust_remote_code")
"""Options of how a model is read and run, which every model heeds."""

GENERATION = ("max_new_tokens", "num_beams", "temperature")
"""Options of models that generate."""


@dataclass(frozen=True, slots=True)
class HFOptions:
    """Settings of `hf:`; `None` is the model's own default.

    Attributes:
        compile: by `torch.compile`.
        attn: implementation of attention: `eager`, `sdpa`, `flash_attention_2`, ...
        device_map: `auto` spreads the model over the devices there are.
        quantize: weights of 8 or 4 bits, by bitsandbytes or torchao, whichever is installed.
        trust_remote_code: run code that comes with the model.
        prompt: what a model that is told in words is told; `{text}` and `{labels}` stand for the sample's.
        template: a sentence around a class for zero-shot classification, as `a photo of a {label}.`.
        max_new_tokens: of a text that is generated.
        num_beams: of beam search; 1 is greedy.
        temperature: above 0 draws tokens; 0 takes the most probable.
        language: of speech, for models that are told it.
        task: of speech, for models that do both: `transcribe`, or `translate` into English.
    """

    compile: bool = False
    attn: str | None = None
    device_map: str | None = None
    quantize: Quantization | None = None
    trust_remote_code: bool = False
    prompt: str | None = None
    template: str | None = None
    max_new_tokens: int | None = None
    num_beams: int | None = None
    temperature: float = 0.0
    language: str | None = None
    task: Literal["transcribe", "translate"] | None = None

    def chosen(self) -> dict[str, Any]:
        """What the user set, by name."""
        defaults = HFOptions()
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in given.items() if value != getattr(defaults, name)}
