"""Attention of a sample as figures and in a terminal, and `mmbench diagnose --attention`."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

import mmbench_baselines.weights
from mmbench.attention import Grid, Steps
from mmbench.cli import main
from mmbench.cli.attention_plot import plot_attention
from mmbench.cli.attention_report import print_attention
from mmbench.engine.attend import Attended, Look
from mmbench.errors import HarnessError, UsageError
from mmbench.sample import Prediction, Sample

SHIPPED = Path(mmbench_baselines.weights.__path__[0]) / "vqa" / "easy-vqa"
WORDS = ["is", "it", "$x^$_{", "?"]


def random(*shape):
    """Heads, askers, keys; rows sum to 1."""
    found = np.random.default_rng(0).random(shape).astype(np.float32)
    return found / found.sum(axis=-1, keepdims=True)


def made(*looks, places=None, **sample):
    image = Image.new("RGB", (60, 40), (200, 10, 10))
    inputs = {"image": image, "text": "is it $x^$_{ ?"}
    known = {"image": Grid(2, 3), "text": WORDS, "fused": ["fused"], **(places or {})}
    asked = Sample("s/1", inputs, target="yes", **sample)
    return Attended("m", "t", "d", "test", asked, Prediction("no"), list(looks), known)


@pytest.fixture
def both():
    """Words look at a picture, the picture looks at words, and the fused token at everything."""
    whole = random(2, 1, 11)
    return made(
        Look("layer 1", "text", {"image": random(2, 4, 6)}),
        Look("layer 1", "image", {"text": random(2, 6, 4)}),
        Look("layer 2", "fused", {"fused": whole[..., :1], "image": whole[..., 1:7], "text": whole[..., 7:]}),
    )


def drawn(attended, path):
    plot_attention(attended, path)
    return path.read_bytes()


def texts(svg):
    return [line.strip()[5:-4] for line in svg.decode().splitlines() if line.strip().startswith("<!--")]


def images(svg):
    root = ElementTree.fromstring(svg)  # noqa: S314  # our own
    return sum(element.tag.endswith("}image") for element in root.iter())


def printed(attended, width=80):
    out = StringIO()
    print_attention(attended, Console(file=out, width=width, color_system=None))
    return out.getvalue()


def test_figure_tells_what_was_asked_and_who_looked_at_what(both, tmp_path):
    told = texts(drawn(both, tmp_path / "a.svg"))
    assert {"m on d s/1", "answer: no · right: yes"} <= set(told)
    assert {"layer 1: text → image", "layer 1: image → text"} <= set(told)
    assert any(line.startswith("layer 2: fused → fused ") for line in told)
    # Bars of two looks, a map for each word, and the question itself.
    assert told.count("?") == 3
    assert told.count("$x^$_{") == 3


def test_maps_lie_over_the_image_one_for_all_words_and_one_for_each(both, tmp_path):
    """The picture alone and under its map, for each of two looks; under its map for each of four words."""
    assert images(drawn(both, tmp_path / "a.svg")) == 2 * 2 + 4


def test_heat_is_where_the_attention_is(tmp_path):
    """The right half of a white picture gets all of it."""
    weights = np.array([[[0, 0, 0.5, 0, 0, 0.5]]], dtype=np.float32)
    found = made(Look("layer 1", "fused", {"image": weights}))
    found.sample.inputs["image"] = Image.new("RGB", (60, 40), "white")
    plot_attention(found, tmp_path / "a.png")
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    # Black under white at 60 %, and inferno's pale yellow: of these the map alone has both.
    dark = np.argwhere((abs(pixels - 102) < 6).all(axis=-1))
    light = np.argwhere((abs(pixels - [253, 255, 200]) < 8).all(axis=-1))
    assert len(dark) > 100
    assert len(light) > 100
    assert np.quantile(dark[:, 1], 0.95) < np.quantile(light[:, 1], 0.05)


def test_png_by_suffix(both, tmp_path):
    assert drawn(both, tmp_path / "a.PNG").startswith(b"\x89PNG")


def test_same_content_gives_the_same_bytes_whatever_the_style(both, tmp_path):
    for suffix in ("svg", "png"):
        first = drawn(both, tmp_path / f"one.{suffix}")
        with mpl.rc_context({"image.cmap": "jet", "svg.fonttype": "none", "axes.facecolor": "black"}):
            assert drawn(both, tmp_path / f"two.{suffix}") == first


def test_another_suffix_is_refused(both, tmp_path):
    with pytest.raises(UsageError, match=r"\.svg or \.png"):
        plot_attention(both, tmp_path / "a.pdf")
    (tmp_path / "taken.svg").mkdir()
    with pytest.raises(HarnessError, match="Is a directory"):
        plot_attention(both, tmp_path / "taken.svg")


def test_class_tokens_stand_beside_the_map(tmp_path):
    found = made(Look("layer 1", "fused", {"image": random(1, 1, 7)}), places={"image": Grid(2, 3, before=1)})
    assert "image token 1" in texts(drawn(found, tmp_path / "a.svg"))
    assert "image token 1" in printed(found)
    assert "image: 2 x 3" in printed(found)


def test_sounds_are_drawn_over_time(tmp_path):
    found = made(Look("layer 1", "fused", {"audio": random(1, 1, 50)}), places={"audio": Steps(0.04)})
    assert "audio: seconds" in texts(drawn(found, tmp_path / "a.svg"))
    assert "audio: 2.00 s from left to right" in printed(found)


def test_many_words_are_drawn_as_the_greatest_and_the_rest(tmp_path):
    weights = np.full((1, 1, 300), 0.5 / 299, dtype=np.float32)
    weights[0, 0, 250] = 0.5
    places = {"text": [f"w{number}" for number in range(300)]}
    found = made(Look("layer 1", "fused", {"text": weights}), places=places)
    told = texts(drawn(found, tmp_path / "a.svg"))
    assert {"w250", "260 more"} <= set(told)
    assert sum(line.startswith("w") for line in told) == 40
    assert printed(found).count("\n") < 60


def test_terminal_shades_the_image_and_bars_the_words():
    """By hand: shares in quarters of the greatest give the five shades."""
    image = np.array([[[0, 1, 2, 3, 4, 0]]], dtype=np.float32) / 20
    text = np.array([[[1, 2, 3, 4]]], dtype=np.float32) / 20
    told = printed(made(Look("layer 1", "fused", {"image": image, "text": text})))
    assert "layer 1: fused → image 50 %, text 50 %" in told
    assert "│  ░░▒▒│\n│▓▓██  │" in told
    assert "at most 20 % at one place" in told
    rows = [line.split() for line in told.splitlines() if " % " in line and "█" in line]
    assert [(row[0], row[1], row[3]) for row in rows] == [
        ("is", "5", "█" * 6), ("it", "10", "█" * 12), ("$x^$_{", "15", "█" * 18), ("?", "20", "█" * 24),
    ]  # fmt: skip


def test_narrow_terminals_get_narrow_maps_or_none():
    found = made(Look("layer 1", "fused", {"image": random(1, 1, 600)}), places={"image": Grid(20, 30)})
    assert all(len(line) <= 40 for line in printed(found, width=40).splitlines()[4:])
    assert "too wide to show here" in " ".join(printed(found, width=30).split())


def test_text_from_elsewhere_cannot_steer_the_terminal_nor_the_figure(tmp_path):
    look = Look("layer\x1b[31m", "fused", {"text": random(1, 1, 4)})
    found = made(look, places={"text": ["[red]a[/]", "\x1b[2J", "b\nc", "d" * 60]}, group="g")
    found = replace(found, model="[bold]m\x07", prediction=Prediction("\x1b]0;x"))
    told = printed(found)
    assert "\x1b" not in told
    assert "\x07" not in told
    assert "[red]a[/]" in told
    assert "[bold]m" in told
    shown = texts(drawn(found, tmp_path / "a.svg"))
    assert "\N{REPLACEMENT CHARACTER}[2J" in shown
    assert "b\N{REPLACEMENT CHARACTER}c" in shown
    assert "d" * 27 + "..." in shown


def test_several_right_answers_are_told_once_each():
    found = made(Look("layer 1", "fused", {"text": random(1, 1, 4)}))
    several = replace(found, sample=replace(found.sample, target=["red", "red", "blue"]))
    assert "right: red, blue" in printed(several)
    assert "right: not known" in printed(replace(found, sample=replace(found.sample, target=None)))


@pytest.fixture
def diagnose(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)

    def run(model, *arguments, code=0):
        weights = str(SHIPPED / f"{model}.safetensors")
        options = ["--weights", weights, "--device", "cpu", "--workers", "0", "--threads", "1"]
        assert main(["diagnose", "--model", model, "--task", "vqa", *options, *arguments]) == code
        return capfd.readouterr()

    return run


def test_verb_shows_one_sample_and_stores_nothing(diagnose, tmp_path):
    told = diagnose("cross-attention", "--attention", "test/14", "--plot", "a.svg")
    assert told.out.startswith("cross-attention on easy-vqa test/14\ndoes the image contain a triangle?\nanswer: no")
    assert "layer 1: text → image" in told.out
    assert told.err == "wrote: a.svg\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.svg"]


def test_verb_prints_json(diagnose):
    told = json.loads(diagnose("attention", "--attention", "test/14", "--json").out)
    assert told["tokens"]["modalities"] == {"texts": ["image", "text"]}
    ((head,),) = told["attention"][0]["weights"]["modalities"]
    assert sum(head) == pytest.approx(1.0, abs=1e-5)


def test_verb_refuses_what_does_not_go_with_it(diagnose):
    assert "no sample 'test/x'" in diagnose("attention", "--attention", "test/x", code=2).err
    assert "film' tells no attention" in diagnose("film", "--attention", "test/1", code=2).err
    told = diagnose("attention", "--attention", "test/1", "--permutations", "3", code=2).err
    assert "--attention shows one sample" in told
    assert "there is no folder" in diagnose("attention", "--attention", "test/1", "--plot", "no/a.svg", code=2).err
