"""`mmbench score`: predictions from a file, with and without a data set, alone and against others."""

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from mmbench.cli import main
from mmbench.record.schema import json_schema
from mmbench.record.store import Store
from mmbench.registry import registry

LABELS = ["a", "a", "b", "b", "c", "c", "a", "b"]
ANSWERS = ["a", "b", "b", "b", "c", "a", "a", "b"]


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, lines):
    Path(name).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return name


def classified(answers=ANSWERS, **fields):
    pairs = enumerate(zip(answers, LABELS, strict=True))
    return [{"id": i, "prediction": answer, "target": label, **fields} for i, (answer, label) in pairs]


def score(capsys, *arguments, task="image_classification", predictions="p.jsonl", code=0):
    assert main(["score", "--task", task, "--predictions", predictions, *arguments]) == code
    captured = capsys.readouterr()
    return captured.err if code else captured.out


def scored(capsys, *arguments, **options):
    return json.loads(score(capsys, "--json", *arguments, **options))


def test_record_has_the_keys_of_an_evaluation(capsys):
    write("p.jsonl", classified())
    record = scored(capsys)
    Draft202012Validator(json_schema()).validate(record)
    accuracy = record["metrics"]["accuracy"]
    assert (accuracy["value"], accuracy["n"], accuracy["method"]) == (6 / 8, 8, "wilson")
    assert record["main_metric"] == "accuracy"
    assert record["model"]["name"] == "p"
    assert record["cost"] is None
    assert "macro_f1" in record["metrics"]
    assert not {"nll", "ece"} & set(record["metrics"])  # no line gives probabilities
    assert list(Path().iterdir()) == [Path("p.jsonl")]


def test_probabilities_give_the_metrics_that_need_them(capsys):
    """By hand: the target's probability is .5, .25 or .25 by turns, so NLL = -(log .5 + 2 log .25) / 3."""
    shares = {"a": 0.5, "b": 0.25, "c": 0.25}
    lines = [{"id": i, "prediction": "a", "target": t, "probabilities": shares} for i, t in enumerate("abc")]
    write("p.jsonl", lines)
    assert scored(capsys)["metrics"]["nll"]["value"] == pytest.approx(5 / 3 * 0.6931471805599453)


def test_group_makes_clusters_and_other_fields_make_breakdowns(capsys):
    lines = [
        {
            "id": i,
            "prediction": "yes",
            "answers": ["yes"] * 10,
            "question_type": f"t{i % 2}",
            "group": f"image {i // 2}",
        }
        for i in range(8)
    ]
    write("p.jsonl", lines)
    record = scored(capsys, task="vqa")
    assert record["metrics"]["vqa_accuracy"]["method"] in ("clustered-bootstrap", "wilson-clusters")
    assert set(record["breakdowns"]["question_type"]) == {"t0", "t1"}


def test_people_see_a_table(capsys):
    write("p.jsonl", classified())
    text = score(capsys)
    assert "p · image_classification" in text
    assert "0.7500" in text


def test_stored_record_stands_in_the_leaderboard(capsys):
    write("p.jsonl", classified())
    write("q.jsonl", classified(LABELS))
    for name in ("p.jsonl", "q.jsonl"):
        score(capsys, "--output", "results", "--model", f"model {name[0]}", predictions=name)
    (_, first), (_, second) = Store(Path()).find([Path("results")])
    assert first.dataset == second.dataset  # the same questions, so one table
    assert main(["leaderboard", "--format", "csv"]) == 0
    rows = capsys.readouterr().out.splitlines()
    models = rows[0].split(",").index("model")
    assert [row.split(",")[models] for row in rows[1:]] == ["model q", "model p"]


def test_against_gives_paired_differences(capsys):
    write("p.jsonl", classified())
    write("q.jsonl", reversed(classified(LABELS)))  # the order of lines does not matter
    found = scored(capsys, "--against", "q.jsonl")
    difference = found["differences"]["accuracy"]
    assert difference["value"] == -2 / 8
    assert difference["low"] <= difference["value"] <= difference["high"]
    assert (difference["p_value"], difference["test"]) == (
        2 / 4,
        "exact",
    )  # two swaps matter: both or neither is as far
    assert found["record"]["model"]["name"] == "p"
    assert found["against"]["metrics"]["accuracy"]["value"] == 1.0
    assert "-0.2500" in score(capsys, "--against", "q.jsonl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "1 ids of p.jsonl are not in q.jsonl: '7'"),
        (lambda lines: [*lines, {"id": "new", "prediction": "a", "target": "a"}], "1 ids of q.jsonl are not in"),
        (lambda lines: [{**lines[0], "target": "z"}, *lines[1:]], "q.jsonl:1: id 0: target or group is not the one at"),
    ],
)
def test_against_other_samples_is_refused(capsys, change, message):
    write("p.jsonl", classified())
    write("q.jsonl", change(classified()))
    error = score(capsys, "--against", "q.jsonl", code=2)
    assert re.search(message, error), error


