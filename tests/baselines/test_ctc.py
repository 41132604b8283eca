"""The recogniser by CTC: its loss and its decoding against all alignments, what it learns, what may not matter."""

import json
import pickle
from copy import deepcopy
from dataclasses import replace
from itertools import groupby, product
from math import exp, log

import numpy as np
import pytest
import torch

from mmbench.checkpoint import Header, load_tensors, read_weights, save_weights
from mmbench.encoder import EncoderConfig
from mmbench.errors import UsageError
from mmbench.metrics.wer import WER
from mmbench.model import BuildOptions, Configurable, Ready, Stored, Trains, abilities
from mmbench.profile.stage_times import record_stages
from mmbench.registry import registry
from mmbench.sample import Audio, Prediction, Sample
from mmbench_baselines.models.ctc import CTCFactory, ctc
from mmbench_baselines.models.ctc_decoding import LexiconBeam, collapse, word_tree
from mmbench_baselines.models.ctc_model import CTC, CTCConfig
from mmbench_baselines.models.spec_augment import spec_augment
from mmbench_baselines.models.spoken_form import in_words, spoken_form
from mmbench_baselines.models.transcript import transcript
from mmbench_baselines.models.word_bigrams import WordBigrams

RATE = 16_000
TEXTS = ["bad cab", "a bad dad", "cab a dab", "add a cab"]


def spoken(text, rate=RATE):
    """A tone for each character, of its own frequency; a space is silence."""
    times = np.arange(int(0.12 * rate)) / rate
    tones = [np.zeros_like(times) if c == " " else np.sin(2 * np.pi * 400 * (ord(c) - 96) * times) for c in text]
    return Audio((0.3 * np.concatenate(tones)).astype(np.float32), rate)


def said(text, name="0", target=None):
    return Sample(id=name, inputs={"audio": spoken(text)}, target=text if target is None else target)


SAMPLES = [said(text, str(number)) for number, text in enumerate(TEXTS)]


@pytest.fixture
def model():
    torch.manual_seed(0)
    return CTCFactory(lexicon=False, build=BuildOptions(width=16)).create("ctc", ("audio",), SAMPLES).eval()


def outputs(model, samples):
    """The log-probabilities of each sample, [steps, characters], as many as count."""
    with torch.no_grad():
        log_probabilities, lengths = model(model.collate(samples))
    return [each[:length] for each, length in zip(log_probabilities, lengths, strict=True)]


def by_text(log_probabilities):
    """The probability of each collapsed alignment, summed over all alignments."""
    steps, symbols = log_probabilities.shape
    found = {}
    for path in product(range(symbols), repeat=steps):
        text = tuple(symbol for symbol, _ in groupby(path) if symbol)
        found[text] = found.get(text, 0.0) + exp(sum(log_probabilities[t, symbol] for t, symbol in enumerate(path)))
    return found


def random_log_probabilities(seed, steps, symbols):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(steps, symbols, generator=generator, dtype=torch.float64).mul(1.5).log_softmax(dim=1).numpy()


# What is learned


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("There are 66 goats.", "there are sixty six goats"),
        ("It cost $325, and Kevin wouldn't pay.", "it cost three hundred twenty five dollars and kevin wouldn't pay"),
        ("$1, £2.50", "one dollar two pounds fifty"),
        ("In 1984, 85% left.", "in nineteen eighty four eighty five percent left"),
        ("1900, 1905, 2005, 2014", "nineteen hundred nineteen oh five two thousand five twenty fourteen"),
        ("Mrs. King and Dr. Lee, Mr.X", "missus king and doctor lee mr x"),
        ("3rd, 4th, 8th, 12th, 20th, 21st", "third fourth eighth twelfth twentieth twenty first"),
        ("1,234,567", "one million two hundred thirty four thousand five hundred sixty seven"),
        ("3.14 and 007", "three point one four and zero zero seven"),
        ("R&B ‘quoted’ dogs’ it’s 'so'", "r and b quoted dogs it's so"),
        ("Élan – naïve, ПРИВЕТ", "élan naïve привет"),
        ("rock-n-roll  ...  (laughs)", "rock n roll laughs"),
        ("", ""),
        ("?!", ""),
    ],
)  # fmt: skip
def test_transcripts_are_what_is_said_in_letters(written, expected):
    assert transcript(written) == expected


