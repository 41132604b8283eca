"""The audio encoders by name: the contract, and that padding and neighbours change nothing."""

import json

import numpy as np
import pytest
import soundfile
import torch

from mmbench.encoder import EncoderConfig
from mmbench.errors import UsageError
from mmbench.registry import registry
from mmbench.sample import Audio
from mmbench_baselines.encoders.log_mel import LogMel

WIDTH = 8
RATE = 16_000
PARAMETERS = {"mel-cnn": 51_968, "mel-lstm": 57_856, "mel-transformer": 98_976}
"""By encoder at width 64, as their documentation gives them."""
STRIDE = {"mel-cnn": 8, "mel-lstm": 4, "mel-transformer": 4}
"""Frames to a token."""

pytestmark = pytest.mark.usefixtures("one_thread")
every_encoder = pytest.mark.parametrize("name", PARAMETERS)


def noise(samples, rate=RATE, seed=0):
    return Audio((0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32), rate)


CLIPS = [noise(100), noise(2_240), None, noise(20_960), noise(7_777), noise(1_600, 8_000)]
"""Down to 100 samples; no two of a length, and one of half the rate."""


def build(name, width=WIDTH, **options):
    torch.manual_seed(0)
    return EncoderConfig(name, options).build(width).eval()


def encode(encoder, values):
    with torch.no_grad():
        return encoder(*encoder.prepare(values))


@pytest.mark.parametrize(("options", "message"), [({"mels": 500}, "mels=500"), ({"rate": 10}, "rate=10")])
@every_encoder
def test_log_mel_refuses_what_cannot_be(name, options, message):
    with pytest.raises(UsageError, match=f"encoder '{name}' cannot be built: .*{message}"):
        build(name, **options)


@every_encoder
def test_contract(name):
    encoder_class = registry.load("encoder", name)
    assert encoder_class.modality == "audio"
    assert encoder_class.learn_options(CLIPS) == {}
    encoder = build(name)
    inputs, mask = encoder.prepare(CLIPS)
    assert mask.shape == inputs.shape[:2]
    tokens, there = encode(encoder, CLIPS)
    assert tokens.shape == (*there.shape, WIDTH)
    assert (tokens.dtype, there.dtype) == (torch.float32, torch.bool)
    assert there.any(dim=1).tolist() == [clip is not None for clip in CLIPS]
    assert tokens.isfinite().all()


def test_default_of_audio():
    assert registry.own_name("encoder", "audio") == "mel-cnn"


@every_encoder
def test_size(name):
    assert sum(parameter.numel() for parameter in build(name, width=64).parameters()) == PARAMETERS[name]


@every_encoder
@pytest.mark.parametrize("width", [1, 7])
def test_any_width(name, width):
    tokens, _ = encode(build(name, width), CLIPS)
    assert tokens.shape[2] == width
    assert tokens.isfinite().all()


@every_encoder
@pytest.mark.parametrize("mode", [True, False], ids=["training", "evaluation"])
def test_tokens_depend_neither_on_padding_nor_on_neighbours(name, mode):
    encoder = build(name).train(mode)
    together, there = encode(encoder, CLIPS)
    for row, clip in enumerate(CLIPS):
        alone, own = encode(encoder, [clip])
        count = int(own.sum())
        assert there[row].tolist() == [True] * count + [False] * (there.shape[1] - count)
        torch.testing.assert_close(together[row, :count], alone[0, :count], rtol=1e-4, atol=1e-5)
    inputs, mask = encoder.prepare(CLIPS)
    with torch.no_grad():
        junk, _ = encoder(torch.where(mask.unsqueeze(-1), inputs, float("nan")), mask)
    torch.testing.assert_close(junk[there], together[there])


@every_encoder
def test_tokens_without_any_sound(name):
    tokens, there = encode(build(name), [None, None])
    assert tokens.shape == (2, 1, WIDTH)
    assert tokens.isfinite().all()
    assert not there.any()