def test_stored_record_has_the_differences(capsys):
    write("p.jsonl", classified())
    write("q.jsonl", classified(LABELS))
    found = scored(capsys, "--against", "q.jsonl", "--output", "results")
    ((_, record),) = Store(Path()).find([Path("results")])
    assert record.against.model == "q"
    assert record.against.differences["accuracy"].value == -2 / 8
    assert found["record"]["against"]["differences"] == found["differences"]
    Draft202012Validator(json_schema()).validate(found["record"])


def test_ways_to_score_stand_in_tables_of_their_own(capsys):
    write("p.jsonl", [{"id": 1, "prediction": "It's OK.", "reference": "it is okay"}])
    score(capsys, "--output", "results", task="asr")
    text = score(capsys, "--output", "results", "--model", "raw", "--protocol", "normalizer=none", task="asr")
    assert "protocol     normalizer none" in text
    score(capsys, "--output", "results", "--model", "raw", "--protocol", "normalizer=none", task="asr")
    assert main(["leaderboard", "--format", "markdown"]) == 0
    text = capsys.readouterr().out
    titles = [line for line in text.splitlines() if line.startswith("### ")]
    assert [title.rpartition(", ")[2] for title in titles] == ["normalizer whisper-english", "normalizer none"]
    assert "1 earlier run is not shown" in text


def test_data_set_gives_the_targets(capsys):
    card = registry.load("dataset", "easy-vqa")
    samples = registry.load("task", "vqa")().load(card, "test")
    chosen = [samples[index] for index in range(len(samples))]
    write("p.jsonl", [{"id": s.id, "prediction": s.target if i % 4 else "no"} for i, s in enumerate(chosen)])
    record = scored(capsys, "--dataset", "easy-vqa", task="vqa")
    expected = sum(bool(i % 4) or s.target == "no" for i, s in enumerate(chosen)) / len(chosen)
    assert record["metrics"]["accuracy"]["value"] == pytest.approx(expected, abs=1e-12)
    assert record["metrics"]["accuracy"]["method"] == "clustered-bootstrap"
    assert record["dataset"] == {"name": "easy-vqa", "revision": "1.0", "split": "test", "n": 9673, "limit": None}
    assert set(record["breakdowns"]["question_type"]) == {"color", "shape", "yes/no"}


