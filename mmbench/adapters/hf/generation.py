"""Text token by token by models of the transformers library: settings, marks of the tokens, and what is new."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor

from mmbench.adapters.hf.options import HFOptions
from mmbench.profile.generation import DECODE, PREFILL
from mmbench.profile.stage import stage

_LONGEST = 64
"""Tokens of a text where neither user nor checkpoint says more; the library's own default of 20 cuts sentences."""

LIBRARY_LONGEST = 20
"""`max_length` where older checkpoints say nothing."""

_DRAWING = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
_BEAMS = ("early_stopping", "length_penalty")
_NOT_TOLD = ("transformers_version",)
_ALWAYS_TOLD = ("do_sample", "num_beams", "max_new_tokens", "max_length")


def writer_of(pretrained: Any) -> Any:
    """The part of a model that is called once a token: the innermost that can generate."""
    from transformers import GenerationMixin  # noqa: PLC0415  # takes seconds to import

    writers = [module for module in pretrained.modules() if isinstance(module, GenerationMixin)]
    return writers[-1] if writers else pretrained


def settle(pretrained: Any, options: HFOptions, padding: int | None) -> None:
    """Set the generation of a model as the user wants it, so that nothing but that decides its texts.

    The checkpoint's own settings hold where the user says nothing, but for drawing: only a temperature above 0 draws.
    What only drawing or only beams would heed is taken out where neither is done.

    Args:
        pretrained: the library's model.
        options: of the user.
        padding: number of the token that pads, where the checkpoint says none.
    """
    for module in pretrained.modules():
        config = getattr(module, "generation_config", None)
        if config is not None:
            _settle(config, options, padding)


def told(pretrained: Any) -> dict[str, Any]:
    """The settings of generation that differ from the library's own, for the record."""
    used = _used(pretrained)
    differ: dict[str, Any] = {
        n: value for n, value in used.to_diff_dict().items() if n not in _NOT_TOLD and n[0] != "_"
    }
    return differ | {n: getattr(used, n) for n in _ALWAYS_TOLD if getattr(used, n, None) is not None}


def _used(pretrained: Any) -> Any:
    """The settings that decide: of the whole, or of its writer where the whole only hands over (BLIP)."""
    from transformers import GenerationMixin  # noqa: PLC0415  # as above

    whole = type(pretrained).generate is GenerationMixin.generate
    return (pretrained if whole else writer_of(pretrained)).generation_config


def _settle(config: Any, options: HFOptions, padding: int | None) -> None:
    config.do_sample = options.temperature > 0
    if options.temperature > 0:
        config.temperature = options.temperature
    else:
        _unset(config, _DRAWING)
    config.num_beams = options.num_beams or getattr(config, "num_beams", None) or 1
    if config.num_beams == 1:
        _unset(config, _BEAMS)
    config.num_return_sequences = 1
    longest = options.max_new_tokens or config.max_new_tokens
    if longest is None and config.max_length in (None, LIBRARY_LONGEST):
        longest = _LONGEST
    if longest is not None:
        config.max_new_tokens = longest
        config.max_length = None
    if config.pad_token_id is None:
        config.pad_token_id = padding


def _unset(config: Any, names: tuple[str, ...]) -> None:
    for name in names:
        if hasattr(config, name):
            setattr(config, name, None)


def compile_writer(pretrained: Any, *args: Any, **kwargs: Any) -> None:
    """Compile what is called once a token.

    An accelerator leaves that to the library, which compiles the steps after the first token where the cache is of a
    fixed length; its graphs would otherwise be made anew as the cache grows.
    """
    writer = writer_of(pretrained)
    if writer.device.type != "cpu" and getattr(writer, "_can_compile_fullgraph", False):
        _used(pretrained).cache_implementation = "static"
    else:
        writer.compile(*args, **kwargs)


@contextmanager
def marked(pretrained: Any, *, compiled: bool = False) -> Iterator[None]:
    """Mark what is generated within as `prefill` and `decode`, one call of the writer each.

    Args:
        pretrained: the library's model.
        compiled: its graph must stay as it is, so nothing is marked.
    """
    if compiled:
        yield
        return
    with ExitStack() as open_mark:
        open_mark.enter_context(stage(PREFILL))
        calls = 0

        def begin(*_: Any) -> None:
            nonlocal calls
            calls += 1
            if calls > 1:
                open_mark.close()
                open_mark.enter_context(stage(DECODE))

        hook = writer_of(pretrained).register_forward_pre_hook(begin)
        try:
            yield
        finally:
            hook.remove()


def after(tokens: Tensor, prompt: Tensor) -> Tensor:
    """What comes after the prompt [B, P] in tokens [B, T], if they begin with it, or with a first one and then it."""
    for start in (0, 1):
        end = start + prompt.shape[1]
        if tokens.shape[1] >= end and torch.equal(tokens[:, start:end], prompt.to(tokens)):
            return tokens[:, end:]
    return tokens
