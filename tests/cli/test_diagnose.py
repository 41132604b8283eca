"""`mmbench diagnose`: what it prints, draws and refuses."""

import json
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

import jsonschema
import pytest
import torch
from rich.console import Console

from mmbench.cli import main
from mmbench.cli.diagnosis_report import print_diagnosis
from mmbench.record.diagnosis import DIAGNOSIS_SCHEMA_FILE, DiagnosisRecord
from mmbench.record.store import Store
from mmbench.registry import registry

EXAMPLE = Path(__file__).parents[1] / "record" / "example_diagnosis.json"
RUN = ["--limit", "40", "--workers", "0", "--threads", "1", "--device", "cpu"]
LOOK = ["--permutations", "1", "--emap-samples", "20", "--levels", "1", "--noise", "text=swap"]
DIAGNOSE = ["diagnose", "--task", "vqa", *RUN, *LOOK]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an empty folder, with no plugin file; PyTorch's threads are put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def stored() -> tuple[Path, DiagnosisRecord]:
    (file,) = Path("results").rglob("diagnosis.json")
    return file, Store(Path("results")).load_diagnosis(file)


def printed(data: dict, width: int = 120) -> list[str]:
    out = StringIO()
    print_diagnosis(DiagnosisRecord.model_validate(data), None, Console(file=out, width=width))
    return lines(out.getvalue())


@pytest.fixture
def data() -> dict:
    return json.loads(EXAMPLE.read_text(encoding="utf-8"))


def test_the_verdict_comes_first_and_the_curves_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DIAGNOSE, "--model", "film", "--plot", "film.svg"]) == 0
    out, err = capsys.readouterr()
    assert err == "wrote: film.svg\n"
    file, record = stored()
    shown = [line for line in lines(out) if line]
    assert shown[:2] == ["film · vqa · easy-vqa test, 40 samples (limited)", record.verdict]
    assert shown[-2:] == [f"record {file}", f"next: mmbench show {file.parent}"]
    assert "film on easy-vqa test, 40 samples" in Path("film.svg").read_text(encoding="utf-8")


def test_json_is_the_stored_record_and_show_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*DIAGNOSE, "--model", "text-only", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    found = json.loads(out)
    jsonschema.validate(found, json.loads(DIAGNOSIS_SCHEMA_FILE.read_text(encoding="utf-8")))
    file, record = stored()
    assert found == json.loads(file.read_text(encoding="utf-8"))
    for path in (file, file.parent):
        assert main(["show", str(path), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == found
    assert main(["show", str(file.parent)]) == 0
    shown = lines(capsys.readouterr().out)
    assert record.verdict in shown
    assert f"run_id {record.run_id}" in shown
    assert "settings.diagnose.permutations 1" in shown


def test_report_has_every_number_of_its_tables(data: dict) -> None:
    shown = printed(data)
    gain = data["interaction"]["gain"]
    assert any(line.startswith(f"interaction EMAP gain {gain['value']:+.4f} (95 %:") for line in shown)
    image = data["perceptual"]["image"]
    assert any(
        line.startswith(f"image {image['shuffled']['value']:.4f} {image['drop']['value']:+.4f}") for line in shown
    )
    for name, found in data["shapley"]["contributions"].items():
        assert any(line.startswith(f"{name} {found['value']:+.4f} {found['low']:+.4f} –") for line in shown)
    empty = data["shapley"]["coalitions"][0]["value"]["value"]
    assert any(line.startswith(f"nothing: always {data['shapley']['answer']} {empty:.4f}") for line in shown)
    for curve in data["robustness"]:
        last, area = curve["points"][-1]["value"]["value"], curve["area"]["value"]
        beginning = f"{curve['modality']} {curve['noise']} █"
        (line,) = [line for line in shown if line.startswith(beginning)]
        assert f" 1.0000 {last:.4f} " in line
        assert f" {area:.4f} " in line
    for row in data["calibration"]:
        assert any(line.startswith(f"{row['condition']} {row['metrics']['ece']['value']:.4f}") for line in shown)


def test_report_says_what_is_not_read_and_what_is_absent(data: dict) -> None:
    nothing = {"value": 0.0, "low": None, "high": None}
    image = data["perceptual"]["image"]
    image |= {"drop": image["drop"] | nothing, "score": image["score"] | nothing, "changed": 0, "permutations": []}
    data |= {"reads": ["text"], "shapley": None, "interaction": None}
    data["absent"] = {"emap": "text-only reads text alone", "shapley": "text-only reads text alone"}
    shown = printed(data)
    assert any(line.startswith("image ") and line.endswith(" 0.0000 – 0 % – does not read it") for line in shown)
    assert "interaction text-only reads text alone" in shown
    assert "shapley text-only reads text alone" in shown
    assert not any("EMAP" in line or line.startswith("nothing: always") for line in shown[3:])


def test_nothing_in_a_record_steers_the_terminal(data: dict) -> None:
    data["model"]["name"] = "[red]film\x1b[0m"
    data["shapley"]["answer"] = "\x1b[31mno"
    shown = "\n".join(printed(data))
    assert "[red]film�[0m · vqa" in shown
    assert "always �[31mno" in shown
    assert "\x1b" not in shown


def test_curves_are_digits_where_the_terminal_has_no_blocks(data: dict) -> None:
    raw = BytesIO()
    out = TextIOWrapper(raw, encoding="ascii", errors="replace")
    print_diagnosis(DiagnosisRecord.model_validate(data), None, Console(file=out, width=200))
    out.flush()
    curve = data["robustness"][0]
    values = [point["value"]["value"] for point in curve["points"]]
    digits = "".join(str(round(9 * value / max(values))) for value in values)
    assert f"{curve['modality']} {curve['noise']} {digits} 1.0000" in " ".join(
        raw.getvalue().decode().replace("|", " ").split()
    )


def test_narrow_terminals_lose_intervals_and_no_value(data: dict) -> None:
    wide, narrow = printed(data, width=120), printed(data, width=80)
    for row in data["calibration"]:
        values = [f"{row['metrics'][name]['value']:.4f}" for name in ("ece", "nll", "brier")]
        assert " ".join([row["condition"], *values]) in narrow
    for curve in data["robustness"]:
        name = f"{curve['modality']} {curve['noise']}"
        last = f"{curve['points'][-1]['value']['value']:.4f}"
        for shown in (wide, narrow):
            assert any(line.startswith(name) and f" 1.0000 {last} " in line for line in shown)
    assert f"{data['interaction']['gain']['value']:+.4f}" in " ".join(narrow)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "film.pdf"], "a figure is written as .svg or .png, not .pdf: film.pdf"),
        (["--plot", "film.svg", "--skip", "robustness"], "--plot draws the robustness curves, which --skip leaves out"),
        (["--levels", "0.5"], "--levels must ascend, above 0 and up to 1"),
        (["--noise", "image"], "--noise takes MODALITY=NOISE"),
        (["--noise", "image=bluur"], "unknown noise of image 'bluur'; did you mean 'blur' or "),
        (["--skip", "emapp"], "unknown section in --skip 'emapp'"),
        (["--permutations", "0"], "--permutations must be at least 1"),
        (["--metric", "acuracy"], "unknown metric 'acuracy'; did you mean 'accuracy' or "),
    ],
)
def test_wrong_options_are_refused_before_anything_runs(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*DIAGNOSE, "--model", "film", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1
    assert out == ""
    assert not Path("results").exists()
