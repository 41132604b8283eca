"""Backbones of the transformers library: configuration, weights and processors from the hub or a folder.

Nothing that comes with a model is run: no remote code, no pickled weights.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mmbench.adapters.hf.reading import commit_of, quietly, read
from mmbench.errors import UsageError, first_line

_PATH = "_name_or_path"
"""Where the model lay when it was read, which no weights should tell."""

_UNUSED = (_PATH, "id2label", "label2id", "transformers_version", "architectures", "auto_map", "dtype")
"""Settings that say nothing about the backbone; a thousand class names would fill the stored configuration."""

_UNREAD = ("masked_spec_embed", "mask_token")
"""Tensors that only pre-training by masking reads; published weights may lack them."""


def read_config(source: str, revision: str | None) -> tuple[dict[str, Any], str | None]:
    """The configuration of a model as plain JSON, and the commit that it is of, where the hub says so.

    Raises:
        UsageError: there is no such model.
    """
    from transformers import AutoConfig  # noqa: PLC0415  # transformers takes seconds to import

    config = read(source, revision, "configuration", AutoConfig.from_pretrained)
    plain = {n: value for n, value in json.loads(config.to_json_string(use_diff=False)).items() if n not in _UNUSED}
    for value in plain.values():
        if isinstance(value, dict):  # the configuration of one tower of several
            value.pop(_PATH, None)
    return plain, None if Path(source).is_dir() else commit_of(source, revision)


def build_tower(config: Mapping[str, Any], tower: str, reads: tuple[str, ...]) -> nn.Module:
    """The part of a model that encodes one modality, with random weights.

    Args:
        config: as `read_config` gives it.
        tower: what models of two towers call the one of this modality, `vision_model` say.
        reads: names of inputs that models of this modality have, `pixel_values` say.

    Raises:
        UsageError: the model reads something else, or transformers has no such model or cannot build it so.
    """
    from transformers import AutoConfig, AutoModel  # noqa: PLC0415  # as above

    settings = dict(config)
    kind = settings.pop("model_type", None)
    try:
        with quietly():
            built = AutoConfig.for_model(kind, **settings)
            try:
                # Poolers add weights that nothing here reads; not every model lets them be left out.
                model = AutoModel.from_config(built, dtype=torch.float32, add_pooling_layer=False)
            except TypeError:
                model = AutoModel.from_config(built, dtype=torch.float32)
    except Exception as error:  # a foreign configuration can make the library raise anything
        raise UsageError(f"transformers cannot build a {kind} model: {first_line(error)}") from error
    part = _tower(model, tower)
    if part.main_input_name not in reads:
        raise UsageError(f"a {kind} model reads {part.main_input_name}; expected one that reads {' or '.join(reads)}")
    return part


def load_tower(part: nn.Module, tower: str, source: str, revision: str | None) -> None:
    """Load the weights of the model at `source` into `part`, which `build_tower` made from its configuration.

    Raises:
        UsageError: there are none in the safetensors format, or they are of another model.
    """
    from transformers import AutoModel  # noqa: PLC0415  # as above

    def load(*args: Any, **options: Any) -> Any:
        return AutoModel.from_pretrained(
            *args, **options, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )

    model, info = read(source, revision, "weights (safetensors)", load)
    whole = _tower(model, tower)
    tensors, own = whole.state_dict(), part.state_dict()
    prefix = next(name for name, module in model.named_modules() if module is whole)
    needed = {f"{prefix}.{name}".lstrip(".") for name in own if not name.endswith(_UNREAD)}
    missing = sorted(needed & set(info["missing_keys"]))
    if missing:
        raise UsageError(f"hf:{source}: its weights lack {len(missing)} of {len(own)} tensors, {missing[0]} for one")
    part.load_state_dict({name: tensors[name] for name in own})


def _tower(model: nn.Module, tower: str) -> Any:
    if hasattr(model, tower):
        return getattr(model, tower)
    config: Any = model.config
    return model.get_encoder() if config.is_encoder_decoder else model  # type: ignore[operator]  # nn.Module types it as a tensor