def test_figures_the_spoken_form_does_not_know_are_read_one_by_one():
    assert spoken_form("1234567890123") == "one two three four five six seven eight nine zero one two three"


def test_numbers_in_words_are_all_different():
    assert len({in_words(number) for number in range(2000)}) == 2000
    assert in_words(0) == "zero"
    assert in_words(10**12 - 1).startswith("nine hundred ninety nine billion nine hundred")


def test_characters_and_words_are_those_of_the_training_transcripts():
    made = CTCFactory(lexicon=True).create("ctc", ("audio",), [*SAMPLES, said("a", "5", "Ben's")])
    assert made.config.characters == " 'abcdens"
    assert made.config.bigrams["words"] == ["a", "add", "bad", "ben's", "cab", "dab", "dad"]


def test_targets_are_padded_characters(model):
    batch = model.collate([said("ab"), said("a b c", "1"), said("a", "2", "Zap")])
    assert batch.targets.tolist() == [[2, 3, 0, 0, 0], [2, 1, 3, 1, 4], [2, 0, 0, 0, 0]]
    assert model.collate([said("ab"), replace(said("a"), target=None)]).targets is None
    with pytest.raises(ValueError, match="without targets"):
        model.loss(model.collate([replace(said("a"), target=None)]))


# The loss


def test_loss_is_that_of_all_alignments(model, monkeypatch):
    """For outputs of 4 and 3 steps, against the sum over every path that collapses to the transcript."""
    tables = [random_log_probabilities(seed, 4, 4) for seed in (0, 1)]
    monkeypatch.setattr(model, "forward", lambda batch: (torch.tensor(np.stack(tables)), torch.tensor([4, 3])))
    batch = replace(model.collate(SAMPLES[:2]), targets=torch.tensor([[2, 2, 3], [1, 0, 0]]))
    expected = [-log(by_text(tables[0])[2, 2, 3]), -log(by_text(tables[1][:3])[1,])]
    assert model.loss(batch).item() == pytest.approx(np.mean(expected), rel=1e-9)


def test_loss_leaves_out_what_does_not_fit_and_what_is_missing(model):
    fitting, too_fast, missing = SAMPLES[0], said("a", "1", "bad" * 20), Sample("2", {}, "bad")
    model.train()
    torch.manual_seed(0)
    alone = model.eval().loss(model.collate([fitting]))
    together = model.loss(model.collate([fitting, too_fast, missing]))
    assert together.item() == pytest.approx(alone.item(), rel=1e-5)
    nothing = model.loss(model.collate([too_fast, missing]))
    nothing.backward()
    assert nothing.item() == 0
    assert all(not parameter.grad.any() for parameter in model.parameters())


def test_equal_characters_need_a_blank_between_them(model):
    clip = said("ab", "0", "aaa")  # 24 frames, 6 steps
    assert len(outputs(model, [clip])[0]) == 6
    losses = {
        text: model.loss(model.collate([replace(clip, target=text)])).item() for text in ("aaa", "aaaa", "abcdab")
    }
    assert losses["aaa"] > 0
    assert losses["abcdab"] > 0
    assert losses["aaaa"] == 0  # 7 steps


# Decoding


@pytest.mark.parametrize(
    ("path", "text"),
    [([0, 1, 1, 0, 2, 2], [1, 2]), ([1, 0, 1], [1, 1]), ([1, 1], [1]), ([0, 0], []), ([], []), ([2, 1, 2], [2, 1, 2])],
)  # fmt: skip
def test_collapse(path, text):
    assert collapse(path) == text


@pytest.mark.parametrize("seed", range(25))
def test_beam_finds_the_best_text_of_the_lexicon(seed):
    """Against every alignment of 6 steps over blank, space, a and b, and the bigrams' log-probability of the words."""
    letters = " ab"
    bigrams = WordBigrams.count(["a ab", "ab a", "ba", "b ab"])
    table = random_log_probabilities(seed, 6, 4)
    scores = {}
    for symbols, probability in by_text(table).items():
        text = "".join(letters[symbol - 1] for symbol in symbols)
        words = text.split()
        # A space may end a text, since the beam cannot know that no word follows.
        if text in {" ".join(words), " ".join([*words, ""])} and set(words) <= set(bigrams.words):
            key = tuple(bigrams.words.index(word) for word in words)
            scores[key] = scores.get(key, 0.0) + probability
    for key, probability in scores.items():
        pairs = zip([None, *key], [*key, None], strict=True)
        scores[key] = log(probability) + 0.7 * sum(bigrams.log_probability(*pair) for pair in pairs)
    tree = word_tree([[letters.index(letter) + 1 for letter in word] for word in bigrams.words])
    beam = LexiconBeam(tree, 1, bigrams.log_probability, weight=0.7, width=10_000, least=-np.inf)
    assert tuple(beam(table)) == max(scores, key=scores.get)


