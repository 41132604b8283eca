"""The image encoders by name: the contract, the pixels they read, the architectures they claim."""

import json
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.data.decode import DecodeError
from mmbench.encoder import EncoderConfig
from mmbench.registry import registry
from mmbench_baselines.encoders.cnn import CNN
from mmbench_baselines.encoders.resnet18 import ResNet18
from mmbench_baselines.encoders.vgg16 import VGG16
from mmbench_baselines.encoders.vit import ViT

SMALL = {
    "cnn": {"channels": [4, 4, 8]},
    "resnet18": {"base": 8},
    "vgg16": {"base": 8},
    "vit": {"hidden": 16, "layers": 2},
}
"""Options of a thin encoder of each kind, as JSON has them."""
WIDTH = 8
RNG = np.random.default_rng(0)

every_encoder = pytest.mark.parametrize("name", SMALL)


def picture(width=64, height=64):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


def build(name, width=WIDTH, **options):
    torch.manual_seed(0)
    return EncoderConfig(name, {**SMALL[name], **options}).build(width).eval()


def encode(encoder, values):
    with torch.no_grad():
        return encoder(*encoder.prepare(values))


def parameters(encoder):
    return sum(parameter.numel() for parameter in encoder.parameters())


@every_encoder
def test_contract(name):
    encoder_class = registry.load("encoder", name)
    assert encoder_class.modality == "image"
    assert encoder_class.learn_options([picture()]) == {}
    encoder = build(name)
    assert encoder.length(picture()) == encoder.length(picture(5, 7))
    tokens, there = encode(encoder, [picture(), None, picture()])
    assert tokens.shape == (*there.shape, WIDTH)
    assert (tokens.dtype, there.dtype) == (torch.float32, torch.bool)
    assert there.tolist() == [[wanted] * tokens.shape[1] for wanted in (True, False, True)]
    assert tokens.isfinite().all()


@every_encoder
@pytest.mark.parametrize("width", [1, 7, 64])
def test_any_width(name, width):
    tokens, _ = encode(build(name, width), [picture()])
    assert tokens.shape[2] == width


@every_encoder
def test_prepare_gives_uint8_pixels_and_zeros_where_an_image_is_missing(name):
    pixels, mask = build(name).prepare([None, picture(128, 96), picture(1, 300)])
    assert (pixels.shape, pixels.dtype) == ((3, 3, 64, 64), torch.uint8)
    assert mask.tolist() == [False, True, True]
    assert not pixels[0].any()
    assert pixels[1].any()


@every_encoder
def test_prepare_keeps_the_pixels_of_an_image_of_its_size(name):
    image = picture()
    pixels, _ = build(name).prepare([image])
    assert np.array_equal(pixels[0].permute(1, 2, 0).numpy(), np.asarray(image))


@every_encoder
def test_prepare_does_not_use_the_weights(name):
    encoder = build(name)
    values = [picture(), None]
    expected = encoder.prepare(values)
    # Any use of the weights would give a tensor without values, or an error.
    for tensor, wanted in zip(encoder.to("meta").prepare(values), expected, strict=True):
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, wanted)


@every_encoder
def test_nothing_but_missing_images(name):
    tokens, there = encode(build(name), [None, None])
    assert not there.any()
    assert tokens.isfinite().all()


@every_encoder
def test_training_batch_without_any_image_moves_no_statistics(name):
    encoder = build(name).train()
    before = {key: tensor.clone() for key, tensor in encoder.state_dict().items()}
    tokens, there = encoder(*encoder.prepare([None, None, None]))
    assert tokens.shape == (3, there.shape[1], WIDTH)
    assert not tokens.any()
    assert not there.any()
    assert all(torch.equal(tensor, before[key]) for key, tensor in encoder.state_dict().items())
    assert all(module.training for module in encoder.modules())
    tokens.sum().backward()
    for key, parameter in encoder.named_parameters():
        assert parameter.grad is not None, key
        assert not parameter.grad.any(), key


