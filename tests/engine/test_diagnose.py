"""`diagnose`: what shipped and planted models use of their inputs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mmbench.data.alteration import Alteration
from mmbench.data.card import DatasetCard
from mmbench.engine.diagnose import Diagnosed, diagnose
from mmbench.engine.diagnose_options import SECTIONS, DiagnoseOptions
from mmbench.engine.emap import project
from mmbench.engine.load_run import Where, load_run
from mmbench.engine.options import EvalOptions
from mmbench.engine.progress import DiagnoseProgress
from mmbench.engine.rows import Asking
from mmbench.errors import HarnessError, UsageError
from mmbench.metrics.accuracy import Accuracy
from mmbench.metrics.ece import ECE
from mmbench.model import Batch
from mmbench.record.store import Store
from mmbench.sample import Sample, Subset
from mmbench.stats.intervals import interval
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

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


@pytest.fixture
def look(tmp_path, threads):
    def go(model, task="vqa", dataset=None, *, chosen=BRIEF, options=HERE, progress=None) -> Diagnosed:
        return diagnose(
            model,
            task,
            where=Where(dataset),
            options=options,
            chosen=chosen,
            output=tmp_path / "results",
            progress=progress,
        )

    return go


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
        rows, _ = asking.rows(run.model, {"accuracy": Accuracy()}, altered(run.samples, Alteration(**what)))
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
    rows, _ = Asking(run.task, 16, 0, "cpu").rows(run.model, {"ece": ECE()}, run.samples)
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
    assert record.interaction is record.shapley is None
    assert record.absent["emap"] == record.absent["shapley"]
    assert record.absent["emap"].startswith(f"{model} reads {used} alone")


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
    assert record.interaction is record.shapley is record.calibration is None
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


class Numbers(VQA):
    """Two numbers each, between -1 and 1; whether their sum, or their product, is above 0."""

    card = replace(VQA.card, name="test-numbers", modalities=("left", "right"), datasets=("test-sum", "test-product"))

    def load(self, dataset: DatasetCard, split: str) -> list[Sample]:
        rng = np.random.default_rng(0)
        pairs = rng.uniform(-1, 1, size=(200, 2)).round(3)
        values = pairs.sum(axis=1) if dataset.name == "test-sum" else pairs.prod(axis=1)
        return [
            Sample(f"{split}/{n}", {"left": left, "right": right}, target="above" if value > 0 else "below")
            for n, ((left, right), value) in enumerate(zip(pairs.tolist(), values.tolist(), strict=True))
        ]


class Planted:
    """Knows the answer: logits from the sum, or from the product."""

    labels = ("above", "below")
    modalities = ("left", "right")

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def open(cls, name: str) -> "Planted":
        return cls(name)

    def collate(self, samples):
        inputs = {m: torch.tensor([sample.inputs.get(m, 0.0) for sample in samples]) for m in self.modalities}
        mask = {m: torch.tensor([m in sample.inputs for sample in samples]) for m in self.modalities}
        return Batch(len(samples), inputs, mask)

    def classify(self, batch):
        left, right = (batch.inputs[m] for m in self.modalities)
        score = left + right if self.name == "test-adds" else left * right if self.name == "test-multiplies" else left
        return torch.stack([score, -score], dim=1)


@pytest.fixture
def numbers(register):
    register("task", "test-numbers", Numbers)
    for name in Numbers.card.datasets:
        card = {"name": name, "tasks": ("test-numbers",), "modalities": ("left", "right"), "metrics": ("accuracy",)}
        register("dataset", name, easy_vqa.model_copy(update=card))
    for name in ("test-adds", "test-multiplies", "test-left"):
        register("model", name, Planted)
    return "test-numbers"


@pytest.mark.parametrize(
    ("model", "dataset", "beginning"),
    [
        ("test-adds", "test-sum", "Uses left and right, additively (EMAP gain +0.000)."),
        ("test-multiplies", "test-product", "Uses left and right, and their interaction (EMAP gain +0."),
        ("test-left", "test-sum", "Uses left only: shuffling right changes nothing (accuracy 0.7"),
    ],
)
def test_planted_models_are_told_apart(look, numbers, model, dataset, beginning):
    record = look(
        model, numbers, dataset, chosen=replace(BRIEF, emap_samples=200), options=replace(HERE, limit=None)
    ).record
    assert record.verdict.startswith(beginning)
    assert record.interaction.recombined == "inputs"
    assert record.absent == {"robustness": "there is no noise for what the model reads"}


def test_gain_of_a_sum_is_exactly_0(look, numbers):
    chosen = replace(BRIEF, emap_samples=200, skip=rest("emap"))
    found = look("test-adds", numbers, "test-sum", chosen=chosen, options=replace(HERE, limit=None)).record.interaction
    assert (found.gain.value, found.changed, found.full.value) == (0.0, 0, 1.0)


def test_gain_of_shipped_logits_that_are_a_sum_is_0(look):
    """Product of experts adds up the log-probabilities of each modality's own head."""
    record = look("product-of-experts", chosen=replace(BRIEF, skip=rest("emap", "perceptual"))).record
    assert (record.interaction.gain.value, record.interaction.changed) == (0.0, 0)
    assert record.interaction.recombined == "tokens"
    nll = replace(BRIEF, metric="nll", skip=rest("emap"))
    assert look("product-of-experts", chosen=nll).record.interaction.gain.value == pytest.approx(0.0, abs=1e-5)


def test_the_same_seed_gives_the_same_record(look, numbers):
    def numbers_of(seed):
        options = replace(HERE, limit=None, seed=seed)
        kept = {"verdict", "interaction", "perceptual", "shapley", "missing", "calibration"}
        return look("test-left", numbers, "test-sum", options=options).record.model_dump(include=kept)

    assert numbers_of(0) == numbers_of(0)
    assert numbers_of(0) != numbers_of(7)
