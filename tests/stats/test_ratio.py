"""Ratios of timings side by side, against simulated pairs whose ratio is known."""

import numpy as np
import pytest
from scipy import stats

from mmbench.stats.ratio import ratio_of, share_above, unpaired_ratio_of, without_order


def simulated(rng, ratio, *, pairs=3, blocks=20, between=0.002, within=0.03):
    """Log-ratios of blocks: a ratio of each pair around the true one, blocks around that, one in twenty disturbed."""
    found = []
    for _ in range(pairs):
        noise = rng.normal(0, within, blocks) + (rng.random(blocks) < 0.05) * rng.normal(0, 0.5, blocks)
        found.append(np.log(ratio) + rng.normal(0, between) + noise)
    return found


def test_value_is_the_mean_of_medians():
    found = ratio_of([np.log([1.0, 1.1, 9.0]), np.log([1.2, 1.2, 0.1])])
    assert found.value == pytest.approx(np.sqrt(1.1 * 1.2))
    assert (found.pairs, found.blocks) == (2, 6)
    assert found.low <= found.value <= found.high


@pytest.mark.parametrize("pairs", [3, 6])
@pytest.mark.parametrize(("between", "within"), [(0.002, 0.03), (0.02, 0.01)])
def test_interval_holds_the_truth_at_least_about_as_often_as_it_says(pairs, between, within):
    """Of 300 simulated gates, whether blocks vary more or pairs do."""
    rng = np.random.default_rng(0)
    held = [
        (found := ratio_of(simulated(rng, 1.05, pairs=pairs, between=between, within=within), resamples=300)).low
        <= 1.05
        <= found.high
        for _ in range(300)
    ]
    assert np.mean(held) >= 0.92


def test_a_wider_level_has_a_wider_interval():
    pairs = simulated(np.random.default_rng(1), 1.0)
    narrow, wide = ratio_of(pairs, level=0.8), ratio_of(pairs, level=0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_pairs_that_differ_widen_it_though_their_blocks_agree():
    same = ratio_of([np.full(20, 0.0)] * 3)
    apart = ratio_of([np.full(20, shift) for shift in (-0.05, 0.0, 0.05)])
    assert (same.low, same.high) == (1.0, 1.0)
    assert apart.low < 0.97
    assert apart.high > 1.03


def test_the_same_seed_gives_the_same_interval():
    pairs = simulated(np.random.default_rng(2), 1.0)
    assert ratio_of(pairs, seed=3) == ratio_of(pairs, seed=3) != ratio_of(pairs, seed=4)


@pytest.mark.parametrize("pairs", [[], [np.array([])], [np.array([0.1]), np.array([])]])
def test_nothing_has_no_ratio(pairs):
    with pytest.raises(ValueError, match="needs pairs"):
        ratio_of(pairs)


def test_a_share_above_is_how_sure_it_is():
    pairs = simulated(np.random.default_rng(5), 1.05)
    assert share_above(pairs, np.log(1.0)) > 0.98
    assert share_above(pairs, np.log(1.1)) < 0.02
    found = ratio_of(pairs)
    assert share_above(pairs, np.log(found.low)) >= 0.97


def test_of_a_few_pairs_nothing_is_surer_than_student():
    """`scipy.stats.t`; the resamples alone would say 100 %."""
    pairs = [np.full(20, ratio) for ratio in (0.04, 0.05, 0.06)]
    expected = stats.t.cdf((0.05 - 0.03) / (0.01 / np.sqrt(3)), 2)
    assert share_above(pairs, 0.03) == pytest.approx(expected)
    assert share_above(pairs, 0.07) == pytest.approx(1 - expected)
    assert share_above([np.full(20, 0.05)], 0.03) < 1.0  # a single pair, of whose blocks all are above


def test_unpaired_timings_have_the_ratio_of_their_medians_and_know_no_more_than_their_processes():
    rng = np.random.default_rng(6)
    base = [np.log(0.010) + shift + rng.normal(0, 0.01, 20) for shift in (-0.02, 0.0, 0.02)]
    head = [np.log(0.012) + shift + rng.normal(0, 0.01, 20) for shift in (-0.02, 0.0, 0.02)]
    found = unpaired_ratio_of(base, head)
    assert found.value == pytest.approx(1.2, abs=0.01)
    assert found.low < 1.185
    assert found.high > 1.215
    assert (found.pairs, found.blocks) == (3, 60)
    with pytest.raises(ValueError, match="needs pairs"):
        unpaired_ratio_of(base, [])


def test_an_effect_of_the_order_neither_moves_nor_widens_the_ratio():
    rng = np.random.default_rng(3)
    plain = simulated(rng, 1.04, pairs=5, blocks=40, within=0.004)
    by_order = np.where(np.arange(40) % 2 == 0, -0.02, 0.02)
    moved = [without_order(pair + by_order) for pair in plain]
    known, found, ignored = ratio_of(plain), ratio_of(moved), ratio_of([pair + by_order for pair in plain])
    assert found.value == pytest.approx(known.value, abs=0.0005)
    assert found.high - found.low == pytest.approx(known.high - known.low, rel=0.2)
    assert ignored.high - ignored.low > 1.5 * (found.high - found.low)


def test_blocks_that_tell_nothing_are_left_out_of_their_order():
    found = without_order(np.array([0.1, 0.5, np.nan, 0.7, 0.3]))
    assert sorted(found) == pytest.approx([0.3, 0.3, 0.5, 0.5])
    assert list(without_order(np.array([np.nan, 0.5]))) == [0.5]
    assert len(without_order(np.array([]))) == 0
