"""Robustness curves as a figure."""

import json
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pytest

from mmbench.cli.diagnosis_plot import plot_diagnosis
from mmbench.errors import HarnessError, UsageError
from mmbench.record.diagnosis import DiagnosisRecord

EXAMPLE = Path(__file__).parents[1] / "record" / "example_diagnosis.json"


@pytest.fixture
def data():
    return json.loads(EXAMPLE.read_text(encoding="utf-8"))


def drawn(data, path):
    plot_diagnosis(DiagnosisRecord.model_validate(data), path)
    return path.read_bytes()


def texts(svg):
    return {line.strip()[5:-4] for line in svg.decode().splitlines() if line.strip().startswith("<!--")}


def elements(svg, name):
    found = ElementTree.fromstring(svg).iter()  # noqa: S314  # our own
    return sum(element.get("id", "").startswith(name) for element in found)


def test_a_panel_for_each_modality_and_a_line_for_each_noise(data, tmp_path):
    svg = drawn(data, tmp_path / "curves.svg")
    assert elements(svg, "axes_") == 2
    assert elements(svg, "FillBetweenPolyCollection") == len(data["robustness"]) == 3
    areas = {f"{curve['noise']} (area {curve['area']['value']:.4f})" for curve in data["robustness"]}
    assert {"film on easy-vqa test, 200 samples", "image", "text", "accuracy", "level of noise", *areas} <= texts(svg)


def test_a_point_without_a_value_or_an_interval_is_no_obstacle(data, tmp_path):
    points = data["robustness"][0]["points"]
    points[1]["value"] |= {"value": None, "low": None, "high": None}
    points[2]["value"] |= {"low": None, "high": None}
    data["robustness"][1]["area"] |= {"value": None, "low": None, "high": None}
    svg = drawn(data, tmp_path / "curves.svg")
    assert data["robustness"][1]["noise"] in texts(svg)


def test_png_by_suffix(data, tmp_path):
    assert drawn(data, tmp_path / "curves.PNG").startswith(b"\x89PNG")


def test_same_record_gives_the_same_bytes_whatever_the_style(data, tmp_path):
    first = drawn(data, tmp_path / "one.svg")
    with mpl.rc_context({"lines.linewidth": 7, "axes.facecolor": "black"}):
        assert drawn(data, tmp_path / "two.svg") == first


def test_without_curves_nothing_is_written(data, tmp_path):
    data |= {"robustness": None, "absent": {"robustness": "left out by --skip"}}
    with pytest.raises(HarnessError, match="no robustness curves to draw: left out by --skip"):
        drawn(data, tmp_path / "curves.svg")
    assert not list(tmp_path.iterdir())


def test_another_suffix_is_refused(data, tmp_path):
    with pytest.raises(UsageError, match=r"\.svg or \.png, not \.pdf"):
        drawn(data, tmp_path / "curves.pdf")
