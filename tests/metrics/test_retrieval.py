"""The family's rows, what becomes of them, and each metric by hand; tests/reference compares with scikit-learn."""

import base64

import numpy as np
import pytest

from mmbench.metrics.metric import ERROR, as_columns, score_all
from mmbench.metrics.retrieval import (
    ImageToTextMAP,
    ImageToTextMedianRank,
    ImageToTextNDCGAt10,
    ImageToTextRAt1,
    ImageToTextRAt5,
    ImageToTextRecallAt1,
    ImageToTextRecallAt5,
    TextToImageMedianRank,
    TextToImageRAt1,
    TextToImageRecallAt1,
)
from mmbench.registry import registry
from mmbench.sample import Prediction, Sample

WAYS = ("image_to_text", "text_to_image")
MEASURES = {
    "r_at_1",
    "r_at_5",
    "r_at_10",
    "recall_at_1",
    "recall_at_5",
    "recall_at_10",
    "median_rank",
    "map",
    "ndcg_at_10",
}
NAMES = sorted(f"{way}_{measure}" for way in WAYS for measure in MEASURES)


def sample(modality, key):
    return Sample(f"{modality}/{key}", {}, key, meta={"modality": modality})


def row(modality, key, vector):
    return ImageToTextRAt1().row(Prediction("", vector=np.array(vector, dtype=np.float32)), sample(modality, key))


# Image a points along x, image b along y. Of the texts of a the first is nearest to a, the second is nearer to b than
# b's own text is; c's image failed, so its text is there and belongs to nobody.
ROWS = [
    row("image", "a", [1.0, 0.0]),
    row("image", "b", [0.0, 1.0]),
    row("text", "a", [1.0, 0.2]),
    row("text", "a", [0.1, 1.0]),
    row("text", "b", [0.3, 0.8]),
]
ORPHAN = row("text", "c", [0.5, 0.9])


def test_all_are_registered_and_named_by_direction_measure_and_k():
    for name in NAMES:
        metric = registry.load("metric", name)()
        assert metric.name == name
        assert metric.family == "retrieval"
        assert metric.query == name.partition("_to_")[0]
        assert metric.higher_is_better == ("median_rank" not in name)
        assert metric.proportion == ("_r_at_" in name)
        assert registry.entry("metric", name).summary.endswith(".")


def test_row_is_modality_key_and_vector_as_base64():
    prediction = Prediction("", vector=np.array([0.5, -2.0], dtype=np.float32))
    modality, key, text = TextToImageRAt1().row(prediction, sample("text", 7))
    assert (modality, key) == ("text", "7")
    assert base64.b64decode(text) == np.array([0.5, -2.0], dtype="<f4").tobytes()


def test_vector_may_be_a_list_as_a_file_of_predictions_has_it():
    assert TextToImageRAt1().row(Prediction("", vector=[1, 0.5]), sample("text", "a")) == row("text", "a", [1, 0.5])


@pytest.mark.parametrize(
    ("vector", "meta", "target", "message"),
    [
        (None, {"modality": "image"}, "a", "there is no vector"),
        ([1.0, np.nan], {"modality": "image"}, "a", "NaN or too large"),
        ([-np.inf], {"modality": "image"}, "a", "NaN or too large"),
        ([1e300, 0.0], {"modality": "image"}, "a", "NaN or too large"),
        ([1e25, 1e25], {"modality": "image"}, "a", "NaN or too large"),
        ([], {"modality": "image"}, "a", r"expected a vector, found numbers of shape \[0\]"),
        ([[1.0], [2.0]], {"modality": "image"}, "a", r"shape \[2, 1\]"),
        (["x"], {"modality": "image"}, "a", "could not convert string to float"),
        ([1.0], {}, "a", "expected image or text as the item's meta 'modality', found None"),
        ([1.0], {"modality": "audio"}, "a", "found 'audio'"),
        ([1.0], {"modality": "image"}, None, "no target"),
    ],
)
def test_row_refuses_what_cannot_be_ranked(vector, meta, target, message):
    with pytest.raises(ValueError, match=message):
        ImageToTextMAP().row(Prediction("", vector=vector), Sample("s", {}, target, meta=meta))


def test_finished_rows_have_places_and_no_vectors():
    found = ImageToTextRAt1().finish(as_columns(ImageToTextRAt1(), ROWS))
    assert {name: values.tolist() for name, values in found.items()} == {
        "modality": ["image", "image", "text", "text", "text"],
        "key": ["a", "b", "a", "a", "b"],
        "first_hit_rank": [1, 2, 1, 2, 1],
        "relevant": [2, 1, 1, 1, 1],
        "hits_1": [1, 0, 1, 0, 1],
        "hits_5": [2, 1, 1, 1, 1],
        "hits_10": [2, 1, 1, 1, 1],
        "average_precision": pytest.approx([(1 + 2 / 3) / 2, 0.5, 1.0, 0.5, 1.0]),
        "ndcg_10": pytest.approx([(1 + 1 / 2) / (1 + 1 / np.log2(3)), 1 / np.log2(3), 1, 1 / np.log2(3), 1]),
        "candidates": [3, 3, 2, 2, 2],
        ERROR: [None] * 5,
    }


