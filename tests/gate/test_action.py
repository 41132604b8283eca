"""`action.yml`: its script, run by bash with a stand-in for the interpreter that keeps what it is given."""

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ACTION = Path(__file__).parents[2] / "action.yml"

PYTHON = """#!/bin/bash
if [ "$2" = -c ]; then echo regression; exit 0; fi
printf '%s\\n' "$@" > given
if [ "$CODE" != 4 ]; then echo '{}' > reports/gate.json; fi
exit "$CODE"
"""


@pytest.fixture
def run(tmp_path):
    """Run the step: `run(code=1, BUDGET="5%")` gives its exit code, the arguments and the outputs."""
    (step,) = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["runs"]["steps"]
    python = tmp_path / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)

    def go(code, **given):
        inputs = {"MODEL": "film", "TASK": "vqa", "BASE": "main", "HEAD": ".", "METRIC": "throughput", "BUDGET": ""}
        inputs |= {"ARGUMENTS": "", "PYTHON": "./python", "INCONCLUSIVE": "fail", "REPORTS": "reports"}
        assert set(inputs) == set(step["env"])
        environment = {**os.environ, **inputs, **given, "CODE": str(code), "GITHUB_OUTPUT": str(tmp_path / "outputs")}
        (tmp_path / "outputs").write_text("")
        # As a runner calls it.
        words = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(words, cwd=tmp_path, env=environment, check=False)
        return done.returncode, (tmp_path / "given").read_text().splitlines(), (tmp_path / "outputs").read_text()

    return go


def test_inputs_become_arguments(run):
    code, given, outputs = run(
        0, BUDGET="5% latency=8%", ARGUMENTS="--limit 512 --pairs 4", METRIC="throughput,latency"
    )
    assert code == 0
    assert " ".join(given) == (
        "-P -m mmbench gate --model film --task vqa --base main --head . --metric throughput,latency "
        "--budget 5% --budget latency=8% --report json=reports/gate.json --report junit=reports/gate.xml "
        "--limit 512 --pairs 4"
    )
    assert outputs == "verdict=regression\n"


def test_what_comes_from_outside_is_no_script(run, tmp_path):
    _, given, _ = run(0, BASE="$(touch ran); touch ran", MODEL="a b")
    assert not (tmp_path / "ran").exists()
    assert "$(touch ran); touch ran" in given
    assert "a b" in given


@pytest.mark.parametrize(
    ("code", "inconclusive", "expected"),
    [(0, "fail", 0), (1, "pass", 1), (3, "fail", 3), (3, "pass", 0), (4, "pass", 4)],
)
def test_the_exit_code_is_the_gates(run, capfd, code, inconclusive, expected):
    found, _, outputs = run(code, INCONCLUSIVE=inconclusive)
    assert found == expected
    assert ("::warning::" in capfd.readouterr().out) is ((code, expected) == (3, 0))
    assert outputs == ("" if code == 4 else "verdict=regression\n")


def test_noise_stops_no_pull_request():
    assert yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]["inconclusive"]["default"] == "pass"


def test_no_base_and_no_report_of_before(run, tmp_path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "gate.json").write_text("{}")
    assert run(4)[2] == ""
    (tmp_path / "given").write_text("not run")
    code, given, _ = run(0, BASE="")
    assert (code, given) == (2, ["not run"])


def test_the_workflow_gives_what_the_action_takes():
    workflow = yaml.safe_load((ACTION.parent / ".github" / "workflows" / "gate.yml").read_text(encoding="utf-8"))
    steps = {step.get("uses", "run"): step for step in workflow["jobs"]["gate"]["steps"]}
    inputs = yaml.safe_load(ACTION.read_text(encoding="utf-8"))["inputs"]
    given = set(steps["./"]["with"])
    assert {name for name, each in inputs.items() if each.get("required")} <= given <= set(inputs)
    assert steps["actions/checkout@v4"]["with"]["fetch-depth"] == 2  # or HEAD^1, the base, is not there


def test_every_input_is_handed_on_and_described():
    action = yaml.safe_load(ACTION.read_text(encoding="utf-8"))
    (step,) = action["runs"]["steps"]
    used = {value.removeprefix("${{ inputs.").removesuffix(" }}") for value in step["env"].values()}
    assert used == set(action["inputs"])
    assert all(given["description"] for given in action["inputs"].values())
    assert "${{" not in step["run"]
