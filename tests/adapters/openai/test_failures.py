"""A server that fails in any way: asked again within limits, then a failure with its reason; others stand."""

import signal
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from socket import socket

import pytest

from mmbench.adapters.openai.failures import (
    EmptyError,
    NoAnswerError,
    RefusedError,
    RequestError,
    TruncatedError,
    UnavailableError,
)
from mmbench.sample import Sample

from .loopback import completion, cut_off, drip, hang_up, healthy, hold, raw, reply, status

SAMPLE = Sample("a", {"text": "Is there a circle?"})
QUOTA = {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}


def ask(loaded, *samples):
    return list(loaded.model.generate(loaded.model.collate(samples or [SAMPLE])))


def usage(loaded):
    found = loaded.model.usage()
    return found.requests, found.retried, found.cached, found.failed


PASSING = {
    "500": (status(500), "500: Internal Server Error"),
    "503": (status(503, {"error": {"message": "overloaded"}}), "503: overloaded"),
    "429": (status(429, {"error": {"message": "slow down"}}), "429: slow down"),
    "408": (status(408), "408: Request Timeout"),
    "409": (status(409), "409: Conflict"),
    "said to pass": (status(400, x_should_retry="true"), "400: Bad Request"),
    "cut off in mid-body": (cut_off, "the answer broke off: "),
    "hangs up": (hang_up, "the connection failed: "),
    "invalid JSON": (raw(b"<html>Bad Gateway</html>"), "the answer is not JSON: "),
    "half of its JSON": (raw(b'{"choices": [{"mess'), "the answer is not JSON: "),
    "not UTF-8": (raw(b"\xff\xfe\xfd"), "the answer is not JSON: "),
    "a list": (raw(b"[]"), "the answer is JSON, but no object"),
    "too slow": (hold, "no answer within timeout=0.5 s"),
    "drop by drop": (drip, "no answer within timeout=0.5 s"),
}
"""What may pass: the act, and the beginning of the reason."""

passing = pytest.mark.parametrize("kind", PASSING)


def limits(kind):
    """Half a second where the server is to be too slow; else none that a busy machine could reach."""
    return {"timeout": 0.5} if PASSING[kind][1].endswith("0.5 s") else {}


@passing
def test_what_may_pass_is_tried_again(kind, server, open_at):
    act, _ = PASSING[kind]
    server.script.extend([act, act])
    loaded = open_at(**limits(kind))
    assert ask(loaded) == ["yes"]
    assert (len(server.asked), usage(loaded)) == (3, (3, 2, 0, 0))
    assert len(loaded.model.usage().request_s) == 1


@passing
def test_what_does_not_pass_is_a_failure_after_the_last_retry(kind, server, open_at):
    act, reason = PASSING[kind]
    server.rule = lambda _: act
    loaded = open_at(retries=1, **limits(kind))
    (error,) = ask(loaded)
    assert isinstance(error, UnavailableError)
    assert str(error).startswith(reason)
    assert str(error).endswith(" (sent 2 times)")
    assert (len(server.asked), usage(loaded)) == (2, (2, 1, 0, 1))
    server.released.set()
    server.rule = lambda _: None
    assert ask(loaded) == ["yes"], "no failure of the way is kept"


def test_server_that_is_down(open_at):
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
        loaded = open_at(base_url=url, retries=2)
        (error,) = ask(loaded)
    assert isinstance(error, UnavailableError)
    assert str(error).startswith("the connection failed: ")
    assert "refused" in str(error)
    assert usage(loaded) == (3, 2, 0, 1)
    assert loaded.model.usage().request_s == []


def test_what_the_server_says_will_not_pass_is_not_tried_again(server, open_at):
    server.script.append(status(503, x_should_retry="false"))
    loaded = open_at()
    assert isinstance(ask(loaded)[0], RequestError)
    assert usage(loaded) == (1, 0, 0, 1)


