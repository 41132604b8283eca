"""Whisper's weights from CTranslate2's format to the layout of transformers, for tests that run both.

The format is that of CTranslate2's `ModelSpec`: version, name and revision of the specification, then each variable
with name, shape, type and bytes, then aliases. What is quantised to 8 bits has a scale for each row beside it.
"""

import json
import re
import shutil
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import transformers

_TYPES = (np.dtype("<f4"), np.dtype("i1"), np.dtype("<i2"), np.dtype("<i4"), np.dtype("<f2"))
_SPECIFICATION, _REVISION = "WhisperSpec", 3

_NAMES = {
    r"decoder/embeddings/weight": "decoder.embed_tokens.weight",
    r"(encoder|decoder)/position_encodings/encodings": r"\1.embed_positions.weight",
    r"encoder/(conv[12])/(weight|bias)": r"encoder.\1.\2",
    r"(encoder|decoder)/layer_norm/(gamma|beta)": r"\1.layer_norm.\2",
    r"(encoder|decoder)/layer_(\d+)/self_attention/layer_norm/(gamma|beta)": r"\1.layers.\2.self_attn_layer_norm.\3",
    r"(encoder|decoder)/layer_(\d+)/self_attention/linear_0/(weight|bias)": r"\1.layers.\2.self_attn.{q,k,v}_proj.\3",
    r"(encoder|decoder)/layer_(\d+)/self_attention/linear_1/(weight|bias)": r"\1.layers.\2.self_attn.out_proj.\3",
    r"decoder/layer_(\d+)/attention/layer_norm/(gamma|beta)": r"decoder.layers.\1.encoder_attn_layer_norm.\2",
    r"decoder/layer_(\d+)/attention/linear_0/(weight|bias)": r"decoder.layers.\1.encoder_attn.q_proj.\2",
    r"decoder/layer_(\d+)/attention/linear_1/(weight|bias)": r"decoder.layers.\1.encoder_attn.{k,v}_proj.\2",
    r"decoder/layer_(\d+)/attention/linear_2/(weight|bias)": r"decoder.layers.\1.encoder_attn.out_proj.\2",
    r"(encoder|decoder)/layer_(\d+)/ffn/layer_norm/(gamma|beta)": r"\1.layers.\2.final_layer_norm.\3",
    r"(encoder|decoder)/layer_(\d+)/ffn/linear_0/(weight|bias)": r"\1.layers.\2.fc1.\3",
    r"(encoder|decoder)/layer_(\d+)/ffn/linear_1/(weight|bias)": r"\1.layers.\2.fc2.\3",
}
"""CTranslate2's names to those of transformers; in braces, what is stacked in one variable."""


def convert(source: Path, target: Path) -> None:
    """Write an English-only Whisper model of CTranslate2 as `save_pretrained` would, float32, with its processor."""
    variables = read_variables(source / "model.bin")
    settings = json.loads((source / "config.json").read_text())
    shutil.copy(source / "tokenizer.json", target)
    added = json.loads((source / "tokenizer.json").read_text())["added_tokens"]
    tokens = {each["content"]: each["id"] for each in added}
    (target / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "WhisperTokenizer"}))
    model = transformers.WhisperForConditionalGeneration(_config(variables, tokens))
    missing, unexpected = model.model.load_state_dict(state_dict(variables), strict=False)
    assert not missing
    assert not unexpected
    model.tie_weights()
    model.generation_config = transformers.GenerationConfig(
        max_length=model.config.max_target_positions,
        decoder_start_token_id=tokens["<|startoftranscript|>"],
        eos_token_id=tokens["<|endoftext|>"],
        pad_token_id=tokens["<|endoftext|>"],
        suppress_tokens=settings["suppress_ids"],
        begin_suppress_tokens=settings["suppress_ids_begin"],
        no_timestamps_token_id=tokens["<|notimestamps|>"],
        prev_sot_token_id=tokens["<|startofprev|>"],
        max_initial_timestamp_index=50,
        is_multilingual=False,
    )
    model.save_pretrained(target)
    transformers.WhisperFeatureExtractor(feature_size=model.config.num_mel_bins).save_pretrained(target)