@every_encoder
@pytest.mark.parametrize("missing", [0, 2])
def test_single_image_whose_map_is_one_pixel_can_be_learned_from(name, missing):
    size = 8 if name == "vit" else 32 if name == "vgg16" else 16
    encoder = build(name, size=size).train()
    tokens, there = encoder(*encoder.prepare([picture(), *[None] * missing]))
    assert there.sum() == tokens.shape[1] == 1
    assert tokens.isfinite().all()
    torch.autograd.backward(tokens, torch.randn_like(tokens) * there.unsqueeze(-1))
    assert all(parameter.grad is not None for parameter in encoder.parameters())


def test_single_image_of_a_larger_map_has_statistics_of_its_own():
    encoder = build("cnn").train()
    encoder(*encoder.prepare([picture(), None]))
    assert encoder.layers[-1][1].num_batches_tracked == 1


@every_encoder
def test_each_image_by_itself(name):
    encoder = build(name)
    images = [picture(), None, picture()]
    together, _ = encode(encoder, images)
    for row, image in enumerate(images):
        torch.testing.assert_close(together[row : row + 1], encode(encoder, [image])[0], rtol=1e-4, atol=1e-5)
    inputs, mask = encoder.prepare(images)
    inputs[1] = 200
    with torch.no_grad():
        junk, there = encoder(inputs, mask)
    torch.testing.assert_close(junk[there], together[there], rtol=1e-4, atol=1e-5)


@every_encoder
def test_different_images_differ(name):
    encoder = build(name)
    one, other = encode(encoder, [Image.new("RGB", (64, 64), "black"), Image.new("RGB", (64, 64), "white")])[0]
    assert not torch.allclose(one, other, atol=1e-3)


@every_encoder
def test_tokens_are_read_row_by_row(name):
    """A change in one corner moves the tokens of that quarter most."""
    # Large for the deep ones: of a small image each of their tokens sees everything.
    size = {"resnet18": 256, "vgg16": 256}.get(name, 64)
    encoder = build(name, size=size)
    image = picture(size, size)
    eighth = size // 8
    for bottom, right in product((0, 1), repeat=2):
        left, top = right * (size - eighth), bottom * (size - eighth)
        changed = image.copy()
        changed.paste((255, 255, 255), (left, top, left + eighth, top + eighth))
        one, other = encode(encoder, [image, changed])[0]
        moved = (one - other).norm(dim=1)
        half = int(len(moved) ** 0.5) // 2
        quarters = moved.reshape(2, half, 2, half).sum(dim=(1, 3))
        assert quarters.argmax() == 2 * bottom + right


@every_encoder
def test_restores_from_its_options(name):
    encoder = build(name)
    images = [picture(), picture()]
    fresh = EncoderConfig(name, json.loads(json.dumps(SMALL[name]))).build(WIDTH).eval()
    assert not torch.equal(encode(fresh, images)[0], encode(encoder, images)[0])
    fresh.load_state_dict(encoder.state_dict())
    assert torch.equal(encode(fresh, images)[0], encode(encoder, images)[0])


@every_encoder
def test_same_seed_same_weights(name):
    one, other = build(name).state_dict(), build(name).state_dict()
    assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())


@every_encoder
def test_every_parameter_learns(name):
    encoder = build(name).train()
    tokens, _ = encoder(*encoder.prepare([picture(), picture()]))
    tokens.square().sum().backward()
    unused = [key for key, parameter in encoder.named_parameters() if parameter.grad is None]
    assert unused == []


@every_encoder
def test_half_precision_weights(name):
    tokens, _ = encode(build(name).to(torch.bfloat16), [picture()])
    assert tokens.dtype == torch.bfloat16
    assert tokens.isfinite().all()


@every_encoder
def test_images_of_every_mode_and_kind(name, tmp_path):
    encoder = build(name)
    gray = picture().convert("L")
    gray.save(tmp_path / "gray.png")
    content = (tmp_path / "gray.png").read_bytes()
    alike = [
        gray,
        gray.convert("RGB"),
        gray.convert("RGBA"),
        gray.convert("LA"),
        gray.convert("I"),
        gray.convert("P"),
        tmp_path / "gray.png",
        str(tmp_path / "gray.png"),
        {"bytes": content, "path": None},
    ]
    pixels, mask = encoder.prepare(alike)
    assert mask.all()
    assert all(torch.equal(one, pixels[0]) for one in pixels)
    modes = ["1", "CMYK", "YCbCr", "HSV", "LAB", "F", "I;16"]
    pixels, mask = encoder.prepare([Image.new(mode, (9, 4), 1) for mode in modes])
    assert (len(pixels), mask.all()) == (len(modes), True)


