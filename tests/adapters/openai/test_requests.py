"""What reaches the server: prompts, images and sound as content parts, and the user's settings."""

import base64
import io
import wave

import numpy as np
import pytest
from PIL import Image

from mmbench.sample import Audio, Sample
from mmbench_tasks.asr.datasets import spoken_sentences
from mmbench_tasks.asr.task import ASR
from mmbench_tasks.image_classification.task import ImageClassification
from mmbench_tasks.multimodal_classification.datasets import trimodal_digits
from mmbench_tasks.multimodal_classification.task import MultimodalClassification

from .loopback import completion, reply

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
IMAGE = Image.fromarray(PIXELS)
SHORTS = RNG.integers(-32768, 32768, 800, dtype=np.int16)
SOUND = Audio(SHORTS.astype(np.float32) / 32768, 8000)
QUESTION = Sample("a", {"image": IMAGE, "text": "Is there a circle?"})
PROMPT = "Is there a circle?\nAnswer the question with a single word or phrase."


def ask(loaded, *samples):
    return list(loaded.model.generate(loaded.model.collate(samples)))


def content(asked):
    (message,) = asked.fields["messages"]
    assert message["role"] == "user"
    return message["content"]


def decoded(url):
    kind, _, data = url.partition(";base64,")
    return kind, Image.open(io.BytesIO(base64.b64decode(data)))