def test_data_set_and_file_must_have_the_same_ids(capsys):
    write("p.jsonl", [{"id": "test/0", "prediction": "no"}])
    error = score(capsys, "--dataset", "easy-vqa", task="vqa", code=2)
    assert "p.jsonl: 9,672 of 9,673 samples have no prediction: 'test/1', 'test/2', 'test/3', ..." in error
    write("p.jsonl", [{"id": "nonsense", "prediction": "no"}])
    error = score(capsys, "--dataset", "easy-vqa", task="vqa", code=2)
    assert "p.jsonl:1: id nonsense: the data set has no such sample; it has 'test/0'" in error


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"prediction": "a", "target": "a"}\n', ":1: no field 'id'"),
        ('{"id": 1, "target": "a"}\n', ":1: id 1: no field 'prediction'"),
        ('{"id": 1, "prediction": "a"}\n', ":1: id 1: no field 'target'"),
        ('{"id": 1, "prediction": null, "target": "a"}\n', ":1: id 1: field 'prediction': expected str"),
        ('{"id": 1, "prediction": "a", "target": "a"}\n{"id": 1, "prediction": "a", "target": "a"}\n', ":2: id '1' is"),
        ('{"id": 1, "prediction": "a", "target": "a"}\nnonsense\n', ":2: not JSON"),
        ("", ": no predictions"),
        ('{"id": "", "prediction": "a", "target": "a"}\n', ":1: field 'id' is empty"),
        ('{"id": 1, "prediction": true, "target": "a"}\n', ":1: id 1: field 'prediction': expected str"),
        ('{"id": 1, "prediction": NaN, "target": "a"}\n', ":1: not JSON: NaN is no JSON number"),
        ('{"id": 1, "prediction": "a", "target": "a", "group": [1]}\n', ":1: id 1: field 'group': expected str or int"),
        ('{"id": 1, "prediction": "a", "prediction": "b", "target": "a"}\n', ":1: key 'prediction' is there twice"),
        ('{"id": 1, "prediction": "\\ud800", "target": "a"}\n', ":1: a text holds "),
        (
            '{"id": 1, "prediction": "a", "target": "a", "probabilities": {"a": 2}}\n',
            ":1: id 1: field 'probabilities': 'a' has 2; expected 0 to 1",
        ),
        (
            '{"id": 1, "prediction": "a", "target": "a", "probabilities": {"a": 0.5}}\n',
            ":1: id 1: field 'probabilities': they sum to 0.5000",
        ),
        (
            '{"id": 1, "prediction": "b", "target": "a", "probabilities": {"a": 0.6, "b": 0.4}}\n',
            ":1: id 1: prediction 'b' is not the most probable label, which is 'a'",
        ),
        ('[{"id": 1, "prediction": "a", "target": "a"}]\n', ":1: expected one JSON object a line (JSON Lines)"),
        (
            '{"id": 1, "prediction": "a", "target": "a", "probabilities": {"a": 1}}\n'
            '{"id": 2, "prediction": "a", "target": "a"}\n',
            ":2: id 2: no field 'probabilities', which other lines",
        ),
    ],
)
def test_bad_line_is_told_with_its_place(capsys, lines, message):
    Path("p.jsonl").write_text(lines)
    error = score(capsys, code=2)
    assert f"p.jsonl{message}" in error
    assert error.count("\n") == 1


def test_vector_is_no_answer_where_words_are_asked_for(capsys):
    lines = [{"id": 1, "prediction": "yes", "answers": ["yes"] * 10, "vector": [1, 2]}]
    write("p.jsonl", lines)
    assert scored(capsys, task="vqa")["metrics"]["exact_match"]["value"] == 1.0


@pytest.mark.parametrize("vector", [[], ["1"], [True], [1e300], [10**400], "no"])
def test_vector_that_is_none(capsys, vector):
    write("p.jsonl", [{"id": 1, "modality": "text", "target": "a", "vector": vector}])
    error = score(capsys, task="retrieval", code=2)
    assert "p.jsonl:1: id 1: field 'vector': expected" in error
    assert error.count("\n") == 1


def test_retrieval_by_vectors(capsys):
    """Two images and their texts, by hand: the text of b is nearer to image a, so one of two texts finds its image."""
    items = [("image", "a", [1, 0]), ("image", "b", [0, 1]), ("text", "a", [2, 1]), ("text", "b", [3, 2])]
    lines = [{"id": n, "modality": m, "target": t, "vector": v} for n, (m, t, v) in enumerate(items)]
    write("p.jsonl", lines)
    metrics = scored(capsys, task="retrieval")["metrics"]
    assert (metrics["text_to_image_r_at_1"]["value"], metrics["text_to_image_r_at_1"]["n"]) == (0.5, 2)
    assert metrics["text_to_image_median_rank"]["value"] == 1.5


def test_cause_is_told_and_not_what_follows_from_it(capsys):
    """A modality that is none, on the third line: that the image of the first then finds no text is no news."""
    items = [("image", "a"), ("image", "b"), ("txt", "a"), ("text", "b")]
    write("p.jsonl", [{"id": n, "modality": m, "target": t, "vector": [1, 0]} for n, (m, t) in enumerate(items)])
    assert "p.jsonl:3: id 2: expected image or text" in score(capsys, task="retrieval", code=2)


def test_one_answer_or_several(capsys):
    """A text is a list of one; with single answers VQA accuracy is not defined, and another metric is the main one."""
    write("p.jsonl", [{"id": 1, "prediction": "a", "answers": "a"}, {"id": 2, "prediction": "b", "answers": ["a"]}])
    record = scored(capsys, task="vqa")
    assert record["metrics"]["vqa_accuracy"] | {"level": 0} == {
        "value": None,
        "low": None,
        "high": None,
        "level": 0,
        "n": 0,
        "method": "none",
        "higher_is_better": True,
    }
    assert record["main_metric"] == "exact_match"
    assert record["metrics"]["exact_match"]["value"] == 0.5


