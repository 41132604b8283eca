"""The text encoders by name: the contract, what they know of words and their order, the pieces of BERT."""

import copy
import json

import numpy as np
import pytest
import torch

from mmbench.encoder import EncoderConfig
from mmbench.registry import registry
from mmbench_baselines.encoders.bert import BERT
from mmbench_baselines.encoders.transformer import Transformer
from mmbench_baselines.encoders.wordpieces import WordPieces, learn_pieces

TRAINING = ["is there a red circle?", "what shape is there?", "Is the circle red, or blue?", None]
TEXTS = ["is there a red circle?", "what?", None, "", "zebra zebra", "  "]
WIDTH = 8

every_encoder = pytest.mark.parametrize("name", ["embedding", "lstm", "gru", "transformer", "bert"])
ordered = pytest.mark.parametrize("name", ["lstm", "gru", "transformer", "bert"])
bounded = pytest.mark.parametrize("name", ["transformer", "bert"])


def build(name, width=WIDTH, training=TRAINING, **options):
    torch.manual_seed(0)
    learned = registry.load("encoder", name).learn_options(training)
    return EncoderConfig(name, {**learned, **options}).build(width).eval()


def encode(encoder, values):
    with torch.no_grad():
        return encoder(*encoder.prepare(values))


def parameters(encoder):
    return sum(parameter.numel() for parameter in encoder.parameters())


@every_encoder
def test_contract(name):
    assert registry.load("encoder", name).modality == "text"
    encoder = build(name)
    inputs, mask = encoder.prepare(TEXTS)
    assert (inputs.shape, mask.dtype) == (mask.shape, torch.bool)
    tokens, there = encode(encoder, TEXTS)
    assert torch.equal(there, mask)
    assert tokens.shape == (*mask.shape, WIDTH)
    assert there.any(dim=1).tolist() == [True, True, False, False, True, False]
    assert tokens.isfinite().all()


@every_encoder
@pytest.mark.parametrize("width", [1, 7, 64])
def test_any_width(name, width):
    tokens, _ = encode(build(name, width), TEXTS)
    assert tokens.shape[2] == width
    assert tokens.isfinite().all()


@every_encoder
def test_length_is_the_number_of_tokens(name):
    encoder = build(name)
    _, mask = encoder.prepare(TEXTS)
    assert [encoder.length(text or "") for text in TEXTS] == mask.sum(dim=1).tolist()


@every_encoder
def test_padding_is_on_the_right(name):
    _, mask = build(name).prepare(TEXTS)
    for row in mask.tolist():
        assert row == sorted(row, reverse=True)


@every_encoder
def test_depends_neither_on_padding_nor_on_neighbours(name):
    encoder = build(name)
    together, mask = encode(encoder, TEXTS)
    for row, text in enumerate(TEXTS):
        alone, own = encode(encoder, [text])
        length = int(own.sum())
        assert mask[row].sum() == length
        torch.testing.assert_close(together[row, :length], alone[0, :length], rtol=1e-4, atol=1e-5)


@every_encoder
def test_nothing_under_the_mask_matters(name):
    encoder = build(name)
    inputs, mask = encoder.prepare(TEXTS)
    with torch.no_grad():
        tokens, _ = encoder(inputs, mask)
        junk, _ = encoder(torch.where(mask, inputs, 3), mask)
    assert junk.isfinite().all()
    torch.testing.assert_close(junk[mask], tokens[mask], rtol=1e-4, atol=1e-5)


@every_encoder
def test_nothing_but_missing_texts(name):
    tokens, mask = encode(build(name), [None, None])
    assert tokens.shape == (2, 1, WIDTH)
    assert tokens.isfinite().all()
    assert not mask.any()


@every_encoder
def test_missing_texts_leave_the_gradients_finite(name):
    encoder = build(name).train()
    tokens, mask = encoder(*encoder.prepare(["what circle?", None]))
    tokens[mask].square().sum().backward()
    gradients = {key: parameter.grad for key, parameter in encoder.named_parameters()}
    assert [key for key, gradient in gradients.items() if gradient is None] == []
    assert all(gradient.isfinite().all() for gradient in gradients.values())


