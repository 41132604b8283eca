"""`diagnose`: what shipped and planted models use of their inputs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmbench.data.alteration import Alteration
from mmbench.engine.diagnose import diagnose
from mmbench.engine.diagnose_options import SECTIONS, DiagnoseOptions
from mmbench.engine.emap import project
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import DiagnoseProgress
from mmbench.engine.rows import Asking
from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.ece import ECE
from mmbench.record.store import Store
from mmbench.sample import Subset
from mmbench.stats.intervals import interval

BRIEF = DiagnoseOptions(permutations=2, emap_samples=60, levels=(0.5, 1.0))
HERE = EvalOptions(limit=80, workers=0, threads=1, device="cpu")


def rest(*wanted: str) -> tuple[str, ...]:
    """All sections but these."""
    return tuple(name for name in SECTIONS if name not in wanted)


class Steps(DiagnoseProgress):
    def __init__(self):
        self.told = []

    def step(self, what, done, total):
        self.told.append((what, done, total))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Film on easy-VQA, every section."""
    before, steps = torch.get_num_threads(), Steps()
    found = diagnose("film", "vqa", options=HERE, chosen=BRIEF, output=tmp_path_factory.mktemp("film"), progress=steps)
    torch.set_num_threads(before)
    return found, steps


def test_the_record_is_stored_whole(film):
    found, _ = film
    assert [path.name for path in found.folder.iterdir()] == ["diagnosis.json"]
    assert Store(found.folder).load_diagnosis(found.folder) == found.record
    record = found.record
    assert (record.task, record.metric, record.dataset.n, record.dataset.limit) == ("vqa", "accuracy", 80, 80)
    assert (record.modalities, record.reads, record.absent) == (["image", "text"], ["image", "text"], {})
    assert record.settings["diagnose"]["levels"] == [0.5, 1.0]
    assert "image=gaussian" in record.settings["diagnose"]["noises"]


def test_film_uses_both_and_their_interaction(film):
    record = film[0].record
    assert record.verdict.startswith("Uses image and text, and their interaction (EMAP gain +0.")
    assert record.interaction.recombined == "tokens"
    assert record.interaction.gain.n == 60
    assert record.interaction.gain.low > 0
    assert all(found.score.low > 0 for found in record.perceptual.values())
    assert all(found.drop.low > 0 for found in record.missing.values())


def test_every_number_follows_from_the_metric_under_alterations(film):
    """Each value by itself: a plain evaluation of the same model under the same alteration."""
    from mmbench.data.alteration import altered

    record = film[0].record
    run = load_run("film", "vqa", Where(), None, HERE)
    asking = Asking(run.task, 16, 0, "cpu")

    def accuracy(**what):
        rows, *_ = asking.rows(run.model, {"accuracy": Accuracy()}, altered(run.samples, Alteration(**what)))
        return float(np.mean([correct for (correct,) in rows["accuracy"]]))

    clean = accuracy()
    assert record.clean.value == clean
    shuffles = [accuracy(shuffle=("text",), seed=seed) for seed in (0, 1)]
    text = record.perceptual["text"]
    assert text.permutations == shuffles
    assert text.score.value == pytest.approx((clean - np.mean(shuffles)) / clean)
    blind = accuracy(drop=("image",))
    assert (record.missing["image"].without.value, record.missing["image"].drop.value) == (
        blind,
        pytest.approx(clean - blind),
    )
    curve = next(each for each in record.robustness if (each.modality, each.noise) == ("image", "blur"))
    blurred = [accuracy(noise=(("image", "blur", level),)) for level in (0.5, 1.0)]
    assert [point.value.value for point in curve.points] == [clean, *blurred]
    assert curve.area.value == pytest.approx((clean / 4 + blurred[0] / 2 + blurred[1] / 4) / clean)


def test_shapley_contributions_add_up(film):
    shapley, clean = film[0].record.shapley, film[0].record.clean.value
    empty = shapley.coalitions[0]
    assert empty.present == []
    run = load_run("film", "vqa", Where(), None, HERE)
    targets = [run.samples[position].target for position in range(80)]
    assert shapley.answer == max(sorted(set(targets), key=targets.index), key=targets.count)
    assert empty.value.value == targets.count(shapley.answer) / 80
    total = sum(found.value for found in shapley.contributions.values())
    assert total == pytest.approx(clean - empty.value.value, abs=1e-12)