@pytest.mark.parametrize("code", [400, 401, 403, 404, 413, 422])
def test_other_refusals_are_not_tried_again(code, server, open_at):
    server.script.append(status(code, {"error": {"message": "I do not like\nthis."}}))
    loaded = open_at()
    (error,) = ask(loaded)
    assert isinstance(error, RequestError)
    assert str(error).startswith(f"{code}: ")
    assert "I do not like this." in str(error)
    assert usage(loaded) == (1, 0, 0, 1)


def test_detail_of_fastapi_is_the_reason(server, open_at):
    server.script.append(status(422, {"detail": "Unexpected fields in the request: {'seed'}"}))
    (error,) = ask(open_at())
    assert str(error) == "422: Unexpected fields in the request: {'seed'}"


def test_401_names_the_environment_variable(server, open_at, monkeypatch):
    server.rule = lambda _: status(401, {"error": {"message": "no"}})
    assert str(ask(open_at())[0]) == "401: set OPENAI_API_KEY: no"
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    assert str(ask(open_at())[0]) == "401: the key in OPENAI_API_KEY is refused: no"


def test_404_shows_the_address(server, open_at):
    server.script.append(status(404))
    url = server.url.removesuffix("/v1")
    assert str(ask(open_at(base_url=url))[0]) == f"404: Not Found (asked at {url}; --base-url mostly ends in /v1)"


def test_quota_that_is_used_up_does_not_come_back_by_waiting(server, open_at):
    server.script.append(status(429, QUOTA))
    loaded = open_at()
    assert isinstance(ask(loaded)[0], RequestError)
    assert usage(loaded) == (1, 0, 0, 1)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_heeded(form, server, open_at):
    wait = 0.4 if form == "seconds" else 2.0  # a date has whole seconds only
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=wait), usegmt=True)
    server.script.append(status(429, Retry_After=str(wait) if form == "seconds" else until))
    start = time.perf_counter()
    assert ask(open_at()) == ["yes"]
    assert time.perf_counter() - start >= (wait if form == "seconds" else wait - 1.0)


