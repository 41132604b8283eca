"""Reference: golden vectors; scikit-learn's `label_ranking_average_precision_score` and `ndcg_score`."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import label_ranking_average_precision_score, ndcg_score

from mmbench.metrics.metric import as_columns
from mmbench.metrics.ranking import Relevance, rank_matrix
from mmbench.metrics.retrieval_metric import RetrievalMetric
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample

WAYS = ("image_to_text", "text_to_image")


@pytest.fixture(autouse=True, scope="module")
def threads():
    """One thread: these products are too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def score(similarity, owner):
    """Every metric of both ways, and first-hit ranks, from scores [images, texts] and the image of each text.

    An image's vector is its row of scores, a text's an indicator of itself: their products are the scores.
    """
    images, texts = similarity.shape
    items = [("image", key, similarity[key]) for key in range(images)]
    items += [("text", key, vector) for key, vector in zip(owner, np.eye(texts), strict=True)]
    values = {}
    for way in WAYS:
        for measure in (
            "r_at_1",
            "r_at_5",
            "r_at_10",
            "recall_at_1",
            "recall_at_10",
            "median_rank",
            "map",
            "ndcg_at_10",
        ):
            metric = registry.load("metric", f"{way}_{measure}")()
            if not values:
                rows = [
                    metric.row(Prediction("", vector=vector), Sample("", {}, key, meta={"modality": modality}))
                    for modality, key, vector in items
                ]
                finished = metric.finish(as_columns(metric, rows))
            values[way, measure] = metric.aggregate(finished)
        values[way, "ranks"] = metric.select(finished)["first_hit_rank"].tolist()
    return values


@pytest.mark.shared
def test_golden_vectors(shared):
    """120 directions of 60 cases: ranks, hit rates and medians exactly, mAP to 1e-9 where no scores are equal."""
    cases = json.loads((shared / "golden" / "retrieval.json").read_text(encoding="utf-8"))["cases"]
    assert len(cases) == 60
    compared = 0
    for case in cases:
        found = score(np.array(case["similarity"]), case["caption_image"])
        for way in WAYS:
            expected = case["expected"][way]
            assert found[way, "ranks"] == expected["first_hit_ranks"], case["id"]
            for k in (1, 5, 10):
                assert found[way, f"r_at_{k}"] == expected[f"R@{k}"], case["id"]
            assert found[way, "median_rank"] == expected["median_rank"], case["id"]
            if expected["mAP"] is not None:
                compared += 1
                assert found[way, "map"] == pytest.approx(expected["mAP"], abs=1e-9, rel=0), case["id"]
    assert compared > 60


@st.composite
def cases(draw, scores):
    """Scores [images, texts] and the image of each text; every image has a text."""
    images = draw(st.integers(1, 6))
    owner = [*range(images), *draw(st.lists(st.integers(0, images - 1), max_size=20))]
    numbers = draw(st.lists(scores, min_size=images * len(owner), max_size=images * len(owner)))
    return np.array(numbers, dtype=np.float64).reshape(images, len(owner)), np.array(owner)


def directions(similarity, owner):
    """Scores and relevance, a query a row."""
    relevant = np.arange(len(similarity))[:, None] == owner
    return zip(WAYS, (similarity, similarity.T), (relevant, relevant.T), strict=True)


def reference(scores, relevant):
    """mAP and nDCG@10 by scikit-learn; it refuses nDCG of lists of one, where it is 1."""
    ndcg = ndcg_score(relevant, scores, k=10) if scores.shape[1] > 1 else 1.0
    return label_ranking_average_precision_score(relevant, scores), ndcg


@settings(max_examples=60, deadline=None)
@given(cases(st.just(0.0)), st.integers(0, 2**32 - 1), st.sampled_from([0, -1000]))
def test_distinct_scores_score_as_scikit_learn_does(case, seed, offset):
    """Also where all scores are negative, which some libraries take for no score at all."""
    zeros, owner = case
    similarity = np.random.default_rng(seed).permutation(zeros.size).reshape(zeros.shape) + float(offset)
    found = score(similarity, owner)
    for way, scores, relevant in directions(similarity, owner):
        mean_average_precision, ndcg = reference(scores, relevant)
        assert found[way, "map"] == pytest.approx(mean_average_precision, abs=1e-12)
        assert found[way, "ndcg_at_10"] == pytest.approx(ndcg, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(cases(st.integers(-3, 3)))
def test_equal_scores_score_as_scikit_learn_does_with_relevant_ones_last(case):
    """The ties are broken for scikit-learn: irrelevant items first among equals."""
    similarity, owner = case
    found = score(similarity, owner)
    for way, scores, relevant in directions(similarity, owner):
        order = np.lexsort((relevant, -scores), axis=1)
        places = np.argsort(order, axis=1)
        mean_average_precision, ndcg = reference(-places.astype(float), relevant)
        assert found[way, "map"] == pytest.approx(mean_average_precision, abs=1e-12)
        assert found[way, "ndcg_at_10"] == pytest.approx(ndcg, abs=1e-12)
        top = np.take_along_axis(relevant, order, axis=1)
        for k in (1, 5, 10):
            assert found[way, f"r_at_{k}"] == pytest.approx(top[:, :k].any(axis=1).mean())
        for k in (1, 10):
            recall = top[:, :k].sum(axis=1) / relevant.sum(axis=1)
            assert found[way, f"recall_at_{k}"] == pytest.approx(recall.mean())
        assert found[way, "ranks"] == (1 + top.argmax(axis=1)).tolist()


@settings(max_examples=60, deadline=None)
@given(cases(st.integers(-3, 3)))
def test_equal_scores_never_score_above_scikit_learn_s_rules_for_them(case):
    """It lets relevant items of one score share the precision of the last, and averages nDCG over ties."""
    for _, scores, relevant in directions(*case):
        ranking = rank_matrix(scores, Relevance.of_matrix(relevant))
        mean_average_precision, ndcg = reference(scores, relevant)
        assert ranking.average_precision().mean() <= mean_average_precision + 1e-12
        assert ranking.ndcg(10).mean() <= ndcg + 1e-12


def test_family_is_shared():
    """One row for all 18, so that a vector is stored once."""
    metrics = [registry.load("metric", name) for name in registry.names("metric") if "_to_" in name]
    ours = [metric for metric in metrics if issubclass(metric, RetrievalMetric)]
    assert len(ours) == 18
    assert {metric.family for metric in ours} == {"retrieval"}
    assert {metric.finish for metric in ours} == {RetrievalMetric.finish}
