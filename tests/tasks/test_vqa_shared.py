"""Real data for visual question answering: VQA-RAD and NLVR, whole."""

from collections import Counter

import pytest

from mmbench.data.decode import load_image
from mmbench.data.split import split_by_group
from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.exact_match import ExactMatch
from mmbench.metrics.metric import score_all
from mmbench.sample import Prediction
from mmbench_tasks.vqa import datasets
from mmbench_tasks.vqa.task import VQA

pytestmark = pytest.mark.shared


@pytest.fixture(scope="session")
def load(shared):
    def samples(name, split):
        folder = shared / "vqa" / ("nlvr" if name == "nlvr" else "vqa-rad")
        dataset = VQA().load(getattr(datasets, name).at(folder), split)
        return [dataset[index] for index in range(len(dataset))]

    return samples


def always(answer, metric, samples):
    return score_all(metric, [VQA().score(metric, Prediction(answer), sample) for sample in samples])


def counts(samples, key):
    return Counter(sample.meta[key] for sample in samples)


# --- VQA-RAD ----------------------------------------------------------------------------------------------------------


def test_vqa_rad_has_the_published_split(load):
    train, test = (load("vqa_rad", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (1_797, 451)
    assert counts(train, "phrase_type") == {"freeform": 1_206, "para": 591}
    assert counts(test, "phrase_type") == {"freeform": 308, "para": 143}
    assert counts(test, "answer_type") == {"closed": 272, "open": 179}
    assert counts([*train, *test], "answer_type") == {"closed": 1_299, "open": 949}
    assert len({sample.id for sample in [*train, *test]}) == 2_248
    images = [{sample.group for sample in samples} for samples in (train, test)]
    assert (len(images[0]), len(images[1]), len(images[0] & images[1])) == (313, 203, 202)


def test_vqa_rad_answers_are_tidy_texts(load):
    samples = {sample.id: sample for split in ("train", "test") for sample in load("vqa_rad", split)}
    assert [samples[name].target for name in ("1511", "1568", "1683", "2234", "2235")] == ["4", "2", "2", "12", "12"]
    assert samples["0"].target == "yes"
    assert samples["2156"].meta["answer_type"] == samples["2157"].meta["answer_type"] == "closed"
    closed = [sample for sample in samples.values() if sample.meta["answer_type"] == "closed"]
    assert sum(sample.target in ("yes", "no") for sample in closed) == 1_193
    for sample in samples.values():
        for text in (sample.target, sample.inputs["text"]):
            assert text == " ".join(text.split())
            assert text not in ("", "NULL")
    types = {kind for sample in samples.values() for kind in sample.meta["question_type"].split(", ")}
    assert types == {
        "ABN", "ATTRIB", "COLOR", "COUNT", "MODALITY", "ORGAN", "OTHER", "PLANE", "POS", "PRES", "SIZE",
    }  # fmt: skip


def test_vqa_rad_question_that_is_put_twice_stays_twice(load):
    samples = [*load("vqa_rad", "train"), *load("vqa_rad", "test")]
    pairs = Counter((sample.group, sample.inputs["text"].lower()) for sample in samples)
    assert sum(count == 2 for count in pairs.values()) == 4
    assert max(pairs.values()) == 2


def test_vqa_rad_images_decode(load):
    paths = {sample.inputs["image"] for split in ("train", "test") for sample in load("vqa_rad", split)}
    assert len(paths) == 314
    for path in paths:
        assert min(load_image(path).size) >= 256


def test_vqa_rad_closed_questions_by_always_yes(load):
    """Of the 251 yes/no questions among the 272 closed ones of test; the metric folds case, as the reader does."""
    closed = [sample for sample in load("vqa_rad", "test") if sample.meta["answer_type"] == "closed"]
    yes, no = (always(answer, ExactMatch(), closed) for answer in ("Yes", "no"))
    assert (yes + no) * 272 == pytest.approx(251)


def test_vqa_rad_image_disjoint_shares_no_image_and_loses_no_question(load):
    train, test = (load("vqa_rad_image_disjoint", split) for split in ("train", "test"))
    assert (len(train), len(test)) == (1_828, 420)
    images = [{sample.group for sample in samples} for samples in (train, test)]
    assert (len(images[0]), len(images[1])) == (253, 61)
    assert not images[0] & images[1]
    assert sorted(int(sample.id) for sample in [*train, *test]) == list(range(2_248))
    assert counts(test, "answer_type") == {"closed": 251, "open": 169}
    published = {sample.id: sample for split in ("train", "test") for sample in load("vqa_rad", split)}
    assert all(published[sample.id] == sample for sample in [*train, *test])


def test_vqa_rad_image_disjoint_leaves_images_for_validation(load):
    """The split is by another hash than that of validation, which would otherwise find no image."""
    rest, part = split_by_group(load("vqa_rad_image_disjoint", "train"))
    assert 0.05 < len(part) / (len(rest) + len(part)) < 0.15


# --- NLVR -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("split", "true", "false", "sentences", "floor"), [("dev", 547, 442, 249, 0.553), ("test", 556, 434, 247, 0.562)]
)
def test_nlvr(load, split, true, false, sentences, floor):
    samples = load("nlvr", split)
    assert Counter(sample.target for sample in samples) == {"true": true, "false": false}
    assert len({sample.id for sample in samples}) == len(samples) == true + false
    assert len({sample.inputs["text"] for sample in samples}) == sentences
    assert always("true", Accuracy(), samples) == pytest.approx(floor, abs=5e-4)
    for sample in samples:
        assert load_image(sample.inputs["image"]).size == (400, 100)


def test_nlvr_sentence_is_put_to_several_drawings(load):
    samples = load("nlvr", "dev")
    drawings = Counter(sample.group for sample in samples)
    assert len(drawings) <= 249
    assert sum(drawings.values()) / len(drawings) > 3.9
    assert len({sample.inputs["image"] for sample in samples}) == len(samples)
