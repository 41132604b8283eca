"""`mmbench train`: by name, with a user's own fusion, as a file and as an installed plugin."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mmbench.checkpoint import file_sha256, read_weights
from mmbench.cli import main
from mmbench.registry import registry

FUSION = '''
import torch
from mmbench import Fusion, masked_mean, register

{decorator}
class Product(Fusion):
    """Product of scaled means."""

    def __init__(self, modalities, width):
        super().__init__(modalities, width)
        self.scale = torch.nn.ParameterList(torch.ones(width) for _ in self.modalities)

    def forward(self, features, mask):
        means = [masked_mean(features[m], mask[m]) * scale for m, scale in zip(self.modalities, self.scale)]
        return torch.stack(means).prod(dim=0)
'''
TRAIN = ("--limit", "300", "--epochs", "1", "--workers", "0")
EVAL = ("--limit", "100", "--workers", "0", "--threads", "1", "--device", "cpu", "--invariance", "8")


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A user's file with a fusion, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    (tmp_path / "mine.py").write_text(FUSION.format(decorator="@register('fusion', 'test-product')"))
    yield "mine.py"
    registry.unregister("fusion", "test-product")


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = main(arguments)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    return printed.out


def check_three_verbs(trained: str, evaluated: str, board: str, origin: Path) -> None:
    """What `train`, `eval` and `leaderboard` printed as JSON for test-product."""
    training, record, tables = json.loads(trained), json.loads(evaluated), json.loads(board)
    weights = origin / "weights" / "vqa" / "easy-vqa" / "test-product.safetensors"
    assert training["weights"] == {
        "source": "weights/vqa/easy-vqa/test-product.safetensors",
        "sha256": file_sha256(weights),
    }
    assert training["model"] == "test-product"
    assert [epoch["number"] for epoch in training["history"]] == [1]
    assert record["model"]["name"] == "test-product"
    assert record["model"]["weights"] == training["weights"]
    assert record["model"]["parameters"] == training["parameters"]
    assert record["dataset"]["n"] == 100
    rows = [row for table in tables["tables"] for row in table["rows"]]
    assert [row["model"] for row in rows] == ["test-product"]


def test_own_fusion_in_a_file(plugin: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = output(
        capsys, "train", "--model", "test-product", "--task", "vqa", "--plugin", plugin, *TRAIN, "--seed", "5", "--json"
    )
    assert json.loads(trained)["options"]["seed"] == 5
    evaluated = output(capsys, "eval", "--model", "test-product", "--task", "vqa", "--plugin", plugin, *EVAL, "--json")
    check_three_verbs(trained, evaluated, output(capsys, "leaderboard", "--json"), tmp_path)
    assert json.loads(evaluated)["settings"]["plugins"] == {"mine.py": file_sha256(tmp_path / "mine.py")}
    for text in ("markdown", "rich"):
        assert "test-product" in output(capsys, "leaderboard", "--format", text)


def test_own_fusion_of_an_installed_package(tmp_path: Path) -> None:
    site, work = tmp_path / "site", tmp_path / "work"
    info = site / "test_product-1.0.dist-info"
    info.mkdir(parents=True)
    work.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: test-product\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[mmbench.fusions]\ntest-product = test_product_plugin:Product\n")
    (site / "test_product_plugin.py").write_text(FUSION.format(decorator=""))
    verbs = [
        ["train", "--model", "test-product", "--task", "vqa", *TRAIN, "--json"],
        ["eval", "--model", "test-product", "--task", "vqa", *EVAL, "--json"],
        ["leaderboard", "--json"],
    ]
    # One process for all three: most of the time is the import of torch and transformers.
    code = "import sys; from mmbench.cli import main\nfor verb in " + repr(verbs)
    code += ":\n    code = main(verb)\n    if code: sys.exit(code)\n    print('\\f')"
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=work,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    trained, evaluated, board, _ = result.stdout.split("\f\n")
    check_three_verbs(trained, evaluated, board, work)


def test_prints_the_best_epoch_and_what_comes_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = output(
        capsys, "train", "--model", "majority", "--task", "vqa", "--limit", "300", "--output", "m.safetensors"
    )
    lines = printed.splitlines()
    assert lines[0].startswith("majority best at epoch 1 on validation: accuracy 0.")
    assert lines[1] == "weights: m.safetensors (0 parameters)"
    assert lines[2] == "next: mmbench eval --model majority --task vqa --weights m.safetensors"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.safetensors"]  # what is counted has no course
    header, _ = read_weights(tmp_path / "m.safetensors")
    assert header.training["options"]["limit"] == 300


def test_prints_a_line_an_epoch_and_where_the_curves_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ("--limit", "150", "--epochs", "2", "--workers", "0", "--output", "my [bold].v1")
    assert main(["train", "--model", "text-only", "--task", "vqa", *few]) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[1].startswith("weights: my [bold].v1 (")
    assert lines[2] == "curves:  my [bold].v1.curves.svg"
    assert lines[3] == "next: mmbench eval --model text-only --task vqa --weights 'my [bold].v1'"
    epochs = [line for line in printed.err.splitlines() if line.startswith("epoch ")]
    assert [line.split()[:3] for line in epochs] == [["epoch", "1", "loss"], ["epoch", "2", "loss"]]
    assert all("  validation accuracy 0." in line for line in epochs)
    assert any(line.endswith("  *") for line in epochs)
    history = [json.loads(line) for line in (tmp_path / "my [bold].v1.history.jsonl").read_text().splitlines()]
    assert [f"{epoch['loss']:.4f}" for epoch in history] == [line.split()[3] for line in epochs]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "my [bold].v1",
        "my [bold].v1.curves.svg",
        "my [bold].v1.history.jsonl",
    ]


@pytest.mark.parametrize(
    ("model", "task", "told"), [("text-only", "vqa", True), ("cnn", "image_classification", False)]
)
def test_says_when_a_constant_answer_is_as_good(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], model: str, task: str, told: bool
) -> None:
    """Two epochs of a few questions teach to answer yes; of a few digits, more than one of them."""
    few = ("--limit", "300", "--epochs", "2" if told else "8", "--batch-size", "16", "--workers", "0")
    output = str(tmp_path / "m.safetensors")
    assert main(["train", "--model", model, "--task", task, *few, "--output", output]) == 0
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note:")]
    assert notes == (
        [
            "note: vqa/easy-vqa: accuracy 0.3333 on validation is no better than answering 'yes' to everything, "
            "0.3333; more --epochs, a smaller --batch-size or another --learning-rate may help"
        ]
        if told
        else []
    )


def test_every_option_reaches_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {
        "epochs": 2,
        "batch_size": 50,
        "optimizer": "sgd",
        "learning_rate": 0.01,
        "schedule": "linear",
        "warmup": 0.2,
        "weight_decay": 0.001,
        "patience": 1,
        "keep": "best",
        "validation": 0.3,
        "modality_dropout": 0.1,
        "label_smoothing": 0.1,
        "precision": "bfloat16",
        "seed": 3,
        "workers": 0,
        "device": "cpu",
        "threads": 1,
        "limit": 150,
        "store": "bfloat16",
    }
    words = [word for name, value in given.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    path = tmp_path / "m.safetensors"
    words += ["--augment", "--log-to", "tensorboard", "--log-to", "tensorboard", "--output", str(path), "--json"]
    assert main(["train", "--model", "concat", "--task", "vqa", *words]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["config"] == read_weights(path)[0].config
    assert (trained["config"]["fusion"], trained["config"]["width"]) == ("concat", 64)
    assert trained["options"] == {**given, "augment": True, "log_to": ["tensorboard"]}
    assert read_weights(path)[0].training["options"] == trained["options"]


def test_modalities_reach_the_run_in_their_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--modality", "text", "--modality", "image", "--output", str(tmp_path / "m.safetensors"), "--json"]
    few = ("--limit", "60", "--epochs", "1", "--workers", "0")
    trained = json.loads(output(capsys, "train", "--model", "film", "--task", "vqa", *few, *words))
    assert list(trained["config"]["encoders"]) == ["text", "image"]


def test_runs_as_a_module() -> None:
    """As `torchrun -m mmbench` starts it."""
    result = subprocess.run([sys.executable, "-m", "mmbench", "--version"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("mmbench ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "flim", "--task", "vqa"), "unknown model 'flim'; did you mean 'film'?"),
        (("--model", "film", "--task", "vqaa"), "unknown task 'vqaa'; did you mean 'vqa'?"),
        (
            ("--model", "film", "--task", "vqa", "--dataset", "easy-vqaa"),
            "unknown data set of task vqa 'easy-vqaa'; did you mean 'easy-vqa'",
        ),
        (("--model", "film", "--task", "vqa", "--limit", "0"), "--limit must be at least 1, not 0"),
        (("--model", "film", "--task", "vqa", "--batch-size", "-1"), "--batch-size must be at least 1, not -1"),
        (("--model", "film", "--task", "vqa", "--device", "banana"), "unknown device 'banana'"),
        (("--model", "film", "--task", "vqa", "--optimizer", "lion"), "unknown optimizer 'lion'; known: adam, "),
        (("--model", "film", "--task", "vqa", "--precision", "float16"), "a CPU has float32 and bfloat16"),
        (("--model", "film", "--task", "vqa", "--log-to", "tensorbord"), "did you mean 'tensorboard'?"),
        (
            ("--model", "majority", "--task", "vqa", "--label-smoothing", ".1"),
            "leave out --label-smoothing",
        ),
        (
            ("--model", "majority", "--task", "vqa", "--optimizer", "sgd"),
            "counts its samples once and as they are; leave out --optimizer",
        ),
        (
            ("--model", "text-only", "--task", "vqa", "--limit", "100", "--modality-dropout", ".1"),
            "model 'text-only' has one modality, text, and one is always kept; leave out --modality-dropout",
        ),
        (
            ("--model", "lowrank", "--task", "vqa", "--option", "rank=3", "--option", "rank=10"),
            "--option names rank twice: rank=3 and rank=10",
        ),
        (
            ("--model", "film", "--task", "vqa", "--modality", "text", "--modality", "text"),
            "modality text is named twice",
        ),
        (("--model", "film", "--task", "vqa", "--modality", "txt"), "'txt'; did you mean 'text'?"),
        (("--model", "text-only", "--task", "vqa", "--modality", "text"), "what it reads is fixed"),
        (("--model", "film", "--task", "vqa", "--limit", "1"), "raise --limit or raise --validation"),
        (("--model", "film", "--task", "vqa", "--plugin", "absent.py"), "Python file 'absent.py' does not exist"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", *arguments]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_loss_that_is_not_finite_is_the_harness_failing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert (
        main(["train", "--model", "concat", "--task", "vqa", *TRAIN, "--learning-rate", "1e30", "--batch-size", "64"])
        == 4
    )
    assert "lower --learning-rate" in capsys.readouterr().err
    assert not list(tmp_path.rglob("concat.safetensors"))
