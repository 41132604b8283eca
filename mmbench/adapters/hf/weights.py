"""The weights of a model of the transformers library: which files they are, and how they are loaded.

Weights are read as safetensors only, never as a pickle.
"""

import json
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from mmbench.adapter import Opening
from mmbench.adapters.hf.options import HFOptions, Quantization
from mmbench.adapters.hf.reading import Source, out_of_reach
from mmbench.checkpoint import file_sha256
from mmbench.errors import UsageError, first_line, join_names

_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")

_UNREAD = ("masked_spec_embed", "mask_token", "position_ids")
"""Tensors that only pre-training reads, or that hold no weights; published files may lack them."""


def weight_files(source: Source, config: Any) -> list[Path]:
    """The safetensors files of a model, downloaded where that is needed, by name.

    Raises:
        UsageError: there are none, some are missing, or the weights are pickled.
    """
    named: str | None = getattr(config, "transformers_weights", None)
    names = [named] if named else [_WEIGHTS, _INDEX]
    found = next((path for path in map(source.file, names) if path is not None), None)
    if found is None:
        raise _no_weights(source, names)
    if not found.name.endswith(".index.json"):
        return [found]
    files = {shard: source.file(shard) for shard in _shards(source, found)}
    missing = [shard for shard, path in files.items() if path is None]
    if missing:
        shown = join_names(missing, most=3)
        why = out_of_reach(source.place, shown) if source.cached else f"its weights lack {shown}"
        raise UsageError(f"hf:{source.place}: {why}")
    return [path for path in files.values() if path is not None]


def _shards(source: Source, index: Path) -> list[str]:
    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"hf:{source.place}: {index.name} is no index of weights: {first_line(error)}") from error


def _no_weights(source: Source, names: list[str]) -> UsageError:
    pickled = any(source.file(name) for name in _PICKLES)
    if source.cached and not pickled:
        return UsageError(f"hf:{source.place}: {out_of_reach(source.place, names[0])}")
    why = "they are pickled, and a pickle can run code" if pickled else f"there is no {' and no '.join(names)}"
    return UsageError(f"hf:{source.place}: cannot load its weights (safetensors): {why}")


def files_sha256(paths: list[Path]) -> str:
    """SHA-256 of one file; of several that of their hashes, one after the other in hexadecimal."""
    hashes = [file_sha256(path) for path in paths]
    return hashes[0] if len(hashes) == 1 else sha256("".join(hashes).encode()).hexdigest()


def load_weights(auto: Any, source: Source, config: Any, opening: Opening, options: HFOptions) -> Any:
    """The model of one of the library's `Auto` classes with its weights, placed, in its dtype and in evaluation.

    Raises:
        UsageError: it cannot be loaded so, or its weights are of another model or lack some tensors.
    """
    dtype: torch.dtype = getattr(torch, opening.dtype)
    how: dict[str, Any] = {"config": config, "dtype": dtype, "use_safetensors": True, "output_loading_info": True}
    _check_kernels(source, config, options.attn)
    if options.attn is not None:
        how["attn_implementation"] = options.attn
    if options.quantize is not None:
        how["quantization_config"] = _quantization(options.quantize, dtype)
    if options.device_map is not None:
        how["device_map"] = options.device_map
    elif options.quantize is not None or opening.device.type != "cpu":
        how["device_map"] = {"": opening.device}
    pretrained, info = source.read("weights (safetensors)", auto.from_pretrained, **how)
    if options.quantize is not None:
        _check_quantized(pretrained, source, options.quantize)
    missing = sorted(name for name in info["missing_keys"] if not name.endswith(_UNREAD))
    if missing and options.quantize is None:  # scales and zeros of a quantized weight are not in any file
        raise UsageError(
            f"hf:{source.place}: its weights lack {len(missing)} of the tensors of a {type(pretrained).__name__}, "
            f"{missing[0]} for one, so that its answers would be random"
        )
    return pretrained.eval()


def _check_kernels(source: Source, config: Any, attn: str | None) -> None:
    """Refuse attention by compiled code from the hub, which is code of others too.

    Raises:
        UsageError: it was asked for, or the configuration asks for it, and the user does not trust it.
    """
    if source.trusted:
        return
    parts = [config, *(getattr(config, name, None) for name in getattr(config, "sub_configs", ()))]
    asked = [attn] if attn else [getattr(part, "_attn_implementation", None) for part in parts]
    for each in asked:
        fetched = isinstance(each, str) and ("/" in each or (each.startswith("flash_attention") and _would_fetch()))
        if fetched:
            raise UsageError(
                f"hf:{source.place}: attention {each!r} would run code from the hub; give --attn sdpa, or "
                "--trust-remote-code if you trust it"
            )


def _would_fetch() -> bool:
    """Whether the library may take flash attention from the hub: some models get theirs there whatever is installed."""
    return find_spec("kernels") is not None


def _quantization(kind: Quantization, dtype: torch.dtype) -> Any:
    """The library's configuration for the package that is installed.

    Raises:
        UsageError: none is.
    """
    transformers: Any = import_module("transformers")  # not at the top: it takes seconds to import
    if find_spec("bitsandbytes") is not None:
        if kind == "int8":
            return transformers.BitsAndBytesConfig(load_in_8bit=True)
        return transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    if find_spec("torchao") is not None:
        from torchao import quantization  # noqa: PLC0415  # optional

        return transformers.TorchAoConfig(
            quantization.Int8WeightOnlyConfig() if kind == "int8" else quantization.Int4WeightOnlyConfig()
        )
    raise UsageError("--quantize needs bitsandbytes or torchao: pip install 'mmbench[quantize]'")


def _check_quantized(pretrained: Any, source: Source, kind: Quantization) -> None:
    """Refuse a model that the package left as it was, which it does without a word.

    Raises:
        UsageError: no weight was quantized.
    """
    # One package keeps small integers, the other tensors of its own that say they are floating.
    if all(each.is_floating_point() and type(each.data) is torch.Tensor for each in pretrained.parameters()):
        raise UsageError(
            f"hf:{source.place}: {quantized_by(pretrained)} quantized no weight to {kind}: its layers are too small, "
            "or of a kind that it does not take"
        )


def quantized_by(pretrained: Any) -> str | None:
    """The package that quantized it, for the record."""
    config = getattr(pretrained.config, "quantization_config", None)
    method = getattr(config, "quant_method", None)
    return None if method is None else str(getattr(method, "value", method))
