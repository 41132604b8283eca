"""Answers that are kept: nothing is asked twice, and nothing is taken for the same that is not."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from mmbench.adapters.openai.failures import EmptyError, RefusedError, TruncatedError
from mmbench.errors import UsageError
from mmbench.sample import Audio, Sample
from mmbench_tasks.asr.datasets import spoken_sentences
from mmbench_tasks.asr.task import ASR

from .loopback import completion, reply

IMAGE = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
SAMPLE = Sample("a", {"image": IMAGE, "text": "Is there a circle?"})


def ask(loaded, *samples):
    return list(loaded.model.generate(loaded.model.collate(samples or [SAMPLE])))


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_repeated_run_asks_nothing(server, open_at):
    first = open_at(price_in=1.0, price_out=1.0)
    assert ask(first) == ["yes"]
    server.answer = "no"
    again = open_at(price_in=1.0, price_out=1.0)
    assert ask(again) == ["yes"]
    assert len(server.asked) == 1
    found = again.model.usage()
    assert (found.requests, found.cached, found.failed, found.cost) == (0, 1, 0, 0.0)
    assert (found.input_tokens, found.request_s) == (0, [])
    assert again.config["server"] == first.config["server"]


def test_the_same_content_from_another_file_is_the_same(server, open_at, tmp_path):
    for name in ("a.png", "b.bmp"):
        IMAGE.save(tmp_path / name)
        assert ask(open_at(), Sample(name, {"image": tmp_path / name, "text": "Is there a circle?"})) == ["yes"]
    assert len(server.asked) == 1


def test_a_question_that_comes_twice_in_a_batch_is_asked_once(server, open_at):
    loaded = open_at()
    assert ask(loaded, SAMPLE, Sample("b", SAMPLE.inputs), Sample("c", {"text": "another"})) == ["yes"] * 3
    assert len(server.asked) == 2
    assert (loaded.model.usage().requests, loaded.model.usage().cached) == (2, 1)


OTHER = {
    "model": {"name": "openai:other"},
    "max_tokens": {"max_tokens": 9},
    "temperature": {"temperature": 1.0},
    "top_p": {"top_p": 0.5},
    "seed": {"seed": 1},
    "prompt": {"prompt": "{text}!"},
    "detail": {"detail": "low"},
    "image_format": {"image_format": "jpeg"},
    "extra": {"extra": "{reasoning_effort: low}"},
}


@pytest.mark.parametrize("setting", OTHER)
def test_what_changes_an_answer_asks_again(setting, server, open_at):
    ask(open_at())
    ask(open_at(**OTHER[setting]))
    assert len(server.asked) == 2


def test_another_server_asks_again(server, open_at):
    ask(open_at())
    ask(open_at(base_url=server.url.replace("127.0.0.1", "localhost")))
    assert len(server.asked) == 2


def test_another_query_of_the_address_asks_again(server, open_at):
    """Servers tell deployments and versions apart by it."""
    first, second = (open_at(base_url=f"{server.url}?deployment={name}") for name in "ab")
    ask(first)
    ask(second)
    ask(first)
    assert len(server.asked) == 2
    assert first.config["base_url"] != second.config["base_url"]


@pytest.mark.parametrize(
    "settings", [{"concurrency": 1}, {"retries": 0}, {"timeout": 9}, {"price_in": 1, "price_out": 1}], ids=str
)
def test_what_changes_no_answer_does_not(settings, server, open_at):
    ask(open_at())
    ask(open_at(**settings))
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"image": IMAGE, "text": "Is there a square?"},
        {"image": Image.fromarray(np.asarray(IMAGE)[::-1].copy()), "text": "Is there a circle?"},
        {"image": Image.fromarray(np.asarray(IMAGE).reshape(5, 4, 3)), "text": "Is there a circle?"},
        {"text": "Is there a circle?"},
    ],
    ids=["text", "pixels", "shape", "no image"],
)
def test_another_sample_asks_again(other, server, open_at):
    ask(open_at())
    ask(open_at(), Sample("a", other))
    assert len(server.asked) == 2


def test_another_sound_asks_again(server, open_at):
    samples = np.linspace(-0.5, 0.5, 160, dtype=np.float32)
    loaded = open_at(ASR(), spoken_sentences)
    for sound in (Audio(samples, 8000), Audio(samples, 16000), Audio(samples[::-1].copy(), 8000), Audio(samples, 8000)):
        ask(loaded, Sample("a", {"audio": sound}))
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    ("body", "failure", "times"),
    [
        (completion(None, refusal="no"), RefusedError, 1),
        (completion("a long", "length"), TruncatedError, 1),
        (completion(None), EmptyError, 2),
    ],
    ids=["refused", "truncated", "empty"],
)
def test_a_failure_that_the_server_would_give_again_is_kept(body, failure, times, server, open_at):
    """An empty answer is the server's fault, and may be none the next time."""
    server.rule = lambda _: reply(body)
    answers = [ask(open_at())[0] for _ in range(2)]
    assert [type(answer) for answer in answers] == [failure, failure]
    assert str(answers[0]) == str(answers[1])
    assert len(server.asked) == times