def test_text_that_could_steer_a_terminal_does_not(capsys):
    write("p.jsonl", [{"id": "\x1b[31m", "prediction": "a", "answers": ["a"] * 10, "question_type": "\x1b[2J"}])
    assert "\x1b" not in score(capsys, task="vqa")


def test_file_that_is_not_there_and_text_that_is_not_utf8(capsys):
    assert "p.jsonl: No such file" in score(capsys, code=2)
    Path("p.jsonl").write_bytes(b'{"id": 1, "prediction": "\xff", "target": "a"}\n')
    assert "p.jsonl:1: not UTF-8 text (byte 0xff)" in score(capsys, code=2)


def test_prediction_that_cannot_be_scored(capsys):
    """An empty reference has no word error rate: an error, or a failure on record."""
    lines = [{"id": "x", "prediction": "hello", "reference": "hello"}, {"id": "y", "prediction": "a", "reference": ""}]
    write("p.jsonl", lines)
    error = score(capsys, task="asr", code=2)
    assert "p.jsonl:2: id y: " in error
    assert "--on-error skip" in error
    record = scored(capsys, "--on-error", "skip", task="asr")
    assert [failure["id"] for failure in record["failures"]] == ["y"]
    assert (record["metrics"]["wer"]["n"], record["dataset"]["n"]) == (1, 2)
    assert "more than --max-errors 0" in score(capsys, "--on-error", "skip", "--max-errors", "0", task="asr", code=2)


def test_protocol_is_applied_and_recorded(capsys):
    write("p.jsonl", [{"id": 1, "prediction": "It's OK.", "reference": "it is okay"}])
    strict = scored(capsys, "--protocol", "normalizer=none", task="asr")
    assert strict["metrics"]["wer"]["value"] == 1.0
    assert strict["settings"]["metrics"]["wer"]["normalizer"] == "none"
    assert scored(capsys, task="asr")["metrics"]["wer"]["value"] < 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--protocol", "normalizr=none"], "unknown protocol option 'normalizr'; did you mean 'normalizer'?"),
        (["--protocol", "normalizer=nonee"], "unknown normalizer of metric wer 'nonee'; did you mean 'none'"),
        (["--protocol", "normalizer"], "--protocol takes KEY=VALUE, not 'normalizer'"),
        (["--metric", "wre"], "unknown metric 'wre'; did you mean 'wer'"),
        (["--metric", "nll"], "metric nll needs 'probabilities'"),
        (["--split", "test"], "--split goes with --dataset"),
        (["--max-errors", "1"], "--max-errors goes with --on-error skip"),
    ],
)
def test_wrong_options(capsys, arguments, message):
    write("p.jsonl", [{"id": 1, "prediction": "a", "reference": "a"}])
    assert message in score(capsys, *arguments, task="asr", code=2)


def test_further_metric(capsys):
    write("p.jsonl", [{"id": 1, "prediction": "a b", "reference": "a c"}])
    found = scored(capsys, "--metric", "exact_match", task="asr")["metrics"]
    assert (found["exact_match"]["value"], found["wer"]["value"]) == (0.0, 0.5)


def test_metric_of_the_evaluate_library(capsys):
    """A script of the user's: by its path here, by its name in the record."""
    Path("mine.py").write_text(
        "import datasets\nimport evaluate\n"
        "class Mine(evaluate.Metric):\n"
        "    def _info(self):\n"
        "        text = datasets.Value('string')\n"
        "        return evaluate.MetricInfo(description='', citation='', inputs_description='',\n"
        "            features=datasets.Features({'predictions': text, 'references': text}))\n"
        "    def _compute(self, predictions, references):\n"
        "        return {'mine': sum(p == r for p, r in zip(predictions, references)) / len(predictions)}\n"
    )
    write("p.jsonl", [{"id": n, "prediction": "a", "reference": r} for n, r in enumerate("aabb")])
    record = scored(capsys, "--metric", "evaluate:mine.py", task="asr")
    assert record["metrics"]["evaluate:mine"]["value"] == 0.5
    assert record["metrics"]["evaluate:mine"]["low"] < 0.5
