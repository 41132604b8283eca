"""What cost passes found, as a figure."""

import json
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from mmbench.cli.cost_plot import plot_cost
from mmbench.errors import HarnessError, UsageError
from mmbench.profile.results import Passes

EXAMPLE = Path(__file__).parents[1] / "record" / "example_record.json"


@pytest.fixture
def parts():
    cost = json.loads(EXAMPLE.read_text(encoding="utf-8"))["cost"]
    return {name: cost[name] for name in Passes.model_fields}


def drawn(parts, path, title="film on easy-vqa"):
    plot_cost(Passes.model_validate(parts), title, path)
    return path.read_bytes()


def texts(svg):
    return {line.strip()[5:-4] for line in svg.decode().splitlines() if line.strip().startswith("<!--")}


def panels(svg):
    found = ElementTree.fromstring(svg).iter()  # noqa: S314  # our own
    return sum(element.get("id", "").startswith("axes_") for element in found)


def test_stages_sweep_and_roofline_are_drawn(parts, tmp_path):
    svg = drawn(parts, tmp_path / "cost.svg")
    assert panels(svg) == 4
    told = texts(svg)
    assert {"film on easy-vqa", "time by stage, batch size 64", "encode.image", "20.0 ms · 95 %"} <= told
    assert {"throughput by batch size", "median time of one batch", "knee: 1", "failed", "4,096"} <= told
    assert {"whole (6 %)", "roofline of this machine: 50.0 GFLOP/s, 10.0 GB/s (float32, 1 thread)"} <= told


@pytest.mark.parametrize(("name", "count"), [("stages", 1), ("sweep", 2), ("roofline", 1)])
def test_what_was_not_measured_has_no_panel(parts, tmp_path, name, count):
    assert panels(drawn({name: parts[name]}, tmp_path / "cost.svg")) == count


def test_png_by_suffix(parts, tmp_path):
    assert drawn(parts, tmp_path / "cost.PNG").startswith(b"\x89PNG")


def test_same_passes_give_the_same_bytes_whatever_the_style(parts, tmp_path):
    for suffix in ("svg", "png"):
        first = drawn(parts, tmp_path / f"one.{suffix}")
        with mpl.rc_context({"lines.linewidth": 7, "svg.fonttype": "none", "axes.facecolor": "black"}):
            assert drawn(parts, tmp_path / f"two.{suffix}") == first


def test_names_from_elsewhere_are_drawn_as_they_are(parts, tmp_path):
    parts["stages"]["stages"][0]["name"] = "encode.$x^$_{"
    parts["roofline"]["points"][0]["name"] = "\u6a21\u578b\x1b"
    told = texts(drawn(parts, tmp_path / "cost.svg", title="50 $ & <b>"))
    assert "encode.$x^$_{" in told
    assert "\u6a21\u578b\N{REPLACEMENT CHARACTER} (6 %)" in told


def test_values_at_the_edge_are_drawn(parts, tmp_path):
    for one in parts["stages"]["stages"]:
        one["seconds"] |= {"value": 0.0, "low": 0.0, "high": 0.0}
    parts["stages"]["sum_s"] = 0.0
    parts["sweep"]["points"][0]["latency_s"] = None
    parts["sweep"]["knee"] = None
    parts["roofline"]["points"][0]["flops_per_s"] = 0.0  # a logarithmic axis has no place for it
    assert panels(drawn(parts, tmp_path / "cost.svg")) == 2


@pytest.mark.parametrize("name", ["cost.pdf", "cost"])
def test_another_suffix_is_refused(parts, tmp_path, name):
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        drawn(parts, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_nothing_to_draw_is_said(parts, tmp_path):
    parts["sweep"]["points"] = parts["sweep"]["points"][1:]  # all failed
    with pytest.raises(HarnessError, match="nothing to draw"):
        drawn({"latency": parts["latency"], "sweep": parts["sweep"]}, tmp_path / "cost.svg")


def test_file_is_written_whole_or_not_at_all(parts, tmp_path):
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(HarnessError, match=r"cannot write .*taken\.svg: Is a directory"):
        drawn(parts, tmp_path / "taken.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.svg"]