def test_beam_of_words_without_a_space_and_of_no_output():
    tree = word_tree([[1, 2], [1]])
    beam = LexiconBeam(tree, None, lambda before, after: 0.0)
    sure = np.log(np.full((4, 3), 1e-4) + np.eye(3)[[1, 0, 2, 2]])
    assert beam(sure) == [0]
    assert beam(np.zeros((0, 3))) == []


def test_beam_that_ends_within_a_word_keeps_the_words_before_it():
    tree = word_tree([[1, 1, 1]])
    sure = np.log(np.full((3, 3), 1e-9) + np.eye(3)[[1, 0, 1]])
    assert LexiconBeam(tree, 2, lambda before, after: 0.0, width=1)(sure) == []


def test_bigrams_of_every_history_sum_to_one():
    bigrams = WordBigrams.count(["a b", "b a b", "c", ""])
    ends = [*range(len(bigrams.words)), None]
    for before in [None, *range(len(bigrams.words))]:
        assert sum(exp(bigrams.log_probability(before, after)) for after in ends) == pytest.approx(1)


def test_bigrams_by_hand():
    """Ends 2, a 2, b 1: P(b) = (1 + 1) / (5 + 3); a is followed twice, by two different ones, once by b."""
    bigrams = WordBigrams.count(["a b", "a"])
    a, b = range(2)
    assert bigrams.log_probability(a, b) == pytest.approx(log((1 + 2 * 2 / 8) / (2 + 2)))
    assert bigrams.log_probability(None, b) == pytest.approx(log((0 + 1 * 2 / 8) / (2 + 1)))
    assert bigrams.unseen == pytest.approx(1 / 3)
    again = WordBigrams.from_json(json.loads(json.dumps(bigrams.to_json())))
    assert again.log_probability(a, None) == bigrams.log_probability(a, None)


# Hiding parts of the spectrogram


def test_spec_augment_hides_stripes_and_changes_nothing_else():
    torch.manual_seed(0)
    frames, mask = torch.rand(8, 100, 40) + 1, torch.ones(8, 100, dtype=torch.bool)
    mask[0, 20:] = False
    hidden = spec_augment(frames, mask)
    there = hidden != 0
    assert torch.equal(hidden[there], frames[there])
    stripes, bands = ~there.any(dim=2), ~there.any(dim=1)
    assert torch.equal(~there, stripes.unsqueeze(2) | bands.unsqueeze(1))
    assert stripes.any()
    assert bands.any()
    assert stripes.sum(dim=1).max() <= 4 * 10
    assert stripes[0].sum() <= 4 * 2
    assert bands.sum(dim=1).max() <= 2 * 10
    assert not stripes[0, 20:].any()


def test_only_training_hides(model):
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        assert torch.equal(model(batch)[0], model(batch)[0])
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout | torch.nn.GRU):
                module.train()
                module.p, module.dropout = 0.0, 0.0
        model.training = True
        assert not torch.equal(model(batch)[0], model(batch)[0])


# The model


def test_it_learns_what_tones_spell():
    """Four utterances to the letter, by characters alone; and the beam writes the same words."""
    torch.manual_seed(0)
    model = CTCFactory(lexicon=True, build=BuildOptions(width=32)).create("ctc", ("audio",), SAMPLES).eval()
    batch = model.collate(SAMPLES)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        optimizer.zero_grad()
        model.loss(batch).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    greedy = CTC("ctc", replace(model.config, bigrams=None)).eval()
    greedy.load_state_dict(model.state_dict())
    with torch.no_grad():
        assert greedy.generate(batch) == TEXTS
        assert model.generate(batch) == TEXTS


