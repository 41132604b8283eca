"""The encoders: tokens of the common width, masks for what is missing, nothing shared between samples."""

import numpy as np
import pytest
import torch
from PIL import Image

from mmbench.registry import registry
from mmbench_baselines.encoders.cnn import CNN
from mmbench_baselines.encoders.gru import GRU

WIDTH = 8
TEXTS = ["is there a red circle?", "what?", None, "", "zebra zebra"]
RNG = np.random.default_rng(0)


def picture(width=64, height=64):
    return Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.fixture
def gru():
    torch.manual_seed(0)
    return GRU(WIDTH, **GRU.learn_options(TEXTS[:2])).eval()


@pytest.fixture
def cnn():
    torch.manual_seed(0)
    return CNN(WIDTH).eval()


def encode(encoder, values):
    with torch.no_grad():
        return encoder(*encoder.prepare(values))


@pytest.mark.parametrize(("modality", "values"), [("image", [picture(), None]), ("text", TEXTS)])
@pytest.mark.parametrize("kind", ["default", "named"])
def test_registered_encoder_keeps_the_contract(modality, values, kind):
    name = modality if kind == "default" else registry.own_name("encoder", modality)
    encoder_class = registry.load("encoder", name)
    assert encoder_class.modality == modality
    encoder = encoder_class(width=WIDTH, **encoder_class.learn_options(values)).eval()
    inputs, mask = encoder.prepare(values)
    assert len(inputs) == len(mask) == len(values)
    assert mask.dtype == torch.bool
    tokens, there = encode(encoder, values)
    assert tokens.shape == (len(values), there.shape[1], WIDTH)
    assert there.any(dim=1).tolist() == [bool(value) for value in values]
    assert tokens.isfinite().all()


@pytest.mark.parametrize(("encoder", "values"), [("cnn", [picture(), None]), ("gru", TEXTS)])
def test_prepare_stays_on_the_cpu_wherever_the_weights_are(request, encoder, values):
    encoder = request.getfixturevalue(encoder)
    expected = encoder.prepare(values)
    # Any use of the weights would give a tensor without values, or an error.
    for tensor, wanted in zip(encoder.to("meta").prepare(values), expected, strict=True):
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, wanted)


def test_gru_vocabulary_is_that_of_the_training_texts():
    options = GRU.learn_options(["Is it RED?", "a red, red box", None])
    assert options == {"vocabulary": [",", "?", "a", "box", "is", "it", "red"]}


def test_gru_masks_padding_and_what_is_missing(gru):
    indices, mask = gru.prepare(TEXTS)
    assert mask.sum(dim=1).tolist() == [6, 2, 0, 0, 2]
    assert (indices > 0).equal(mask)
    assert mask[1].tolist() == [True, True, False, False, False, False]


def test_gru_of_nothing_but_missing_texts(gru):
    tokens, mask = encode(gru, [None, None])
    assert tokens.shape == (2, 1, WIDTH)
    assert not mask.any()


def test_gru_reads_unknown_words_alike_and_known_ones_not(gru):
    same, other = encode(gru, ["zebra", "yak"])[0], encode(gru, ["circle", "red"])[0]
    assert torch.equal(same[0], same[1])
    assert not torch.allclose(other[0], other[1])


def test_gru_reads_capitals_and_spaces_alike(gru):
    indices, _ = gru.prepare(["Is there a RED circle ?", "is there  a red circle?"])
    assert torch.equal(indices[0], indices[1])


def test_gru_depends_neither_on_padding_nor_on_neighbours(gru):
    together, mask = encode(gru, TEXTS)
    for row, text in enumerate(TEXTS):
        alone, own = encode(gru, [text])
        length = int(own.sum())
        torch.testing.assert_close(together[row, :length], alone[0, :length])
        assert mask[row].sum() == length
    indices, mask = gru.prepare(TEXTS)
    with torch.no_grad():
        junk, _ = gru(torch.where(mask, indices, 3), mask)
    torch.testing.assert_close(junk[mask], together[mask])


def test_gru_reads_the_order_of_words(gru):
    tokens, _ = encode(gru, ["red circle", "circle red"])
    assert not torch.allclose(tokens[0, -1], tokens[1, -1])


def test_length_is_that_of_the_tokens(gru, cnn):
    lengths = [gru.length(text) for text in TEXTS if text is not None]
    assert lengths == [6, 2, 0, 2]
    assert cnn.length(picture()) == cnn.length(picture(5, 7))


def test_gru_restores_from_its_options(gru):
    fresh = GRU(WIDTH, **GRU.learn_options(TEXTS[:2])).eval()
    fresh.load_state_dict(gru.state_dict())
    assert torch.equal(encode(fresh, TEXTS)[0], encode(gru, TEXTS)[0])


def test_cnn_gives_sixteen_tokens_and_resizes(cnn):
    pixels, mask = cnn.prepare([picture(), picture(128, 96), picture(5, 7)])
    assert (pixels.shape, pixels.dtype) == ((3, 3, 64, 64), torch.uint8)
    tokens, there = encode(cnn, [picture(), picture(128, 96)])
    assert tokens.shape == (2, 16, WIDTH)
    assert mask.all()
    assert there.shape == (2, 16)
    assert there.all()


def test_cnn_keeps_the_pixels_of_an_image_of_its_size(cnn):
    image = picture()
    pixels, _ = cnn.prepare([image])
    assert np.array_equal(pixels[0].permute(1, 2, 0).numpy(), np.asarray(image))


def test_cnn_reads_files_and_every_mode(cnn, tmp_path):
    image = picture().convert("L")
    image.save(tmp_path / "gray.png")
    pixels, _ = cnn.prepare([image, image.convert("RGB"), tmp_path / "gray.png", str(tmp_path / "gray.png")])
    assert all(torch.equal(one, pixels[0]) for one in pixels)


def test_cnn_masks_a_missing_image(cnn):
    pixels, mask = cnn.prepare([None, picture(), None])
    assert mask.tolist() == [False, True, False]
    assert not pixels[0].any()
    _, there = encode(cnn, [None, picture()])
    assert there.any(dim=1).tolist() == [False, True]


def test_cnn_treats_each_image_by_itself(cnn):
    images = [picture() for _ in range(4)]
    together, _ = encode(cnn, images)
    for row, image in enumerate(images):
        torch.testing.assert_close(together[row : row + 1], encode(cnn, [image])[0], rtol=1e-4, atol=1e-5)


def test_cnn_tokens_are_read_row_by_row(cnn):
    """A change in the top right corner reaches the tokens of that corner, and not those of the bottom left."""
    image = Image.new("RGB", (64, 64))
    changed = image.copy()
    changed.paste((255, 255, 255), (60, 0, 64, 4))
    one, other = encode(cnn, [image, changed])[0]
    moved = (one - other).abs().amax(dim=1).reshape(4, 4) > 1e-6
    assert moved[0, 3]
    assert not moved[2:, :2].any()


def test_cnn_options_change_its_size():
    cnn = CNN(WIDTH, size=32, channels=(4, 4)).eval()
    assert encode(cnn, [picture()])[0].shape == (1, 16, WIDTH)
