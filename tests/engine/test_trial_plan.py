"""What a comparison consists of: which trials, under which keys, made by which commands."""

import os
from dataclasses import replace
from pathlib import Path

import PIL
import pytest
from torch import nn

from mmbench.checkpoint import Header, save_weights
from mmbench.cli import main
from mmbench.engine.options import EvalOptions
from mmbench.engine.train_options import TrainOptions
from mmbench.engine.train_source import On
from mmbench.engine.trial_plan import Recipe, plan_trials
from mmbench.errors import UsageError
from mmbench.model import BuildOptions
from mmbench.profile.device import pick_device


def plan(models, notes=None, **recipe):
    return plan_trials(models, On("contest"), Recipe(**recipe), (notes if notes is not None else []).append)


def test_floors_stand_beside_the_models_and_what_has_no_seed_runs_once(contest):
    trials = plan(["concat", "contest-counts"], seeds=2)
    # image-only reads what the data set lacks, and one floor is not installed.
    assert [trial.label for trial in trials] == [
        "concat, seed 0",
        "contest-counts",
        "contest-floor",
        "text-only, seed 0",
        "contest-ready",
        "concat, seed 1",
        "text-only, seed 1",
    ]
    assert [trial.model for trial in trials if trial.training is None] == ["contest-ready"]
    assert len({trial.key for trial in trials}) == len(trials)


def test_a_floor_that_is_asked_for_is_not_there_twice(contest):
    assert [trial.label for trial in plan(["text-only", "contest-floor"], seeds=1)] == [
        "text-only, seed 0",
        "contest-floor",
        "contest-ready",
    ]
    assert [trial.label for trial in plan(["text-only"], seeds=1, floors=False)] == ["text-only, seed 0"]


def test_without_a_training_split_stands_what_needs_none(contest):
    trials = plan_trials(["contest-ready"], On("contest", "contest-test-only"), Recipe())
    assert [trial.label for trial in trials] == ["contest-ready"]


def test_costs_are_measured_for_the_first_seed(contest):
    trials = plan(["concat"], seeds=3, floors=False, evaluation=EvalOptions(cost="quick"))
    assert [trial.evaluation.cost for trial in trials] == ["quick", "off", "off"]


def test_all_have_the_same_recipe_as_far_as_they_can_heed_it(contest):
    notes = []
    training = TrainOptions(epochs=2, batch_size=8, learning_rate=0.01, limit=90, modality_dropout=0.1, augment=True)
    build = BuildOptions(parameters=30_000, encoders={"text": "embedding"})
    trials = {
        trial.model: trial
        for trial in plan(["concat", "contest-counts"], notes, seeds=1, training=training, build=build)
    }
    learned = replace(training, modality_dropout=0.0, augment=False)
    assert trials["concat"].training == trials["text-only"].training == learned
    assert trials["concat"].build == trials["text-only"].build == build
    for name in ("contest-counts", "contest-floor"):
        assert trials[name].training == TrainOptions(limit=90)
        assert trials[name].build == BuildOptions()
    assert [note.split(" reads ")[0] for note in notes] == ["concat", "concat", "text-only", "text-only"]


def test_of_two_modalities_one_may_be_missing(contest):
    training = TrainOptions(modality_dropout=0.1, augment=True)
    trials = plan_trials(["film"], On("vqa"), Recipe(training=training, seeds=1))
    found = {trial.model: (trial.training.modality_dropout, trial.training.augment) for trial in trials}
    assert found == {
        "film": (0.1, True),
        "majority": (0.0, False),
        "question-prior": (0.0, False),
        "image-only": (0.0, True),
        "text-only": (0.0, False),
    }


@pytest.mark.parametrize(
    ("models", "on", "recipe", "message"),
    [
        (["flim"], On("contest"), {}, "unknown model 'flim'; did you mean 'film'"),
        (["concat", "concat"], On("contest"), {}, "model 'concat' is named twice"),
        (["concat"], On("contst"), {}, "unknown task 'contst'; did you mean 'contest'"),
        (["image-only"], On("contest"), {}, "model 'image-only' reads image; the data set has text"),
        (
            ["contest-counts"],
            On("contest", "contest-test-only"),
            {},
            "data set 'contest-test-only' has no training split, so 'contest-counts' cannot be trained on it",
        ),
        (["concat"], On("vqa"), {"split": "tset"}, "unknown split of easy-vqa 'tset'; did you mean 'test'"),
        (["concat"], On("contest"), {"training": TrainOptions(device="gpu")}, "unknown device 'gpu'; expected auto"),
        (
            ["concat"],
            On("contest"),
            {"training": TrainOptions(precision="float16")},
            "--precision float16 needs an accelerator; a CPU has float32 and bfloat16",
        ),
        (
            ["concat"],
            On("contest"),
            {"build": BuildOptions(encoders={"imgae": "cnn"})},
            "unknown modality in --encoder 'imgae'; known: text",
        ),
        (
            ["contest-unbuildable"],
            On("contest"),
            {"build": BuildOptions(parameters=1000)},
            "model 'contest-unbuildable' takes no --encoder, --freeze or --budget: its parts are fixed",
        ),
    ],
)
def test_refused_before_anything_runs(contest, register, models, on, recipe, message):
    class Unbuildable:
        """Learns by descent, and takes no options."""

    register("model", "contest-unbuildable", Unbuildable)
    with pytest.raises(UsageError) as caught:
        plan_trials(models, on, Recipe(**recipe))
    assert str(caught.value).startswith(message)


def test_a_comparison_needs_a_seed():
    with pytest.raises(UsageError, match="--seeds must be at least 1, not 0"):
        Recipe(seeds=0)


BASE = {"seeds": 1, "floors": False}