@pytest.mark.parametrize("off", ["off", "false"])
def test_off_asks_every_time(off, server, open_at, tmp_path):
    loaded = open_at(cache=off)
    assert ask(loaded, SAMPLE, SAMPLE) == ["yes", "yes"]
    assert len(server.asked) == 2
    assert not (tmp_path / "answers").exists()
    assert loaded.config["transport"]["cache"] is False


def test_default_folder_is_in_the_cache_of_the_user(server, open_at, tmp_path, monkeypatch):
    monkeypatch.setenv("MMBENCH_CACHE", str(tmp_path / "user"))
    ask(open_at(cache="on"))
    assert len(files(tmp_path / "user" / "openai")) == 1


def test_a_file_has_the_answer_and_nothing_of_the_question(server, open_at, tmp_path):
    ask(open_at())
    (file,) = files(tmp_path / "answers")
    assert json.loads(file.read_text()) == {
        "kind": "answered",
        "text": "yes",
        "input_tokens": 10,
        "output_tokens": 2,
        "model": "tiny-2",
        "fingerprint": "fp_1",
    }


@pytest.mark.parametrize("content", [b"", b'{"kind": "answered", "te', b"[]", b'{"kind": "?", "text": "no"}', b"\xff"])
def test_a_damaged_file_is_asked_for_again(content, server, open_at, tmp_path):
    ask(open_at())
    (file,) = files(tmp_path / "answers")
    file.write_bytes(content)
    assert ask(open_at()) == ["yes"]
    assert len(server.asked) == 2
    assert ask(open_at()) == ["yes"]
    assert len(server.asked) == 2


def test_folder_that_cannot_be_made_is_refused(open_at, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"answers cannot be kept in .*; give --option cache=FOLDER or cache=off"):
        open_at(cache=tmp_path / "file" / "below")


def test_an_answer_that_cannot_be_kept_is_still_had(server, open_at, tmp_path):
    loaded = open_at()
    (tmp_path / "answers").rmdir()
    (tmp_path / "answers").write_text("")
    with pytest.warns(RuntimeWarning, match="an answer cannot be kept"):
        assert ask(loaded) == ["yes"]


WRITER = """
import sys
from pathlib import Path
from mmbench.adapters.openai.cache import AnswerCache
from mmbench.adapters.openai.reply import Reply

cache = AnswerCache(Path(sys.argv[1]))
for number in range(300):
    cache.store(f"{number % 7:064d}", Reply(kind="answered", text=sys.argv[2] * 2000))
    found = cache.load(f"{number % 5:064d}")
    assert found is None or len(set(found.text)) == 1 and len(found.text) == 2000, found
"""


def test_processes_share_a_folder(tmp_path):
    """Each reads whole answers only, whoever wrote them."""
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), letter], stderr=subprocess.PIPE, text=True)
        for letter in "ab"
    ]
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert writer.returncode == 0, errors
    assert len(files(tmp_path)) == 7


def test_an_answer_of_the_model_in_words_is_kept_as_it_was(server, open_at, tmp_path):
    """The rule that reads it may change, what was said does not."""
    server.script.append(reply(completion("It is a circle. ")))
    assert ask(open_at()) == ["It is a circle."]
    (file,) = files(tmp_path / "answers")
    assert json.loads(file.read_text())["text"] == "It is a circle. "