def test_calibration_is_that_of_the_metrics(film):
    record = film[0].record
    found = {row.condition: row for row in record.calibration}
    noises = {f"{curve.modality} {curve.noise} 0.5" for curve in record.robustness}
    assert set(found) == {"clean", "without image", "without text", *noises}
    assert found["text drop 0.5"].alteration["noise"] == ["text=drop:0.5"]
    run = load_run("film", "vqa", Where(), None, replace(HERE, metrics=("ece",)))
    rows, *_ = Asking(run.task, 16, 0, "cpu").rows(run.model, {"ece": ECE()}, run.samples)
    columns = {
        name: np.array(values) for name, values in zip(ECE.columns, zip(*rows["probability"], strict=True), strict=True)
    }
    assert found["clean"].metrics["ece"].value == pytest.approx(interval(ECE(), columns, None).value)
    assert list(found["clean"].metrics) == ["ece", "nll", "brier"]


def test_each_alteration_is_asked_once(film):
    """Clean, 2 x 2 shuffles, 2 without, 7 noises x 2 levels: also where several sections need the same."""
    passes = [told for told in film[1].told if told[0] != "emap"]
    assert [done for _, done, _ in passes] == list(range(1, 1 + 4 + 2 + 14 + 1))
    assert {total for _, _, total in passes} == {21}
    assert len({what for what, _, _ in passes}) == 21 - 2  # the two seeds of a shuffle share a name


def test_tokens_and_inputs_give_the_same_projection():
    """Film as a model that does not decide: its inputs are recombined and encoded again for every pair."""
    run = load_run("film", "vqa", Where(), None, HERE)

    class Whole:
        name, modalities, labels = run.model.name, run.model.modalities, run.model.labels
        collate, classify = run.model.collate, run.model.classify

    samples, asking = Subset(run.samples, range(12)), Asking(run.task, 5, 0, "cpu")
    tokens, inputs = project(run.model, asking, samples), project(Whole(), asking, samples)
    assert inputs.full == pytest.approx(tokens.full, abs=1e-4)
    assert inputs.additive == pytest.approx(tokens.additive, abs=1e-4)


@pytest.mark.parametrize(("model", "used", "unused"), [("image-only", "image", "text"), ("text-only", "text", "image")])
def test_a_modality_that_is_not_read_scores_0(look, model, used, unused):
    steps = Steps()
    record = look(
        model, chosen=replace(BRIEF, skip=rest("perceptual", "missing", "emap", "shapley")), progress=steps
    ).record
    assert (record.modalities, record.reads) == (["image", "text"], [used])
    none, some = record.perceptual[unused], record.perceptual[used]
    assert (none.score.value, none.drop.value, none.changed, none.permutations) == (0.0, 0.0, 0, [])
    assert some.changed > 0
    assert some.score.value > 0
    assert record.missing[unused].drop.value == 0.0
    assert not any(unused in what for what, _, _ in steps.told)
    assert f"it does not read {unused}" in record.verdict
    assert record.interaction is None
    assert record.absent["emap"].startswith(f"{model} reads {used} alone")


@pytest.mark.parametrize(("model", "used", "unused"), [("image-only", "image", "text"), ("text-only", "text", "image")])
def test_the_one_modality_that_is_read_contributes_all(look, model, used, unused):
    """Of one player the Shapley value is V(all) - V(none); what is not read contributes 0."""
    record = look(model, chosen=replace(BRIEF, skip=rest("shapley"))).record
    shapley = record.shapley
    assert [found.present for found in shapley.coalitions] == [[], [used]]
    assert list(shapley.contributions) == ["image", "text"]
    assert shapley.contributions[used].value == record.clean.value - shapley.coalitions[0].value.value
    assert (shapley.contributions[unused].value, shapley.contributions[unused].n) == (0.0, 80)
    assert "shapley" not in record.absent


