"""`mmbench leaderboard --plot`."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import typer
from typer.testing import CliRunner

from mmbench.cli.leaderboard import leaderboard
from mmbench.errors import HarnessError, UsageError
from mmbench.leaderboard.plot import plot_front
from mmbench.leaderboard.table import build_tables

app = typer.Typer()
app.command()(leaderboard)


@pytest.fixture
def tables(make):
    records = [make("film $x$", 0.9), make("concat", 0.8), make("\u6a21\u578b", 0.7)]
    return build_tables([*records, make("alone", 0.5, dataset={"split": "val"})])


def test_svg_names_the_models_and_draws_what_can_be_compared(tables, tmp_path):
    path = tmp_path / "front.svg"
    plot_front(tables, path)
    text = path.read_text(encoding="utf-8")
    for shown in ("film $x$", "concat", "Pareto front", "accuracy", "samples/s of the model alone"):
        assert f"<!-- {shown} -->" in text
    assert "alone -->" not in text.replace("the model alone -->", "")  # one row is no contest
    axes = [element for element in ElementTree.fromstring(text).iter() if element.get("id", "").startswith("axes_")]  # noqa: S314
    assert len(axes) == 1


def test_speeds_of_similar_models_can_be_read(make, tmp_path):
    path = tmp_path / "front.svg"
    records = [
        make(name, 0.9, cost={"throughput": {"samples_per_s": speed, "batch_s": [1.0]}, "model_throughput": None})
        for name, speed in (("film", 1400.0), ("concat", 5500.0))
    ]
    plot_front(build_tables(records), path)
    assert {"<!-- 2,000 -->", "<!-- 5,000 -->"} <= set(re.findall(r"<!-- .* -->", path.read_text(encoding="utf-8")))


def test_same_tables_give_the_same_bytes(tables, tmp_path):
    for name in ("a.svg", "b.svg", "a.png", "b.png"):
        plot_front(tables, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_to_draw_is_an_error_and_leaves_no_file(make, tmp_path):
    with pytest.raises(HarnessError, match="nothing to draw"):
        plot_front(build_tables([make("a")]), tmp_path / "a.svg")
    assert not list(tmp_path.iterdir())


def test_the_verb_draws_beside_its_table(save, make):
    save(make("film", 0.9), make("concat", 0.8))
    result = CliRunner().invoke(app, ["--plot", "front.svg"])
    assert result.exit_code == 0, result.output
    assert "film" in result.stdout
    assert "wrote: front.svg" in result.stderr
    assert Path("front.svg").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.parametrize(("path", "why"), [("no/front.svg", "there is no folder no"), ("dir.svg", "it is a folder")])
def test_a_file_that_cannot_be_is_refused_before_anything_is_read(save, path, why):
    save()
    Path("dir.svg").mkdir()
    result = CliRunner().invoke(app, ["--plot", path])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"cannot write {path}: {why}"


def test_another_suffix_is_refused_before_anything_is_read(save):
    save()
    result = CliRunner().invoke(app, ["--plot", "front.pdf"])
    assert isinstance(result.exception, UsageError)
    assert ".svg or .png" in str(result.exception)
