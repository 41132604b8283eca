"""Key and password stay out of messages, answers, caches, records and logs, also where a server repeats them."""

import base64
import logging

import pytest

from mmbench.adapter import Opening
from mmbench.adapters.openai.options import OpenAIOptions
from mmbench.adapters.openai.secret import Secrets
from mmbench.cli import main
from mmbench.engine.open_model import open_model
from mmbench.errors import UsageError
from mmbench.sample import Sample
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

from .loopback import completion, reply, status

KEY = "sk-proj-Zq3vT7hWm2Lx9Kd4Rb8N"
PASSWORD = "tr0ub4dor-and-3"  # noqa: S105  # of nobody
ECHOES = {
    "whole": KEY,
    "quoted": f"'{KEY}'.",
    "header": f"Bearer {KEY}",
    "its beginning": f"{KEY[:12]} is wrong",
    "blotted out": f"{KEY[:7]}****{KEY[-4:]}",
    "with dots": f"{KEY[:7]}...{KEY[-4:]}",
    "across a line": f"the key\n{KEY}\nis wrong",
}


def pieces(secret, length=8):
    return [secret[at : at + length] for at in range(len(secret) - length + 1)]


def tells(text, *secrets):
    return any(piece in text for secret in secrets for piece in pieces(secret))


def ask(loaded, *samples):
    return list(loaded.model.generate(loaded.model.collate(samples or [Sample("a", {"text": "Is there a circle?"})])))


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


@pytest.mark.parametrize("echo", ECHOES)
@pytest.mark.parametrize("code", [400, 401, 429, 500])
def test_error_of_the_server_that_repeats_the_key(code, echo, key, server, open_at):
    server.rule = lambda _: status(code, {"error": {"message": f"Incorrect API key provided: {ECHOES[echo]}"}})
    (error,) = ask(open_at(retries=0))
    assert "Incorrect API key provided: " in str(error)
    assert not tells(str(error), key)
    assert key[-4:] not in str(error)


@pytest.mark.parametrize(
    "body",
    [
        completion(f"Your key is {KEY}."),
        completion("yes") | {"model": KEY, "system_fingerprint": KEY},
        completion(None, refusal=f"not with {KEY}"),
        {"error": {"message": KEY}},
    ],
    ids=["text", "model", "refusal", "error"],
)
def test_answer_that_repeats_the_key(body, key, server, open_at, tmp_path):
    server.script.append(reply(body))
    loaded = open_at()
    assert not tells(str(ask(loaded)), key)
    assert not tells(str(loaded.config), key)
    assert not any(tells(file.read_text(), key) for file in (tmp_path / "answers").rglob("*.json"))


def test_what_is_no_secret_stays(server, open_at, monkeypatch):
    """A short word in place of a key, as servers take that want none, may be an answer."""
    monkeypatch.setenv("OPENAI_API_KEY", "yes")
    server.script.extend([reply(completion("yes")), status(400, {"error": {"message": "yes, but no"}})])
    loaded = open_at(cache="off")
    assert ask(loaded) == ["yes"]
    assert str(ask(loaded)[0]) == "400: yes, but no"


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_record_cache_output_and_log_of_a_run(level, key, server, tmp_path, monkeypatch, capsys, caplog, threads):
    """A run in which some answers and some failures repeat all that there is to repeat."""
    monkeypatch.chdir(tmp_path)
    url = server.url.replace("http://", f"http://ada:{PASSWORD}@") + "?token=Jx5cQ8wYp1"
    token = base64.b64encode(f"ada:{PASSWORD}".encode()).decode()

    def repeating(asked):
        echo = f"{key} {PASSWORD} {asked.headers} {asked.path} Jx5cQ8wYp1"
        return {0: status(400, {"error": {"message": echo}}), 1: reply(completion(echo)), 2: status(500, echo)}.get(
            len(server.asked) % 4
        )

    server.rule = repeating
    settings = ["retries=0", "cache=answers", "backoff=0.01"]
    with caplog.at_level(level):
        code = main(
            [
                *("eval", "--model", "openai:tiny", "--base-url", url, "--task", "vqa", "--on-error", "skip"),
                *("--limit", "16", "--workers", "0", "--threads", "1", "--device", "cpu", "--json"),
                *(part for setting in settings for part in ("--option", setting)),
            ]
        )
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert "[hidden]" in printed.out
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".parquet" for path in kept)
    assert any(path.parts[-3] == "answers" for path in kept)
    for secret in (key, PASSWORD, token):
        assert not tells(printed.out + printed.err + caplog.text, secret)
        for path in kept:
            content = path.read_bytes()
            assert not any(piece.encode() in content for piece in pieces(secret)), path
    assert "Jx5cQ8wYp1" not in printed.out + printed.err
    assert not any(b"Jx5cQ8wYp1" in path.read_bytes() for path in kept)


def test_what_may_be_a_word_of_an_answer_stays_in_it(server, open_at):
    """A user's name, and a version in the query, open no door."""
    server.rule = lambda _: reply(completion("the operator said on 2024-10-21"))
    url = server.url.replace("http://", f"http://operator:{PASSWORD}@") + "?api-version=2024-10-21"
    assert ask(open_at(base_url=url)) == ["the operator said on 2024-10-21"]


def test_an_address_is_not_shown_with_the_settings(server):
    url = server.url.replace("http://", f"http://ada:{PASSWORD}@")
    setting = f"base_url={url}"
    card = (VQA.card, easy_vqa)
    assert not tells(repr(Opening("openai:tiny", "tiny", *card, tuple, (setting,))), PASSWORD)
    assert not tells(repr(OpenAIOptions(base_url=url)), PASSWORD)
    for model, settings in (("film", (setting,)), ("openai:tiny", (setting, setting))):
        with pytest.raises(UsageError) as caught:
            open_model(model, VQA(), easy_vqa, settings=settings)
        assert not tells(str(caught.value), PASSWORD)


def test_message_is_one_short_line():
    text = Secrets().message("a\x1b[31m\nb " * 200)
    assert len(text) == 300
    assert text.isprintable()


@pytest.fixture
def threads():
    """PyTorch's threads as they were; and loggers, whose levels a run leaves alone."""
    import torch

    before, level = torch.get_num_threads(), logging.getLogger("httpx2").level
    yield
    torch.set_num_threads(before)
    assert logging.getLogger("httpx2").level == level
