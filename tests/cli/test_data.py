"""`mmbench doctor DATASET` and the samples that `mmbench show DATASET` shows."""

import json
from pathlib import Path

import pytest
from PIL import Image

from mmbench.cli import main


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def folder():
    """A folder of images in two classes; one file is truncated."""
    for label, color in (("cat", (200, 0, 0)), ("dog", (0, 0, 200))):
        place = Path("mine/test", label)
        place.mkdir(parents=True)
        for number in range(3):
            Image.effect_noise((40, 30), 60).convert("RGB").save(place / f"{number}.png")
        Image.new("RGB", (40, 30), color).save(place / "plain.png")
    broken = Path("mine/test/dog/2.png")
    broken.write_bytes(broken.read_bytes()[:200])
    return "mine"


def run(capsys, *arguments, code=0):
    assert main(list(arguments)) == code
    return capsys.readouterr()


def test_doctor_finds_a_whole_data_set_whole(capsys):
    found = json.loads(run(capsys, "doctor", "digits", "--decode", "--json").out)
    assert found["ok"]
    assert [check["name"] for check in found["checks"]] == ["digits train", "digits test"]
    assert all(check["found"].endswith("all of them decoded") for check in found["checks"])


def test_doctor_finds_what_cannot_be_decoded(capsys, folder):
    arguments = ("doctor", "image-folder", "--data", folder)
    assert "8 samples, every file there" in run(capsys, *arguments).out
    text = run(capsys, *arguments, "--decode", code=4).out
    assert "8 samples; 1 are broken: dog/2.png: cannot be decoded" in text


def test_doctor_says_which_files_are_missing(capsys):
    Path("set").mkdir()
    Path("set/captions.json").write_text(
        json.dumps([{"file_name": f"{n}.jpg", "image_id": n, "captions": ["a"]} for n in range(5)])
    )
    Image.new("RGB", (4, 4)).save("set/0.jpg")
    text = run(capsys, "doctor", "captions-json", "--data", "set", code=4).out
    assert "5 samples; 4 files are missing: set/1.jpg, set/2.jpg, set/3.jpg, and 1 more" in text


def test_doctor_says_how_to_get_files(capsys, monkeypatch):
    monkeypatch.delenv("MMBENCH_DATA", raising=False)
    text = run(capsys, "doctor", "vqa-v2", "--split", "val", code=4).out
    assert "give --data PATH" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["doctor", "digit"], "unknown dataset 'digit'; did you mean 'digits'"),
        (["doctor", "digits", "--split", "tets"], "unknown split of digits 'tets'; did you mean 'test'?"),
        (["doctor", "--decode"], "--data, --split, --decode and --fetch go with the name of a data set"),
        (["doctor", "digits", "--data", "none"], "data set 'digits': none does not exist"),
        (["show", "digits", "--sheet", "s.png", "--samples", "0"], "--sheet needs --samples of at least 1"),
        (["show", "digits", "--samples", "-1"], "Invalid value for '--samples'"),
        (["show", "film", "--samples", "2"], "--samples, --sheet, --split and --data are for data sets; 'film' is a"),
        (["show", "digits", "--sheet", "none/sheet.png"], "cannot write none/sheet.png: No such file or directory"),
    ],
)
def test_wrong_words(capsys, arguments, message):
    assert message in run(capsys, *arguments, code=2).err


def test_show_has_a_few_samples(capsys):
    (fields,) = json.loads(run(capsys, "show", "easy-vqa", "--json").out)
    assert [sample["id"] for sample in fields["samples"]] == ["test/0", "test/4836", "test/9672"]
    assert fields["samples"][0]["inputs"]["image"] == "images/0.png"
    text = run(capsys, "show", "easy-vqa", "--samples", "1", "--split", "train").out
    assert "train/0" in text
    assert "train/1" not in text
    assert "triangle" in text or "yes" in text or "no" in text


def test_show_draws_a_sheet(capsys, folder):
    run(capsys, "show", "image-folder", "--data", folder, "--sheet", "sheet.png", "--samples", "8")
    sheet = Image.open("sheet.png").convert("RGB")
    assert sheet.width > 4 * 200
    assert sheet.height > 2 * 200
    colors = {color for _, color in sheet.getcolors(maxcolors=1 << 24)}
    assert {(200, 0, 0), (0, 0, 200)} <= colors  # both plain images are on it; the broken one is a text


def test_doctor_does_not_reach_for_the_hub_unasked(capsys):
    text = run(capsys, "doctor", "librispeech").out
    assert "nothing was checked; give --data PATH for a copy, or --fetch to load every split" in text


def test_show_does_not_reach_for_the_hub(capsys):
    (fields,) = json.loads(run(capsys, "show", "fleurs", "--json").out)
    assert fields["samples"] == "on the hub; --samples 3 fetches it"