@every_encoder
def test_prepare_does_not_use_the_weights(name):
    encoder = build(name)
    expected = encoder.prepare(TEXTS)
    # Any use of the weights would give a tensor without values, or an error.
    for tensor, wanted in zip(encoder.to("meta").prepare(TEXTS), expected, strict=True):
        assert tensor.device.type == "cpu"
        assert torch.equal(tensor, wanted)


@every_encoder
def test_restores_from_its_options(name):
    encoder_class = registry.load("encoder", name)
    encoder = build(name)
    options = json.loads(json.dumps(encoder_class.learn_options(TRAINING)))
    fresh = EncoderConfig(name, options).build(WIDTH).eval()
    assert not torch.equal(encode(fresh, TEXTS)[0], encode(encoder, TEXTS)[0])
    fresh.load_state_dict(encoder.state_dict())
    assert torch.equal(encode(fresh, TEXTS)[0], encode(encoder, TEXTS)[0])


@every_encoder
def test_same_seed_same_weights(name):
    one, other = build(name).state_dict(), build(name).state_dict()
    assert all(torch.equal(tensor, other[key]) for key, tensor in one.items())


@every_encoder
def test_can_be_copied_to_other_processes(name):
    encoder = build(name)
    assert torch.equal(encode(copy.deepcopy(encoder), TEXTS)[0], encode(encoder, TEXTS)[0])


@every_encoder
def test_options_depend_on_the_texts_alone(name):
    learn = registry.load("encoder", name).learn_options
    assert learn(TRAINING) == learn([*reversed(TRAINING), *TRAINING]) == learn(iter(TRAINING))


@every_encoder
@pytest.mark.parametrize("training", [[], [None], [""]], ids=["no text", "missing", "empty"])
def test_no_training_texts(name, training):
    assert registry.load("encoder", name).learn_options(training) == {"vocabulary": []}
    tokens, mask = encode(build(name, training=training), ["red circle", None])
    assert mask.tolist() == [[True, True], [False, False]]
    assert tokens.isfinite().all()


@every_encoder
def test_texts_of_any_characters(name):
    odd = ["日本 語", "\U0001f600!", "half a pair: \ud83d", "nul\0 and \x1b", "e\u0301\u200d\u2028"]
    tokens, mask = encode(build(name, training=[*TRAINING, *odd]), [*odd, "ß" * 300])
    assert mask.any(dim=1).all()
    assert tokens.isfinite().all()


@every_encoder
def test_reads_capitals_and_spaces_alike(name):
    indices, _ = build(name).prepare(["Is there a RED circle ?", "is there  a red circle?"])
    assert torch.equal(indices[0], indices[1])


@every_encoder
def test_different_words_differ(name):
    one, other = encode(build(name), ["red", "blue"])[0]
    assert not torch.allclose(one[0], other[0], atol=1e-4)


@pytest.mark.parametrize("name", ["embedding", "lstm", "gru", "transformer"])
def test_unknown_words_share_one_embedding(name):
    encoder = build(name)
    assert encoder.prepare(["zebra yak"])[0].tolist() == [[1, 1]]
    assert registry.load("encoder", name).learn_options(["A red, red box.", None]) == {
        "vocabulary": [",", ".", "a", "box", "red"]
    }


def test_a_bag_of_embeddings_knows_no_order():
    tokens, mask = encode(build("embedding"), ["is there a red circle?", "red there circle a ? is"])
    one, other = (sorted(row[there].tolist()) for row, there in zip(tokens, mask, strict=True))
    assert one == other


@ordered
def test_the_others_know_the_order_of_words(name):
    tokens, mask = encode(build(name), ["is there a red circle?", "red there circle a ? is"])
    means = [row[there].mean(dim=0) for row, there in zip(tokens, mask, strict=True)]
    assert not torch.allclose(*means, atol=1e-4)


@ordered
def test_a_word_is_read_in_its_context(name):
    tokens, _ = encode(build(name), ["is red", "there red"])
    assert not torch.allclose(tokens[0, -1], tokens[1, -1], atol=1e-4)


@bounded
def test_a_long_text_is_cut_at_the_last_position(name):
    encoder = build(name, positions=3)
    long, exact = "is there a red circle", "is there a"
    assert encoder.length(long) == encoder.length(exact) == 3
    tokens, mask = encode(encoder, [long, exact])
    assert mask.all()
    assert torch.equal(tokens[0], tokens[1])
    assert encode(encoder, ["is"])[0].shape == (1, 1, WIDTH)


