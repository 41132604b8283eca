"""Positions, against the formula of Vaswani et al. 2017."""

import math

import pytest
import torch

from mmbench_baselines.positions import sinusoids


@pytest.mark.parametrize(("width", "base"), [(8, 10_000.0), (8, 1000.0), (5, 10_000.0)])
def test_they_are_those_of_the_paper(width, base):
    half = math.ceil(width / 2)
    expected = [
        [f(t / base ** (i / half)) for f in (math.sin, math.cos) for i in range(half)][:width] for t in range(50)
    ]
    torch.testing.assert_close(sinusoids(50, width, base), torch.tensor(expected), atol=1e-5, rtol=0)


def test_a_longer_sequence_begins_as_a_shorter_one():
    assert torch.equal(sinusoids(100, 16)[:20], sinusoids(20, 16))
