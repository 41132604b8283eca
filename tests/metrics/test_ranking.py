"""Ranks against a sort of every list by hand; ties, NaN, and the independence of chunks, blocks and places."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmbench.metrics import ranking as core
from mmbench.metrics.ranking import Ranking, Relevance, rank_matrix, rank_vectors

KINDS = st.sampled_from([[-1.0, 0.0, 1.0], [-3.0, -2.5, -2.0, -1.0], [0.0], [-0.0, 0.0, -np.inf, np.inf]])


@pytest.fixture(autouse=True)
def threads():
    """One thread; the machine's cores are shared."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def by_hand(scores, relevant):
    """Ranks of the relevant items in a list sorted by falling score, irrelevant ones first among equals."""
    listed = sorted(zip(-scores, relevant, strict=True))
    return [rank for rank, (_, own) in enumerate(listed, start=1) if own]


@st.composite
def problems(draw):
    """Scores [Q, N] with many ties, and a relevant item at least in each row."""
    shape = (draw(st.integers(1, 5)), draw(st.integers(1, 40)))
    scores = draw(hnp.arrays(np.float32, shape, elements=st.sampled_from(draw(KINDS))))
    relevant = draw(hnp.arrays(np.bool_, shape))
    relevant[np.arange(shape[0]), draw(hnp.arrays(np.int64, shape[0], elements=st.integers(0, shape[1] - 1)))] = True
    return scores, relevant


@settings(max_examples=200, deadline=None)
@given(problems())
def test_ranks_are_those_of_a_list_sorted_by_hand(problem):
    scores, relevant = problem
    ranking = rank_matrix(scores, Relevance.of_matrix(relevant))
    expected = [by_hand(*row) for row in zip(scores, relevant, strict=True)]
    assert ranking.counts.tolist() == [len(ranks) for ranks in expected]
    assert ranking.ranks.tolist() == [rank for ranks in expected for rank in ranks]
    assert ranking.first_hit().tolist() == [ranks[0] for ranks in expected]
    for k in (1, 5, 10):
        assert ranking.hits(k).tolist() == [sum(rank <= k for rank in ranks) for ranks in expected]


def test_many_relevant_items_rank_as_few_do(monkeypatch):
    """Beyond a number of relevant items the scores are sorted instead of compared with each."""
    rng = np.random.default_rng(0)
    scores = rng.integers(-5, 5, size=(6, 300)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.05] = np.nan
    relevance = Relevance.of_matrix(rng.random(scores.shape) < np.linspace(0.02, 0.9, 6)[:, None])
    found = []
    for few in (0, 16, 300):
        monkeypatch.setattr(core, "_FEW", few)
        found.append(rank_matrix(scores, relevance).ranks.tolist())
    assert found[0] == found[1] == found[2]


def test_constant_scores_are_the_worst():
    relevance = Relevance.of_matrix(np.eye(3, 8, dtype=bool) | np.eye(3, 8, k=1, dtype=bool))
    assert rank_matrix(np.full((3, 8), 0.5), relevance).ranks.tolist() == [7, 8] * 3


def test_scores_are_compared_in_float32():
    """Two doubles that float32 cannot tell apart are a tie."""
    relevance = Relevance.of_matrix(np.array([[True, False]]))
    assert rank_matrix(np.array([[1.0 + 1e-9, 1.0]]), relevance).ranks.tolist() == [2]
    assert rank_matrix(np.array([[1.0 + 1e-6, 1.0]]), relevance).ranks.tolist() == [1]


@pytest.mark.parametrize(
    ("scores", "ranks"),
    [
        ([np.nan, 0.0, 1.0], [3]),
        ([-9.0, np.nan, -10.0], [2]),
        ([np.nan, np.nan, np.nan], [3]),
        ([1.0, np.nan, 0.0], [2]),
    ],
)
def test_nan_is_never_to_a_query_s_favour(scores, ranks):
    relevance = Relevance.of_matrix(np.array([[True, False, False]]))
    assert rank_matrix(np.array([scores]), relevance).ranks.tolist() == ranks


def test_given_scores_are_left_alone():
    scores = np.array([[np.nan, 1.0, 0.0]], dtype=np.float32)
    scores.flags.writeable = False
    rank_matrix(scores, Relevance.of_matrix(np.array([[True, True, False]])))
    np.testing.assert_array_equal(scores, [[np.nan, 1.0, 0.0]])


def test_a_query_without_a_relevant_item_is_refused():
    relevance = Relevance.of_matrix(np.array([[True, False], [False, False]]))
    with pytest.raises(ValueError, match="query 1 has no relevant item"):
        rank_matrix(np.zeros((2, 2)), relevance)


