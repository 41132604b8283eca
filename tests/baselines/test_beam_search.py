"""Beam search against all texts there are."""

from itertools import product

import pytest
import torch

from mmbench_baselines.models.beam_search import beam_search

START, END = 0, 1


class Chain:
    """Logits of the next word from the last two, drawn at random for each sample; keeps texts as a model would."""

    def __init__(self, samples, beam, words, seed=0):
        generator = torch.Generator().manual_seed(seed)
        self.table = 2 * torch.randn(samples, words, words, words, generator=generator)
        self.table[..., START] = -torch.inf
        self.beam = beam
        self.before = torch.zeros(samples * beam, dtype=torch.int64)

    def __call__(self, rows, last):
        sample = torch.arange(len(rows)) // self.beam
        assert torch.equal(rows // self.beam, sample)  # texts stay with their sample
        before = self.before[rows]
        self.before = last
        return self.table[sample, before, last]

    def log_probability(self, sample, text):
        total, before, last = 0.0, 0, START
        for word in text:
            total += float(self.table[sample, before, last].log_softmax(0)[word])
            if word == END:
                break
            before, last = last, word
        return total


def search(chain, beam, longest):
    samples = len(chain.table)
    texts = beam_search(chain, torch.full((samples, beam), START), END, longest).tolist()
    return [text[: text.index(END) + 1] if END in text else text for text in texts]


@pytest.mark.parametrize("seed", range(5))
def test_wide_enough_it_finds_the_most_probable_text_of_all(seed):
    longest, words = 4, 4
    beam = words**longest
    found = search(Chain(3, beam, words, seed), beam, longest)
    chain = Chain(3, beam, words, seed)
    every = list(product(range(1, words), repeat=longest))
    for sample, text in enumerate(found):
        best = max(chain.log_probability(sample, other) for other in every)
        assert chain.log_probability(sample, text) == pytest.approx(best, abs=1e-5)


def test_beam_of_one_takes_the_most_probable_word_each_time():
    chain = Chain(4, 1, 6)
    for sample, text in enumerate(search(Chain(4, 1, 6), 1, 7)):
        before, last = 0, START
        for word in text:
            assert word == int(chain.table[sample, before, last].argmax())
            before, last = last, word
        assert END not in text[:-1]


def test_wider_is_more_probable_here():
    chain = Chain(20, 1, 8)
    totals = [
        sum(chain.log_probability(sample, text) for sample, text in enumerate(search(Chain(20, beam, 8), beam, 8)))
        for beam in (1, 3, 10)
    ]
    assert totals[0] < totals[1] < totals[2]


def test_samples_do_not_see_each_other():
    together = search(Chain(6, 3, 8), 3, 8)
    for sample, text in enumerate(together):
        chain = Chain(6, 3, 8)
        chain.table, chain.before = chain.table[sample : sample + 1], chain.before[:3]
        assert search(chain, 3, 8) == [text]


def test_no_words_allowed():
    assert beam_search(Chain(2, 3, 5), torch.full((2, 3), START), END, 0).shape == (2, 0)