def read_variables(path: Path) -> dict[str, np.ndarray]:
    """All variables of a file by name, float32 where they are numbers of the network."""
    raw: dict[str, np.ndarray] = {}
    with path.open("rb") as file:
        _unpack(file, "I")  # of the binary format
        assert (_string(file), _unpack(file, "I")) == (_SPECIFICATION, _REVISION)
        for _ in range(_unpack(file, "I")):
            name = _string(file)
            shape = [_unpack(file, "I") for _ in range(_unpack(file, "B"))]
            kind = _TYPES[_unpack(file, "B")]
            raw[name] = np.frombuffer(file.read(_unpack(file, "I")), dtype=kind).reshape(shape)
    found = {}
    for name, value in raw.items():
        if name.endswith("_scale"):
            continue
        scale = raw.get(f"{name}_scale")
        if scale is not None:
            found[name] = value.astype(np.float32) / scale.reshape(-1, *[1] * (value.ndim - 1))
        else:
            found[name] = value.astype(np.float32) if value.ndim and value.dtype.kind == "f" else value
    return found


def state_dict(variables: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    """The weights of `WhisperModel`."""
    found = {}
    for name, value in variables.items():
        for pattern, theirs in _NAMES.items():
            if match := re.fullmatch(pattern, name):
                place = match.expand(theirs).replace("gamma", "weight").replace("beta", "bias")
                for key, part in _parts(place, value):
                    if key.endswith("k_proj.bias"):  # Whisper has none, and CTranslate2 stacks zeros
                        assert not part.any()
                    else:
                        found[key] = torch.from_numpy(part.copy())
                break
        else:
            assert value.ndim < 2 or "alignment" in name, name
            assert "weight" not in name, name
    return found


def _parts(place: str, value: np.ndarray) -> list[tuple[str, np.ndarray]]:
    stacked = re.search(r"\{(.*)\}", place)
    if stacked is None:
        return [(place, value)]
    names = stacked[1].split(",")
    return [
        (place.replace(stacked[0], name), part) for name, part in zip(names, np.split(value, len(names)), strict=True)
    ]


def _config(variables: dict[str, np.ndarray], tokens: dict[str, int]) -> transformers.WhisperConfig:
    def layers(tower: str) -> int:
        return len([name for name in variables if re.fullmatch(rf"{tower}/layer_\d+/ffn/linear_0/weight", name)])

    vocabulary, width = variables["decoder/embeddings/weight"].shape
    end = tokens["<|endoftext|>"]
    return transformers.WhisperConfig(
        vocab_size=vocabulary,
        d_model=width,
        num_mel_bins=variables["encoder/conv1/weight"].shape[1],
        encoder_layers=layers("encoder"),
        decoder_layers=layers("decoder"),
        encoder_attention_heads=int(variables["encoder/num_heads"]),
        decoder_attention_heads=int(variables["decoder/num_heads"]),
        encoder_ffn_dim=len(variables["encoder/layer_0/ffn/linear_0/bias"]),
        decoder_ffn_dim=len(variables["decoder/layer_0/ffn/linear_0/bias"]),
        max_source_positions=len(variables["encoder/position_encodings/encodings"]),
        max_target_positions=len(variables["decoder/position_encodings/encodings"]),
        decoder_start_token_id=tokens["<|startoftranscript|>"],
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )


def _unpack(file: BinaryIO, form: str) -> int:
    size = struct.calcsize(f"<{form}")
    return int(struct.unpack(f"<{form}", file.read(size))[0])


def _string(file: BinaryIO) -> str:
    return file.read(_unpack(file, "H"))[:-1].decode()