def test_a_sample_depends_neither_on_padding_nor_on_neighbours(model):
    samples = [said("a"), *SAMPLES, Sample("missing", {})]
    together = outputs(model, samples)
    for sample, expected in zip(samples, together, strict=True):
        torch.testing.assert_close(outputs(model, [sample])[0], expected, rtol=1e-4, atol=1e-5)
    batch = model.collate(samples)
    junk = torch.where(batch.mask["audio"].unsqueeze(2), batch.inputs["audio"], float("nan"))
    with torch.no_grad():
        changed, lengths = model(replace(batch, inputs={"audio": junk}))
    for row, expected in enumerate(together):
        torch.testing.assert_close(changed[row, : lengths[row]], expected)
    assert changed.isfinite().all()


@pytest.mark.parametrize("lexicon", [True, False])
def test_what_is_missing_or_too_short_for_a_word_has_no_transcript(lexicon):
    torch.manual_seed(0)
    model = CTCFactory(lexicon=lexicon, build=BuildOptions(width=16)).create("ctc", ("audio",), SAMPLES).eval()
    torch.nn.init.constant_(model.output.bias[0], -50)  # no blanks, so that it always writes
    clips = [Audio(np.ones(length, dtype=np.float32), RATE) for length in (1, 100, 700)]
    samples = [Sample("0", {}), *(Sample(str(len(clip.samples)), {"audio": clip}) for clip in clips)]
    with torch.no_grad():
        assert model.generate(model.collate([*samples, SAMPLES[0]]))[:4] == [""] * 4
        assert model.generate(model.collate(samples[:1])) == [""]
        assert model.generate(model.collate(SAMPLES[:1])) != [""] or lexicon


def test_not_a_number_is_no_transcript(model):
    torch.nn.init.constant_(model.output.bias, float("nan"))
    with torch.no_grad(), pytest.raises(ValueError, match="NaN"):
        model.generate(model.collate(SAMPLES))


def test_marks_its_stages(model):
    """None is called `decode`, which is one token of a generator: here a search goes over all steps at once."""
    batch = model.collate(SAMPLES)
    with record_stages() as times:
        model.generate(batch)
    assert list(times.seconds) == ["encode.audio", "head", "search"]


def test_it_keeps_the_contract(model, tmp_path):
    assert registry.load("model", "ctc") is ctc
    assert isinstance(ctc, Configurable)
    assert isinstance(model, Trains)
    assert isinstance(model, Stored)
    assert abilities(model) == ("generate",)
    assert model.length(SAMPLES[0]) == len(outputs(model, SAMPLES[:1])[0])
    assert model.length(Sample("0", {})) == 0


def test_weights_restore_the_model(tmp_path):
    torch.manual_seed(0)
    first = CTCFactory(lexicon=True, build=BuildOptions(width=16, freeze=("audio",))).create("ctc", ("audio",), SAMPLES)
    assert not any(parameter.requires_grad for parameter in first.encoder.parameters())
    save_weights(tmp_path / "ctc.safetensors", first, Header("ctc", first.stored_config(), {}))
    header, tensors = read_weights(tmp_path / "ctc.safetensors")
    again = ctc.restore("ctc", header.config)
    load_tensors(again, tensors, tmp_path)
    for one, other in zip(outputs(first.eval(), SAMPLES), outputs(again.eval(), SAMPLES), strict=True):
        assert torch.equal(one, other)
    assert again.config == first.config
    # And the encoder serves another model.
    build = BuildOptions(width=16, encoders={"audio": f"from:{tmp_path / 'ctc.safetensors'}"})
    other = ctc.configured(build).create("ctc", ("audio",), SAMPLES)
    assert all(torch.equal(a, b) for a, b in zip(other.encoder.parameters(), first.encoder.parameters(), strict=True))