@every_encoder
def test_damaged_files_are_told(name, tmp_path):
    encoder = build(name)
    picture().save(tmp_path / "whole.png")
    content = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "text.png").write_text("no image")
    for file in ("cut.png", "text.png", "absent.png"):
        with pytest.raises(DecodeError, match=file):
            encoder.prepare([picture(), tmp_path / file])


def test_resnet18_has_the_parameters_of_resnet18():
    def block(before, after):
        shortcut = before * after + 2 * after if before != after else 0
        return 9 * before * after + 9 * after * after + 4 * after + shortcut

    stages = [(64, 64), (64, 128), (128, 256), (256, 512)]
    closed = 3 * 49 * 64 + 2 * 64 + sum(block(before, after) + block(after, after) for before, after in stages)
    with torch.device("meta"):
        assert parameters(ResNet18(512)) == closed == 11_176_512
        assert parameters(ResNet18(64)) == closed + 512 * 64 + 64


def test_vgg16_has_the_parameters_of_vgg16_with_batch_norm():
    channels = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    closed = sum(9 * before * after + after + 2 * after for before, after in pairwise(channels))
    with torch.device("meta"):
        assert parameters(VGG16(512)) == closed == 14_723_136
        assert parameters(VGG16(64)) == closed + 512 * 64 + 64


def test_vit_has_the_parameters_of_its_equation():
    hidden, patches = 64, 64
    layer = 4 * (hidden * hidden + hidden) + 2 * 4 * hidden * hidden + 5 * hidden + 4 * hidden
    closed = (3 * 8 * 8 + 1) * hidden + (1 + patches + 1) * hidden + 4 * layer + 2 * hidden
    assert parameters(ViT(64)) == closed
    assert parameters(ViT(8)) == closed + 64 * 8 + 8


@pytest.mark.parametrize(
    ("encoder_class", "count"), [(ResNet18, 4), (VGG16, 4), (ViT, 64)], ids=["resnet18", "vgg16", "vit"]
)
def test_a_small_image_through_the_default(encoder_class, count):
    assert encode(encoder_class(64).eval(), [picture()])[0].shape == (1, count, 64)


@pytest.mark.parametrize(
    ("name", "size", "count"),
    [("resnet18", 28, 1), ("resnet18", 96, 9), ("resnet18", 1, 1), ("vgg16", 32, 1), ("vgg16", 100, 9), ("vit", 16, 4)],
)
def test_size_sets_the_number_of_tokens(name, size, count):
    assert encode(build(name, size=size), [picture()])[0].shape == (1, count, WIDTH)


def test_vit_takes_the_heads_that_divide_its_width():
    for hidden in (1, 6, 7):
        assert encode(build("vit", hidden=hidden, heads=4), [picture()])[0].shape == (1, 64, WIDTH)


@pytest.mark.parametrize(
    ("encoder_class", "options", "message"),
    [
        (CNN, {"size": 0}, "size must be at least 1, not 0"),
        (CNN, {"size": -5}, "size must be at least 1, not -5"),
        (CNN, {"channels": [4, 0]}, r"channels\[1\] must be at least 1, not 0"),
        (ResNet18, {"base": 0}, "base must be at least 1, not 0"),
        (ResNet18, {"size": 0}, "size must be at least 1, not 0"),
        (VGG16, {"base": -1}, "base must be at least 1, not -1"),
        (VGG16, {"size": 31}, "size must be at least 32, .* not 31"),
        (ViT, {"patch": 7}, "patch must divide size, and 7 does not divide 64"),
        (ViT, {"layers": 0}, "layers must be at least 1, not 0"),
        (ViT, {"heads": 0}, "heads must be at least 1, not 0"),
    ],
)
def test_options_that_cannot_be(encoder_class, options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        encoder_class(WIDTH, **options)
