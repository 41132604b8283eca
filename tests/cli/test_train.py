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
    assert lines[2] == "next: mmbench eval --model majority --task vqa"
    header, _ = read_weights(tmp_path / "m.safetensors")
    assert header.training["options"]["limit"] == 300


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
        (("--model", "film", "--task", "vqa", "--limit", "1"), "raise --limit or --validation"),
        (("--model", "film", "--task", "vqa", "--plugin", "absent.py"), "plugin file 'absent.py' does not exist"),
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