@pytest.mark.parametrize("name", ["embedding", "lstm", "gru"])
def test_the_others_read_a_long_text_whole(name):
    assert encode(build(name), ["circle " * 2000])[0].shape == (1, 2000, WIDTH)


def test_the_transformer_has_the_parameters_of_its_equation():
    words = len(Transformer.learn_options(TRAINING)["vocabulary"])
    for width, layers, expansion in [(64, 2, 2), (7, 3, 1)]:
        encoder = build("transformer", width, layers=layers, expansion=expansion, positions=10)
        block = (4 + 2 * expansion) * width**2 + (8 + expansion) * width
        assert parameters(encoder) == (words + 2 + 10) * width + layers * block + 2 * width


def test_bert_projects_where_widths_differ():
    same, narrow = (parameters(build("bert", width)) for width in (64, 5))
    assert narrow == same + 64 * 5 + 5


def test_bert_takes_the_heads_that_divide_its_width():
    for hidden in (1, 6, 7):
        assert encode(build("bert", hidden=hidden), TEXTS)[0].shape[2] == WIDTH


def test_bert_drops_activations_in_training_only():
    encoder = build("bert")
    inputs = encoder.prepare(["is there a red circle?"])
    assert torch.equal(encoder(*inputs)[0], encoder(*inputs)[0])
    encoder.train()
    assert not torch.equal(encoder(*inputs)[0], encoder(*inputs)[0])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("transformer", {"heads": 0}, "heads must be at least 1, not 0"),
        ("transformer", {"positions": 0}, "positions must be at least 1, not 0"),
        ("bert", {"layers": 0}, "layers must be at least 1, not 0"),
        ("bert", {"hidden": -3}, "hidden must be at least 1, not -3"),
    ],
)
def test_options_that_cannot_be(name, options, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        registry.load("encoder", name)(WIDTH, vocabulary=["a"], **options)


def test_pieces_are_the_longest_that_fit():
    pieces = WordPieces(["##b", "##c", "##cd", "a", "ab"], unknown=1)
    assert pieces.indices("abcd") == [6, 4]
    assert pieces.indices("ac ABC") == [5, 3, 6, 3]
    assert pieces.indices("áb") == [6]  # accents are left out
    assert pieces.indices("abx cb a" + 100 * "b") == [1, 1, 1]
    assert pieces.indices("[UNK]") == [1, 1, 1]  # as a word in brackets, not as the token


def test_pieces_spell_every_training_word_and_frequent_words_whole():
    texts = ["the lowest tide", "the lower tower", "the newest flower", "newer, wider", "low", "tide"]
    pieces = WordPieces(learn_pieces(texts, most=200, characters=100), unknown=1)
    assert all(1 not in pieces.indices(text) for text in texts)
    assert len(pieces.indices("the")) == 1
    assert 1 not in pieces.indices("swedes")  # of characters that stood in the same places
    assert len(pieces.indices("quiz the")) == 2
    assert pieces.indices("quiz the")[0] == 1


def test_pieces_are_limited_in_number_and_characters():
    texts = [" ".join(f"{one}{other}" for other in "abcdefgh") for one in "abcdefgh"]
    twice = [*texts, *(f"{text}." for text in texts)]
    assert len(learn_pieces(twice, most=40, characters=9)) == 40
    assert len(learn_pieces(texts, most=40, characters=9)) == 16  # of pairs that stand together once, none is taken
    few = learn_pieces(["aaaa aab abc", "ab a"], most=40, characters=2)
    assert set("".join(few)) == {"#", "a", "b"}


def test_pieces_are_the_same_each_time():
    """Of many pieces equally frequent, whose order the library leaves to chance."""
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghijklmnopé"), 8)) for _ in range(500)]
    first = learn_pieces(texts, most=200, characters=12)
    assert len(first) == 200
    for _ in range(4):
        rng.shuffle(texts)
        assert learn_pieces(texts, most=200, characters=12) == first


def test_bert_learns_pieces_of_the_training_texts():
    options = BERT.learn_options(TRAINING)
    assert options["vocabulary"] == sorted(options["vocabulary"])
    assert {"is", "##e", "?", "a"} <= set(options["vocabulary"])
    encoder = BERT(WIDTH, **options)
    assert encoder.length("is?") == 2
    assert encoder.prepare(["is жж"])[0][0, 1] == 1