def test_copies_travel_to_loader_processes_and_other_types():
    torch.manual_seed(0)
    model = CTCFactory(lexicon=True, build=BuildOptions(width=16)).create("ctc", ("audio",), SAMPLES).eval()
    for copy in (deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301  # its own
        assert torch.equal(outputs(copy, SAMPLES)[0], outputs(model, SAMPLES)[0])
    half = deepcopy(model).to(torch.bfloat16)
    for one, other in zip(outputs(half, SAMPLES), outputs(model, SAMPLES), strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, rtol=0.1, atol=0.1)
    assert len(half.generate(half.collate(SAMPLES))) == len(SAMPLES)


def test_the_same_seed_gives_the_same_weights():
    def trained():
        torch.manual_seed(3)
        model = CTCFactory(build=BuildOptions(width=8)).create("ctc", ("audio",), SAMPLES)
        optimizer = torch.optim.AdamW(model.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            model.loss(model.collate(SAMPLES)).backward()
            optimizer.step()
        return model.state_dict()

    one, other = trained(), trained()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_parameters_of_the_default_are_as_documented():
    config = CTCConfig({"audio": EncoderConfig("mel-cnn", {"channels": [32, 32]})}, " 'abcdefghijklmnopqrstuvwxyz")
    count = sum(parameter.numel() for parameter in CTC("ctc", config).parameters())
    assert f"{count:,}" in CTC.__doc__
    assert count <= 450_000


# The factory


def test_words_are_sought_where_hardly_any_others_are_to_come():
    often = [said(text, str(number)) for number, text in enumerate(TEXTS * 2)]
    assert ctc.create("ctc", ("audio",), often).config.bigrams is not None
    once = [said("a", str(number), "abcdefghij"[number]) for number in range(10)]
    assert ctc.create("ctc", ("audio",), once).config.bigrams is None


@pytest.mark.parametrize(
    ("spec", "steps"), [(None, 1), ("mel-cnn", 1), ("audio", 1), ("mel-cnn,channels=[8, 8, 8, 8]", 2)]
)
def test_fast_speech_gets_several_outputs_a_token(spec, steps):
    """A character takes 12 frames: tokens are 4, 8 and 16 of them."""
    build = BuildOptions(width=16, encoders={} if spec is None else {"audio": spec})
    made = ctc.configured(build).create("ctc", ("audio",), SAMPLES).eval()
    assert made.config.steps == steps
    assert [len(each) for each in outputs(made, SAMPLES)] == [steps * made.length(sample) for sample in SAMPLES]
    assert all(len(each) >= len(text) for each, text in zip(outputs(made, SAMPLES), TEXTS, strict=True))


@pytest.mark.parametrize("kind", ["wav2vec2-layer", "whisper"])
def test_a_pretrained_encoder_reads_the_sound(saved, kind):
    torch.manual_seed(0)
    build = BuildOptions(width=16, encoders={"audio": f"hf:{saved(kind)}"}, freeze=("audio",))
    made = ctc.configured(build).create("ctc", ("audio",), SAMPLES)
    made.loss(made.collate(SAMPLES)).backward()
    assert not any(parameter.requires_grad for parameter in made.encoder.backbone().parameters())
    assert made.gru.weight_ih_l0.grad.any()
    made.eval()
    samples = [*SAMPLES, Sample("missing", {})]
    for sample, expected in zip(samples, outputs(made, samples), strict=True):
        torch.testing.assert_close(outputs(made, [sample])[0], expected, rtol=1e-3, atol=1e-4)


def test_a_recording_that_cannot_be_read_is_left_to_training(tmp_path):
    samples = [*SAMPLES, Sample("gone", {"audio": tmp_path / "gone.wav"}, "a bad cab")]
    assert ctc.create("ctc", ("audio",), samples).config.steps == 1


def test_factory_refuses_what_it_cannot_set():
    with pytest.raises(UsageError, match="equal-width"):
        ctc.configured(BuildOptions(parameters=1000))
    with pytest.raises(UsageError, match="takes no --representation"):
        ctc.configured(BuildOptions(representation="joint"))
    with pytest.raises(UsageError, match="modality in --encoder 'image'"):
        ctc.configured(BuildOptions(encoders={"image": "cnn"})).create("ctc", ("audio",), SAMPLES)
    with pytest.raises(UsageError, match="no training sample has one"):
        ctc.create("ctc", ("audio",), [replace(SAMPLES[0], target=None)])
    with pytest.raises(UsageError, match="too few tokens for speech"):
        ctc.create("ctc", ("audio",), [said("a", "0", "abc" * 50)])
    with pytest.raises(UsageError, match="of no ctc model"):
        ctc.restore("ctc", {"fusion": "concat"})


# The floor


def test_floor_hears_nothing():
    floor = registry.load("model", "empty-transcript")
    assert isinstance(floor, Ready)
    model = floor.open("empty-transcript")
    assert abilities(model) == ("generate",)
    texts = model.generate(model.collate(SAMPLES))
    assert texts == [""] * 4
    edits = [WER().row(Prediction(text), sample)[:4] for text, sample in zip(texts, SAMPLES, strict=True)]
    assert np.sum(edits, axis=0).tolist() == [0, 11, 0, 0]