def recording(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return file.getframerate(), np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


def test_image_is_sent_without_loss_before_the_prompt(server, open_at):
    assert ask(open_at(), QUESTION) == ["yes"]
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions"
    image, text = content(asked)
    assert text == {"type": "text", "text": PROMPT}
    assert (image["type"], [*image["image_url"]]) == ("image_url", ["url"])
    kind, found = decoded(image["image_url"]["url"])
    assert (kind, found.mode) == ("data:image/png", "RGB")
    assert np.array_equal(np.asarray(found), PIXELS)


def test_missing_modality_is_left_out(server, open_at):
    """Where only the text is left, the content is a plain string, which text-only servers take too."""
    loaded = open_at(concurrency=1)
    ask(loaded, Sample("a", {"text": "Is there a circle?"}), Sample("b", {"image": IMAGE}), Sample("c", {}))
    texts, images, nothing = map(content, server.asked)
    assert texts == PROMPT
    assert [part["type"] for part in images] == ["image_url", "text"]
    assert images[1]["text"] == nothing == PROMPT.partition("\n")[2]


def test_sound_is_sent_as_16_bit_wav(server, open_at):
    loaded = open_at(ASR(), spoken_sentences)
    assert ask(loaded, Sample("a", {"audio": SOUND})) == ["yes"]
    sound, text = content(server.asked[0])
    assert (sound["type"], sound["input_audio"]["format"]) == ("input_audio", "wav")
    rate, samples = recording(base64.b64decode(sound["input_audio"]["data"]))
    assert rate == 8000
    assert np.array_equal(samples, SHORTS)
    assert text["text"] == ASR.card.prompt


def test_loud_sound_is_clipped_and_does_not_wrap(server, open_at):
    ask(open_at(ASR(), spoken_sentences), Sample("a", {"audio": Audio(np.float32([1.0, 1.5, -1.5]), 8000)}))
    _, samples = recording(base64.b64decode(content(server.asked[0])[0]["input_audio"]["data"]))
    assert samples.tolist() == [32767, 32767, -32768]


def test_all_three_modalities_in_one_message(server, open_at):
    loaded = open_at(MultimodalClassification(), trimodal_digits, prompt="{text}?")
    ask(loaded, Sample("a", {"image": IMAGE, "text": "a digit", "audio": SOUND}))
    parts = content(server.asked[0])
    assert [part["type"] for part in parts] == ["image_url", "input_audio", "text"]
    assert parts[-1]["text"] == "a digit?"


def test_transcriptions_take_the_sound_as_a_file(server, open_at):
    usage = {"type": "tokens", "input_tokens": 7, "output_tokens": 3}
    server.script.append(reply({"text": " hello there ", "usage": usage}))
    loaded = open_at(ASR(), spoken_sentences, api="transcriptions", language="en", prompt="Names: Ada.")
    assert ask(loaded, Sample("a", {"audio": SOUND})) == ["hello there"]
    (asked,) = server.asked
    assert asked.path == "/v1/audio/transcriptions"
    fields = form(asked)
    assert {name: value.decode() for name, value in fields.items() if name != "file"} == {
        "model": "tiny",
        "language": "en",
        "prompt": "Names: Ada.",
        "temperature": "0.0",
        "response_format": "json",
    }
    assert np.array_equal(recording(fields["file"])[1], SHORTS)
    counted = loaded.model.usage()
    assert (counted.input_tokens, counted.output_tokens) == (7, 3)


def form(asked):
    """Fields of a form, by the boundary that its header names."""
    boundary = b"--" + asked.headers["content-type"].partition("boundary=")[2].encode()
    found = {}
    for part in asked.content.split(boundary)[1:-1]:
        head, _, value = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        found[head.partition(b'name="')[2].partition(b'"')[0].decode()] = value.removesuffix(b"\r\n")
    return found


def test_transcription_without_sound_is_a_failure_that_asks_nobody(server, open_at):
    (answer,) = ask(open_at(ASR(), spoken_sentences, api="transcriptions"), Sample("a", {}))
    assert "no sound" in str(answer)
    assert server.asked == []


def test_settings_reach_the_server_and_defaults_do_not(server, open_at):
    ask(open_at(), QUESTION)
    assert server.asked[0].fields.keys() == {"model", "messages", "temperature"}
    assert server.asked[0].fields["temperature"] == 0
    loaded = open_at(
        max_tokens=16,
        max_tokens_field="max_completion_tokens",
        temperature="null",
        top_p=0.9,
        seed=3,
        detail="low",
        image_format="jpeg",
        extra="{reasoning_effort: low}",
    )
    ask(loaded, QUESTION)
    fields = server.asked[1].fields
    assert {name: value for name, value in fields.items() if name != "messages"} == {
        "model": "tiny",
        "max_completion_tokens": 16,
        "top_p": 0.9,
        "seed": 3,
        "reasoning_effort": "low",
    }
    image = content(server.asked[1])[0]["image_url"]
    assert image["detail"] == "low"
    kind, found = decoded(image["url"])
    assert kind == "data:image/jpeg"
    assert found.size == IMAGE.size


@pytest.mark.parametrize(
    ("said", "expected"), [("It is a 7.", "7"), ("Answer: 3", "3"), ("perhaps 1 or 2", "perhaps 1 or 2")]
)
def test_classes_are_told_and_read_from_the_answer(said, expected, server, open_at):
    """By the rule of mmbench.adapters.prompt, which the record states."""
    from mmbench_tasks.image_classification.datasets import digits

    server.script.append(reply(completion(said)))
    loaded = open_at(ImageClassification(), digits)
    assert ask(loaded, Sample("a", {"image": IMAGE})) == [expected]
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9" in server.asked[0].text
    assert "whole words" in loaded.config["rule"]


def test_query_and_password_of_the_url_are_sent(server, open_at):
    url = server.url.replace("http://", "http://ada:p%40ss-word-1@") + "?api-version=2024-10-21"
    loaded = open_at(base_url=url)
    assert ask(loaded, QUESTION) == ["yes"]
    (asked,) = server.asked
    assert asked.path == "/v1/chat/completions?api-version=2024-10-21"
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"ada:p@ss-word-1"
    assert loaded.config["base_url"].partition("?")[0] == server.url
    assert "2024" not in loaded.config["base_url"], "only a hash of the query is shown"
    assert loaded.config["host"] == server.url[7:-3]


def test_key_of_the_environment_is_sent(server, open_at, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789\n")
    ask(open_at(), QUESTION)
    assert server.asked[0].headers["authorization"] == "Bearer sk-0123456789"


def test_url_of_the_environment_is_used(server, open_at, monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    assert ask(open_at(base_url=""), QUESTION) == ["yes"]


def test_answers_come_in_the_order_of_the_samples(server, open_at):
    server.rule = lambda asked: reply(completion(asked.text.partition("\n")[0]))
    samples = [Sample(str(n), {"text": f"word {n}"}) for n in range(20)]
    assert ask(open_at(concurrency=5), *samples) == [f"word {n}" for n in range(20)]


def test_no_more_requests_at_a_time_than_allowed(server, open_at):
    from threading import Barrier, Lock

    together, most, lock, barrier = 0, 0, Lock(), Barrier(3)

    def counting(asked):
        def act(handler, _):
            nonlocal together, most
            with lock:
                together += 1
                most = max(most, together)
            barrier.wait(10)  # three must be there at once for any to go on
            with lock:
                together -= 1
            reply(completion("yes"))(handler, asked)

        return act

    server.rule = counting
    ask(open_at(concurrency=3), *(Sample(str(n), {"text": f"word {n}"}) for n in range(12)))
    assert most == 3