def test_vectors_of_different_lengths_are_refused():
    relevance = Relevance.by_key([0], [0])
    with pytest.raises(ValueError, match="queries have 3 numbers each, the gallery has 4"):
        rank_vectors(np.zeros((1, 3), dtype=np.float32), np.zeros((1, 4), dtype=np.float32), relevance)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_relevance_by_key_is_equality_of_keys(wanted, offered):
    relevance = Relevance.by_key(wanted, offered)
    expected = [[position for position, key in enumerate(offered) if key == own] for own in wanted]
    assert relevance.counts.tolist() == [len(items) for items in expected]
    assert [sorted(items.tolist()) for items in relevance.by_query()] == expected


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.just(3)), elements=st.integers(-2, 2).map(float)),
    hnp.arrays(np.float32, st.tuples(st.integers(1, 150), st.just(3)), elements=st.integers(-2, 2).map(float)),
    st.data(),
)
def test_vectors_rank_as_the_matrix_of_their_products(queries, gallery, data):
    """Small whole numbers, whose products are exact in any order."""
    keys = data.draw(st.lists(st.integers(0, len(gallery) - 1), min_size=len(queries), max_size=len(queries)))
    relevance = Relevance.by_key(keys, np.arange(len(gallery)))
    expected = rank_matrix(queries @ gallery.T, relevance)
    assert rank_vectors(queries, gallery, relevance).ranks.tolist() == expected.ranks.tolist()


def random_vectors(n, dimension, seed):
    return np.random.default_rng(seed).standard_normal((n, dimension), dtype=np.float32)


@pytest.mark.parametrize("dimension", [1, 7, 64, 300])
def test_neither_chunks_nor_blocks_nor_threads_change_a_rank(dimension, monkeypatch):
    """Noisy vectors of which every tenth occurs twice, one of the two relevant: any other rounding moves a rank."""
    gallery = random_vectors(700, dimension, 0)
    gallery[1::10] = gallery[0::10]
    queries = random_vectors(333, dimension, 1)
    relevance = Relevance.by_key(np.arange(333) * 2, np.arange(700))
    expected = rank_vectors(queries, gallery, relevance).ranks
    for memory in (1, 64 * 704 * 4, 200 * 704 * 4):
        assert (rank_vectors(queries, gallery, relevance, memory=memory).ranks == expected).all()
    monkeypatch.setattr("mmbench.metrics.similarity._BLOCK", 128)
    assert (rank_vectors(queries, gallery, relevance).ranks == expected).all()
    torch.set_num_threads(2)
    assert (rank_vectors(queries, gallery, relevance).ranks == expected).all()
    for single in (0, 17, 332):
        one = Relevance.by_key([2 * single], np.arange(700))
        assert rank_vectors(queries[[single]], gallery, one).ranks == expected[single]


@pytest.mark.parametrize("candidates", [1, 2, 63, 64, 65, 1000, 4100])
@pytest.mark.parametrize("dimension", [1, 5, 17, 256, 1000])
def test_a_model_that_gives_one_vector_to_all_is_the_worst(candidates, dimension):
    """A product of matrices rounds by place unless it is cut into whole tiles; then equal vectors would not tie."""
    query, item = random_vectors(2, dimension, candidates)
    queries, gallery = np.tile(query, (3, 1)), np.tile(item, (candidates, 1))
    relevance = Relevance.by_key([0, candidates // 2, candidates - 1], np.arange(candidates))
    assert rank_vectors(queries, gallery, relevance).first_hit().tolist() == [candidates] * 3


def test_vectors_may_be_a_file_that_is_only_read(tmp_path):
    gallery = random_vectors(128, 4, 0)
    np.save(tmp_path / "gallery.npy", gallery)
    mapped = np.load(tmp_path / "gallery.npy", mmap_mode="r")
    relevance = Relevance.by_key(np.arange(64), np.arange(128))
    expected = rank_vectors(gallery[:64], gallery, relevance).ranks
    assert (rank_vectors(mapped[:64], mapped, relevance).ranks == expected).all()


def test_no_queries_give_no_ranks():
    empty = np.zeros((0, 3), dtype=np.float32)
    for gallery in (empty, np.zeros((5, 3), dtype=np.float32)):
        ranking = rank_vectors(empty, gallery, Relevance.by_key([], np.arange(len(gallery))))
        assert len(ranking.ranks) == len(ranking.first_hit()) == len(ranking.ndcg(10)) == 0


def test_measures_by_hand():
    """Relevant items at ranks 2 and 3 of one query, at 1, 4 and 11 of another."""
    ranking = Ranking(np.array([2, 3, 1, 4, 11]), np.array([2, 3]))
    assert ranking.first_hit().tolist() == [2, 1]
    assert [ranking.hits(k).tolist() for k in (1, 5, 10, 11)] == [[0, 1], [2, 2], [2, 2], [2, 3]]
    np.testing.assert_allclose(ranking.average_precision(), [(1 / 2 + 2 / 3) / 2, (1 + 2 / 4 + 3 / 11) / 3])
    discounts = 1 / np.log2(np.arange(2, 13))
    first = (discounts[1] + discounts[2]) / discounts[:2].sum()
    second = (discounts[0] + discounts[3]) / discounts[:3].sum()
    np.testing.assert_allclose(ranking.ndcg(10), [first, second])


def test_more_relevant_items_than_k_can_reach_an_ndcg_of_one():
    ranking = Ranking(np.arange(1, 21), np.array([20]))
    assert ranking.ndcg(10) == pytest.approx([1.0])
