"""The course of a training run on disk: one JSON line an epoch, and a plot."""

import json
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from mmbench.engine.curves import write_curves, write_history
from mmbench.engine.progress import Epoch
from mmbench.errors import HarnessError

HISTORY = [
    Epoch(1, 2.5, {"accuracy": 0.5, "wer": 12.0}, is_best=False),
    Epoch(2, 1.25, {"accuracy": 0.75, "wer": None}, is_best=True),
    Epoch(3, 1.0, {"accuracy": 0.75, "wer": 11.0}, is_best=False),
]


def test_history_is_one_json_line_an_epoch(tmp_path):
    path = tmp_path / "film.history.jsonl"
    write_history(path, HISTORY)
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"number": 1, "loss": 2.5, "metrics": {"accuracy": 0.5, "wer": 12.0}, "is_best": False},
        {"number": 2, "loss": 1.25, "metrics": {"accuracy": 0.75, "wer": None}, "is_best": True},
        {"number": 3, "loss": 1.0, "metrics": {"accuracy": 0.75, "wer": 11.0}, "is_best": False},
    ]
    assert path.read_text().endswith("\n")


def test_curves_are_an_svg_with_what_was_asked(tmp_path):
    path = tmp_path / "film.curves.svg"
    write_curves(path, "film: vqa/easy-vqa", HISTORY, ["accuracy", "wer"])
    root = ElementTree.parse(path).getroot()  # noqa: S314  # our own
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    text = path.read_text()
    for title in ("film: vqa/easy-vqa", "training loss", "validation accuracy", "validation wer"):
        assert f"<!-- {title} -->" in text  # matplotlib draws letters as paths, and says beside them what they are
    axes = [element for element in root.iter() if element.get("id", "").startswith("axes_")]
    assert len(axes) == 3


def test_same_history_gives_the_same_bytes_whatever_the_style(tmp_path):
    def drawn(name):
        write_curves(tmp_path / name, "film", HISTORY, ["accuracy"])
        return (tmp_path / name).read_bytes()

    first = drawn("one.svg")
    with mpl.rc_context({"lines.linewidth": 7, "svg.fonttype": "none", "axes.facecolor": "black"}):
        assert drawn("two.svg") == first
    assert drawn("three.svg") == first


def test_one_epoch_and_a_metric_that_is_never_defined(tmp_path):
    write_curves(tmp_path / "x.svg", "x", [Epoch(1, 1.0, {"wer": None}, is_best=True)], ["wer"])
    ElementTree.parse(tmp_path / "x.svg")  # noqa: S314


@pytest.mark.parametrize("write", [write_history, lambda path, history: write_curves(path, "x", history, ["wer"])])
def test_file_is_written_whole_or_not_at_all(tmp_path, write):
    (tmp_path / "taken").mkdir()
    with pytest.raises(HarnessError, match=r"cannot write .*taken: Is a directory"):
        write(tmp_path / "taken", HISTORY)
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
