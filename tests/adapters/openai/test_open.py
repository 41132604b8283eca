"""Opening a model behind a server: what its record tells, and what is refused before anything is asked."""

import pytest

from mmbench.errors import UsageError
from mmbench.sample import Sample
from mmbench_tasks.captioning.datasets import scenes
from mmbench_tasks.retrieval.task import Retrieval


def test_config_tells_all_but_places(server, open_at, tmp_path):
    loaded = open_at(max_tokens=8, price_in=1.0, price_out=2.0, name="openai:/models/secret-place/tiny")
    assert loaded.model.name == "openai:tiny"
    loaded.model.generate(loaded.model.collate([Sample("a", {"text": "Is there a circle?"})]))
    assert loaded.config == {
        "model": "tiny",
        "api": "chat",
        "base_url": server.url,
        "host": f"127.0.0.1:{server.server_port}",
        "prompt": "{text}\nAnswer the question with a single word or phrase.",
        "rule": None,
        "answers": {
            "max_tokens": 8,
            "max_tokens_field": "max_tokens",
            "temperature": 0.0,
            "top_p": None,
            "seed": None,
            "language": None,
            "image_format": "png",
            "detail": None,
            "extra": None,
        },
        "transport": {
            "concurrency": 8,
            "retries": 5,
            "timeout": 60.0,
            "backoff": 0.01,
            "max_wait": 60.0,
            "cache": True,
            "price_in": 1.0,
            "price_out": 2.0,
        },
        "server": {"model": ["tiny-2"], "system_fingerprint": ["fp_1"]},
    }
    assert server.asked[0].fields["model"] == "/models/secret-place/tiny"


def test_task_of_vectors_is_refused(open_at):
    with pytest.raises(UsageError, match=r"task 'retrieval' needs a model that can embed; .* can generate"):
        open_at(Retrieval(), scenes)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "openai:"}, "expected openai:MODEL"),
        ({"base_url": "localhost:8000"}, "must look like http://HOST:PORT/v1"),
        ({"base_url": "http://user:very-secret@:99999999"}, "must look like http://HOST:PORT/v1"),
        ({"concurrency": 0}, "concurrency must be at least 1, not 0"),
        ({"max_tokens": 0}, "max_tokens must be at least 1, not 0"),
        ({"timeout": 0}, "timeout must be above 0 seconds"),
        ({"temperature": -1}, "temperature must be 0 or more"),
        ({"price_in": 1}, "price_in and price_out go together"),
        ({"extra": "{stream: true}"}, "extra cannot set stream"),
        ({"extra": "{temperature: 1}"}, "extra cannot set temperature; it has an option of its own"),
        ({"language": "en"}, "api=chat takes no language"),
        ({"api": "transcriptions"}, "api=transcriptions takes audio; the samples have image, text"),
        ({"api": "transcriptions", "seed": 1}, "api=transcriptions takes no seed"),
        ({"max_token": 3}, "did you mean 'max_tokens'"),
        ({"prompt": "{question}"}, "not {question}"),
    ],
    ids=lambda value: None if isinstance(value, str) else ",".join(value),
)
def test_wrong_settings_are_refused_in_one_line(settings, message, open_at):
    with pytest.raises(UsageError) as caught:
        open_at(**settings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_openai_itself_wants_a_key(open_at):
    with pytest.raises(UsageError, match="set OPENAI_API_KEY; for another server give --base-url"):
        open_at(base_url="")


def test_key_that_can_be_none_is_refused_without_being_shown(open_at, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-kéy")
    with pytest.raises(UsageError, match="characters that no key has") as caught:
        open_at()
    assert "kéy" not in str(caught.value)