@every_encoder
@pytest.mark.parametrize("samples", [100, 2_240, 2_241, 20_960])
def test_length_is_that_of_the_tokens(name, samples):
    encoder = build(name)
    _, there = encode(encoder, [noise(samples)])
    frames = LogMel().frames(noise(samples))
    assert encoder.length(noise(samples)) == there.sum() == -(-frames // STRIDE[name])


@every_encoder
def test_length_reads_no_more_than_the_header(name, tmp_path):
    path = tmp_path / "sound.wav"
    soundfile.write(path, noise(RATE).samples, RATE)
    content = path.read_bytes()
    path.write_bytes(content[:44] + bytes(len(content) - 44))
    assert build(name).length(path) == -(-99 // STRIDE[name])
    assert build(name).length(tmp_path / "missing.wav") == 0


@every_encoder
def test_long_sound_of_another_rate(name):
    tokens, there = encode(build(name), [noise(73 * 8_000, 8_000)])
    assert tokens.shape[1] == there.sum() == -(-7_299 // STRIDE[name])
    assert tokens.isfinite().all()


@every_encoder
def test_tokens_follow_the_sound(name):
    """Change in the second half of a clip moves tokens there; those of its start only where all look at all."""
    encoder = build(name)
    inputs, mask = encoder.prepare([noise(2 * RATE)])
    changed = inputs.clone()
    changed[:, 100:] = changed[:, 100:].flip(1)
    with torch.no_grad():
        (before, _), (after, _) = encoder(inputs, mask), encoder(changed, mask)
    moved = (before - after).abs().amax(dim=2)[0] > 1e-6
    assert moved[-100 // STRIDE[name] + 1 :].any()
    # Attention sees the whole clip; the others see some frames ahead at most.
    assert moved[: 80 // STRIDE[name]].any() == (name == "mel-transformer")


def test_positions_tell_the_transformer_what_comes_first():
    encoder = build("mel-transformer")
    inputs = torch.zeros(1, 64, 40)
    with torch.no_grad():
        tokens, _ = encoder(inputs, torch.ones(1, 64, dtype=torch.bool))
    assert not torch.allclose(tokens[0, 4], tokens[0, 8], atol=1e-3)


@every_encoder
def test_every_parameter_learns(name):
    encoder = build(name).train()
    tokens, there = encoder(*encoder.prepare(CLIPS))
    torch.autograd.backward(tokens, torch.randn_like(tokens) * there.unsqueeze(-1))
    for parameter_name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


OPTIONS = {
    "mel-cnn": {"rate": 8_000, "mels": 23, "channels": [4, 6]},
    "mel-lstm": {"rate": 8_000, "mels": 23, "stack": 3, "layers": 2},
    "mel-transformer": {"rate": 8_000, "mels": 23, "channels": 4, "layers": 1, "heads": 2, "expansion": 1},
}


@every_encoder
def test_restores_from_its_options_and_state(name):
    encoder = build(name, **OPTIONS[name])
    fresh = EncoderConfig(name, json.loads(json.dumps(OPTIONS[name]))).build(WIDTH).eval()
    fresh.load_state_dict(encoder.state_dict())
    assert encoder.prepare(CLIPS)[0].shape[2] == 23
    assert torch.equal(encode(fresh, CLIPS)[0], encode(encoder, CLIPS)[0])


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("mel-cnn", {"channels": [4, 0]}),
        ("mel-lstm", {"stack": 0}),
        ("mel-lstm", {"layers": 0}),
        ("mel-transformer", {"channels": 0}),
        ("mel-transformer", {"layers": 0}),
        ("mel-transformer", {"heads": 0}),
        ("mel-transformer", {"expansion": 0}),
    ],
)
def test_refuses_options_below_one(name, option):
    with pytest.raises(UsageError, match=f"{next(iter(option))}.* must be at least 1, not 0"):
        build(name, **option)


@every_encoder
def test_prepare_stays_on_the_cpu_and_tokens_take_the_dtype_of_the_weights(name):
    encoder = build(name)
    expected = encode(encoder, CLIPS)[0]
    double = encode(encoder.double(), CLIPS)[0]
    assert double.dtype == torch.float64
    torch.testing.assert_close(double.float(), expected, rtol=1e-3, atol=1e-4)
    inputs, mask = encoder.to("meta").prepare(CLIPS)
    assert inputs.device.type == mask.device.type == "cpu"
    assert encoder(inputs.to("meta"), mask.to("meta"))[0].device.type == "meta"


@pytest.mark.shared
@every_encoder
def test_digits_of_8_khz(name, shared):
    paths = [shared / "av" / "fsdd" / f"{digit}_theo_0.wav" for digit in range(4)]
    encoder = build(name)
    tokens, there = encode(encoder, paths)
    assert tokens.isfinite().all()
    for count, path in zip(there.sum(dim=1).tolist(), paths, strict=True):
        assert abs(count - encoder.length(path)) <= 1