@pytest.mark.parametrize("value", ["0", "-3", "soon", "nan", "", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_retry_after_that_asks_for_nothing_costs_no_time(value, server, open_at):
    server.script.append(status(503, Retry_After=value))
    start = time.perf_counter()
    assert ask(open_at()) == ["yes"]
    assert time.perf_counter() - start < 5.0


def test_retry_after_beyond_the_limit_ends_it_at_once(server, open_at):
    server.script.append(status(429, {"error": {"message": "come tomorrow"}}, Retry_After="86400"))
    loaded = open_at(max_wait=30)
    (error,) = ask(loaded)
    assert str(error) == "429: come tomorrow (sent once; the server wants 86400 s to pass, above max_wait)"
    assert usage(loaded) == (1, 0, 0, 1)


def test_pauses_grow(server, open_at):
    """By doubling, less chance of up to half: 0.1, 0.2, 0.4 s make at least 0.35 s and at most 0.7 s of pauses."""
    server.script.extend([status(500)] * 3)
    start = time.perf_counter()
    assert ask(open_at(backoff=0.1)) == ["yes"]
    assert time.perf_counter() - start >= 0.35


NO_ANSWER = {
    "refused": (completion(None, refusal="Not with that."), RefusedError, "the model refuses: Not with that."),
    "filtered": (completion("", "content_filter"), RefusedError, "content filter"),
    "truncated": (completion("a", "length"), TruncatedError, "cut off after 2 tokens; raise --option max_tokens=N"),
    "no choice": (completion("yes") | {"choices": []}, EmptyError, "without a choice"),
    "choices of another form": (completion("yes") | {"choices": {"0": "yes"}}, EmptyError, "without a choice"),
    "no message": (completion("yes") | {"choices": [{"finish_reason": "stop"}]}, EmptyError, "without a text"),
    "no text": (completion(None, "tool_calls"), EmptyError, "without a text; it ended because of 'tool_calls'"),
    "an error as an answer": ({"error": {"message": "out of order"}}, EmptyError, "without a choice: out of order"),
}
"""What a server answers instead of an answer: the body, the failure, and a part of its reason."""

no_answer = pytest.mark.parametrize("kind", NO_ANSWER)


@no_answer
def test_no_answer_is_a_failure_and_not_a_wrong_answer(kind, server, open_at):
    body, failure, reason = NO_ANSWER[kind]
    server.script.append(reply(body))
    loaded = open_at()
    (error,) = ask(loaded)
    assert type(error) is failure
    assert isinstance(error, NoAnswerError)
    assert reason in str(error)
    assert usage(loaded) == (1, 0, 0, 1)


def test_tokens_of_a_failure_are_paid_for(server, open_at):
    server.script.extend([reply(completion("a", "length")), reply({"error": {"message": "out of order"}}), healthy])
    loaded = open_at(concurrency=1, price_in=1.0, price_out=3.0)
    answers = ask(loaded, *(Sample(name, {"text": name}) for name in "abc"))
    assert [type(answer) for answer in answers] == [TruncatedError, EmptyError, str]
    found = loaded.model.usage()
    assert (found.input_tokens, found.output_tokens) == (20, 4)
    assert found.cost == pytest.approx((20 * 1.0 + 4 * 3.0) / 1e6)
    assert len(found.request_s) == 3


def test_tokens_that_are_not_told_leave_no_wrong_sum(server, open_at):
    body = completion("yes")
    del body["usage"]
    server.script.extend([healthy, reply(body)])
    loaded = open_at(concurrency=1, price_in=1.0, price_out=3.0)
    ask(loaded, Sample("a", {"text": "a"}), Sample("b", {"text": "b"}))
    found = loaded.model.usage()
    assert (found.input_tokens, found.output_tokens, found.cost) == (None, None, None)


def test_no_prices_no_cost(server, open_at):
    loaded = open_at()
    ask(loaded)
    assert (loaded.model.usage().input_tokens, loaded.model.usage().cost) == (10, None)


def test_empty_text_is_an_answer(server, open_at):
    server.script.append(reply(completion("")))
    assert ask(open_at()) == [""]


def test_one_failure_leaves_the_others(server, open_at):
    server.rule = lambda asked: status(400) if asked.text.startswith("3") else None
    answers = ask(open_at(), *(Sample(str(n), {"text": str(n)}) for n in range(6)))
    assert [n for n, answer in enumerate(answers) if answer != "yes"] == [3]
    assert isinstance(answers[3], RequestError)


def test_two_models_in_one_run_are_both_told(server, open_at):
    server.script.extend([healthy, reply(completion("yes") | {"model": "tiny-3", "system_fingerprint": None})])
    loaded = open_at(concurrency=1)
    ask(loaded, Sample("a", {"text": "a"}), Sample("b", {"text": "b"}))
    assert loaded.config["server"] == {"model": ["tiny-2", "tiny-3"], "system_fingerprint": ["fp_1"]}


@pytest.fixture
def interruptible():
    """Ctrl-C is an exception, also where the tests run in the background and it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_interrupt_sends_nothing_more(server, open_at):
    """The user's Ctrl-C, when the eighth of twenty requests has arrived and each is to wait for a minute."""

    def interrupting(_):
        if len(server.asked) == 8:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return status(503, Retry_After="60")

    server.rule = interrupting
    loaded = open_at(concurrency=8)
    with pytest.raises(KeyboardInterrupt):
        ask(loaded, *(Sample(str(n), {"text": str(n)}) for n in range(20)))
    end = time.monotonic() + 10
    while any(thread.name.startswith("openai") for thread in threading.enumerate()):
        assert time.monotonic() < end, "a thread still waits"
        time.sleep(0.01)
    assert len(server.asked) == 8
    server.rule = lambda _: None
    assert ask(loaded) == ["yes"], "the same model can be asked on"