def test_values_by_hand():
    """A hit rate counts queries with a hit, recall the share of relevant items that are found."""
    values = {metric: score_all(metric(), ROWS) for metric in (ImageToTextRAt1, ImageToTextRAt5, TextToImageRAt1)}
    assert values == {ImageToTextRAt1: 0.5, ImageToTextRAt5: 1.0, TextToImageRAt1: 2 / 3}
    assert score_all(ImageToTextRecallAt1(), ROWS) == 0.25
    assert score_all(ImageToTextRecallAt5(), ROWS) == 1.0
    assert score_all(TextToImageRecallAt1(), ROWS) == 2 / 3
    assert score_all(ImageToTextMAP(), ROWS) == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert score_all(ImageToTextMedianRank(), ROWS) == 1.5
    assert score_all(TextToImageMedianRank(), ROWS) == 1.0


def test_order_of_rows_changes_nothing():
    order = [4, 0, 3, 2, 1]
    for name in NAMES:
        metric = registry.load("metric", name)()
        assert score_all(metric, [ROWS[index] for index in order]) == pytest.approx(score_all(metric, ROWS))


def test_item_whose_counterpart_is_missing_is_told_and_stays_a_candidate():
    found = TextToImageRAt1().finish(as_columns(TextToImageRAt1(), [*ROWS, ORPHAN]))
    assert found[ERROR].tolist() == [None] * 5 + ["no image that is relevant to it was scored"]
    assert found["first_hit_rank"].tolist() == [1, 3, 1, 2, 1, None]
    assert found["candidates"].tolist() == [4, 4, 2, 2, 2, None]
    with pytest.raises(ValueError, match="no image that is relevant to it was scored"):
        score_all(TextToImageRAt1(), [*ROWS, ORPHAN])


def test_one_modality_alone_cannot_be_scored():
    found = TextToImageRAt1().finish(as_columns(TextToImageRAt1(), ROWS[:2]))
    assert found[ERROR].tolist() == ["no text that is relevant to it was scored"] * 2


def test_vector_of_another_length_is_told_and_is_no_candidate():
    found = TextToImageRAt1().finish(as_columns(TextToImageRAt1(), [*ROWS, row("text", "b", [1.0, 2.0, 3.0])]))
    assert found[ERROR].tolist() == [None] * 5 + ["it has a vector of 3 numbers; most have 2"]
    assert found["candidates"].tolist()[:2] == [3, 3]


def test_items_left_alone_by_a_vector_of_another_length_are_told_so():
    rows = [*ROWS, row("image", "c", [0.1, 0.1]), row("image", "d", [0.2, 0.1]), row("text", "c", [1.0, 2.0, 3.0])]
    assert TextToImageRAt1().finish(as_columns(TextToImageRAt1(), rows))[ERROR].tolist() == [
        *[None] * 5,
        "the text that is relevant to it has a vector of 3 numbers; most have 2",
        "no text that is relevant to it was scored",
        "it has a vector of 3 numbers; most have 2",
    ]


def test_equal_texts_of_two_images_are_two_items():
    rows = [row("image", key, vector) for key, vector in (("a", [1.0, 0.1]), ("b", [1.0, 0.2]))]
    rows += [row("text", key, [1.0, 0.0]) for key in ("a", "b")]
    found = TextToImageRAt1().finish(as_columns(TextToImageRAt1(), rows))
    assert found["first_hit_rank"].tolist() == [2, 2, 2, 2]


def test_no_rows_give_nan():
    for name in NAMES:
        assert np.isnan(score_all(registry.load("metric", name)(), []))


@pytest.mark.parametrize("ranks", [[3], [1, 1, 1], [7, 1], [5, 2, 9, 2], [1, 1, 4, 8, 8], [2, 2, 2, 9], [10**9, 1]])
def test_median_rank_is_the_median(ranks):
    """Reference: numpy.median."""
    rows = {"first_hit_rank": np.array(ranks), "modality": np.array(["image"] * len(ranks))}
    assert ImageToTextMedianRank().aggregate(rows) == np.median(ranks)


def test_median_rank_of_resamples_is_their_median():
    rng = np.random.default_rng(0)
    ranks = rng.integers(1, 30, size=40)
    metric = ImageToTextMedianRank()
    statistics = metric.statistics({"first_hit_rank": ranks})
    drawn = rng.integers(40, size=(200, 40))
    sums = np.stack([statistics[own].sum(axis=0) for own in drawn])
    np.testing.assert_array_equal(metric.value(sums), np.median(ranks[drawn], axis=1))
    np.testing.assert_array_equal(metric.value(sums.reshape(4, 50, -1)), metric.value(sums).reshape(4, 50))
    assert np.isnan(metric.value(0 * sums)).all()


def test_median_rank_s_statistics_stay_small_with_many_ranks():
    statistics = ImageToTextMedianRank().statistics({"first_hit_rank": np.arange(1, 50_001)})
    assert statistics.shape == (50_000, 100_000)
    assert statistics.nnz == 100_000


@pytest.mark.parametrize("name", NAMES)
def test_parts_of_the_statistics_sum_to_the_whole(name):
    metric = registry.load("metric", name)()
    rows = metric.select(metric.finish(as_columns(metric, ROWS)))
    statistics = metric.statistics(rows)
    merged = statistics[:1].sum(axis=0) + statistics[1:].sum(axis=0)
    assert metric.value(merged) == pytest.approx(metric.aggregate(metric.finish(as_columns(metric, ROWS))))


def test_settings_and_details_say_how_it_was_ranked_and_against_how_many():
    metric = ImageToTextNDCGAt10()
    assert metric.settings() == {"similarity": "dot product in float32", "ties": "pessimistic"}
    finished = metric.finish(as_columns(metric, ROWS))
    assert metric.details(finished) == {"candidates": 3}
    assert TextToImageRAt1().details(finished) == {"candidates": 2}
    assert metric.details({name: values[:0] for name, values in finished.items()}) is None