def key(**recipe):
    (trial,) = plan(["concat"], **BASE | recipe)
    return trial.key


def test_the_key_is_of_all_that_may_change_a_row_and_of_nothing_else(contest):
    base = key()
    for same in (
        {"training": TrainOptions(workers=3)},
        {"training": TrainOptions(threads=2)},
        {"training": TrainOptions(log_to=("tensorboard",))},
        {"evaluation": EvalOptions(workers=3, threads=2, device="cpu")},
        {"evaluation": EvalOptions(cost="full", stages={"head": "heads"})},
        {"seeds": 1},
    ):
        assert key(**same) == base, same
    others = [
        {"training": TrainOptions(learning_rate=0.01)},
        {"training": TrainOptions(limit=10)},
        {"evaluation": EvalOptions(limit=10)},
        {"evaluation": EvalOptions(keep_scores=True)},
        {"evaluation": EvalOptions(keep_scores="if-any")},
        {"build": BuildOptions(width=16)},
        {"build": BuildOptions(encoders={"text": "embedding"})},
        {"split": "train"},
    ]
    assert len({base, *(key(**other) for other in others)}) == len(others) + 1


def test_the_key_follows_plugin_files_data_and_code(contest, register, tmp_path):
    (trial,) = plan(["concat"], **BASE, evaluation=EvalOptions(device="auto"))
    assert set(trial.ground["code"]) == {"mmbench", "mmbench_baselines"}
    assert set(trial.ground["plugins"]) == {"contest.py"}
    assert {"python", "torch", "numpy", "pillow", "scipy", "transformers", "tokenizers"} <= set(
        trial.ground["versions"]
    )
    assert trial.ground["versions"]["pillow"] == PIL.__version__
    assert trial.ground["devices"] == {"training": "cpu", "evaluation": pick_device("auto").type}
    for name, other in (
        ("revision", "2"),
        ("code", {"mmbench": "0"}),
        ("plugins", {}),
        ("versions", {"pillow": "0"}),
        ("devices", {"training": "cuda", "evaluation": "cuda"}),
    ):
        assert replace(trial, ground={**trial.ground, name: other}).key != trial.key
    assert replace(trial, data=tmp_path).key == trial.key


def test_the_key_follows_the_code_of_an_encoder_from_a_file(contest, tmp_path, monkeypatch):
    (tmp_path / "test_shiny.py").write_text("A = 1\n")
    info = tmp_path / "test_shiny-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: test-shiny\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mmbench.encoders]\ntest-shiny = test_shiny:A\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = tmp_path / "w.safetensors"
    config = {"width": 2, "encoders": {"text": {"name": "test-shiny", "options": {}}}}
    save_weights(file, nn.ModuleDict({"encoders": nn.ModuleDict({"text": nn.Linear(1, 2)})}), Header("any", config, {}))
    (trial,) = plan(["concat"], **BASE, build=BuildOptions(encoders={"text": f"from:{file}"}))
    assert "test_shiny" in trial.ground["code"]
    (trial,) = plan(["concat"], **BASE, build=BuildOptions(encoders={"text": "test-shiny:argument,layers=2"}))
    assert "test_shiny" in trial.ground["code"]


def test_the_commands_say_what_the_trial_says(contest, monkeypatch, tmp_path):
    """What `mmbench` makes of a trial's words is what the trial holds."""
    called = {}

    def keep(*names, **options):
        called["names"], called["options"] = names, options
        raise UsageError("enough")

    monkeypatch.setattr("mmbench.engine.train.train", keep)
    monkeypatch.setattr("mmbench.engine.evaluate.evaluate", keep)
    training = TrainOptions(
        epochs=2,
        batch_size=8,
        optimizer="sgd",
        learning_rate=1e-4,
        schedule="cosine",
        warmup=0.2,
        weight_decay=0.1,
        patience=3,
        validation=0.2,
        augment=True,
        modality_dropout=0.1,
        label_smoothing=0.1,
        precision="bfloat16",
        seed=7,
        workers=0,
        threads=2,
        limit=90,
        store="float16",
    )
    build = BuildOptions(
        {"text": "gru,layers=2"}, ("text",), 32, None, ("a=1", "b=2"), representation="joint", modalities=("text",)
    )
    evaluation = EvalOptions(
        batch_size=8, limit=9, invariance=3, metrics=("macro_f1",), cost="quick", stages={"a": "b.c"}, keep_scores=True
    )
    (trial,) = plan(["concat"], **BASE)
    trial = replace(trial, build=build, training=training, evaluation=evaluation, data=Path("here"))
    assert main(trial.train_words(tmp_path, resume=True)) == 2
    assert called["names"] == ("concat", "contest")
    assert called["options"] | {"progress": None} == {
        "dataset": "contest",
        "data": Path("here"),
        "build": build,
        "options": training,
        "output": tmp_path / "weights.safetensors",
        "resume": True,
        "progress": None,
    }
    wanting = replace(trial, evaluation=replace(evaluation, keep_scores="if-any"))
    assert main(wanting.eval_words(tmp_path, workers=0, threads=3)) == 2
    assert called["options"]["options"].keep_scores == "if-any"
    assert main(trial.eval_words(tmp_path, workers=0, threads=3)) == 2
    assert called["names"] == ("concat", "contest")
    assert called["options"] | {"progress": None} == {
        "dataset": "contest",
        "split": "test",
        "data": Path("here"),
        "stream": False,
        "weights": tmp_path / "weights.safetensors",
        "options": replace(evaluation, workers=0, threads=3),
        "output": tmp_path,
        "resume": True,
        "progress": None,
    }
    assert os.fspath(trial.plugins[0]).endswith("contest.py")