def test_three_modalities(look):
    chosen = replace(BRIEF, emap_samples=20, skip=("robustness", "calibration"))
    record = look("concat", "multimodal_classification", "trimodal-digits", chosen=chosen).record
    assert record.reads == ["image", "audio", "text"]
    assert len(record.shapley.coalitions) == 8
    total = sum(found.value for found in record.shapley.contributions.values())
    assert total == pytest.approx(record.clean.value - record.shapley.coalitions[0].value.value, abs=1e-12)
    assert record.interaction.full.value is not None
    assert record.absent == dict.fromkeys(("robustness", "calibration"), "left out by --skip")


def test_another_metric_and_only_one_noise(look):
    chosen = replace(BRIEF, metric="nll", noises=(("text", "swap"),), skip=rest("robustness", "shapley", "perceptual"))
    record = look("film", chosen=chosen).record
    assert (record.metric, record.higher_is_better) == ("nll", False)
    assert [(curve.modality, curve.noise) for curve in record.robustness] == [("text", "swap")]
    assert record.perceptual["text"].drop.high < 0  # the loss rises
    assert record.verdict.startswith("Uses image and text")
    # The constant answer's scores are the frequencies of the targets, so that its loss is their entropy.
    run = load_run("film", "vqa", Where(), None, HERE)
    targets = [run.samples[position].target for position in range(80)]
    share = np.array([targets.count(label) for label in set(targets)]) / 80
    assert record.shapley.coalitions[0].value.value == pytest.approx(-(share * np.log(share)).sum(), abs=1e-5)


def test_what_is_generated_has_no_logits(look):
    chosen = replace(BRIEF, permutations=1, levels=(1.0,), noises=(("image", "occlusion"),))
    record = look("captioner", "captioning", chosen=chosen, options=replace(HERE, limit=16)).record
    assert record.interaction is record.calibration is None
    assert record.shapley.contributions["image"].value > 0
    assert record.absent["calibration"] == "captioner gives no scores of labels"
    assert record.perceptual["image"].drop.value > 0
    assert record.robustness[0].area.value < 1


def test_a_model_that_reads_nothing_is_said_to(look):
    record = look("majority", chosen=BRIEF).record
    assert record.verdict == "Uses no input: it reads none of image and text."
    assert (record.reads, record.perceptual, record.robustness) == ([], None, None)
    assert [row.condition for row in record.calibration] == ["clean"]


@pytest.mark.parametrize(
    ("arguments", "chosen", "message"),
    [
        (("dual-encoder", "retrieval"), BRIEF, "asks for a vector of each item.*`mmbench eval` with --drop or --noise"),
        (("film",), replace(BRIEF, noises=(("text", "blur"),)), "unknown noise of text 'blur'"),
        (("film",), replace(BRIEF, noises=(("audio", "white"),)), "unknown modality in --noise 'audio'"),
        (("text-only",), replace(BRIEF, noises=(("image", "blur"),)), "the model does not read image"),
        (("film",), replace(BRIEF, metric="accurate"), "unknown metric 'accurate'"),
        (("captioner", "captioning"), replace(BRIEF, metric="caption_length"), "describes answers"),
    ],
)
def test_refusals_come_before_anything_is_written(look, tmp_path, arguments, chosen, message):
    with pytest.raises(UsageError, match=message):
        look(*arguments, chosen=chosen)
    assert not (tmp_path / "results").exists()


def test_one_sample_is_refused(look, tmp_path):
    with pytest.raises(UsageError, match="one sample cannot be diagnosed"):
        look("film", options=replace(HERE, limit=1))
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("dataset", ["probe-corrupt", "probe-unreadable", "probe-headless"])
def test_a_failing_sample_leaves_nothing_behind(tmp_path, weights, dataset):
    with pytest.raises(HarnessError, match="cannot be read"):
        diagnose(
            "film",
            "probe",
            where=Where(dataset),
            weights=weights("film"),
            options=HERE,
            chosen=BRIEF,
            output=tmp_path / "results",
        )
    assert not (tmp_path / "results").exists()
