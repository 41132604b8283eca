"""Requests to one server: sent, read within a time, and sent again where that may help."""

import json
import random
import sys
from collections.abc import Mapping
from threading import Event
from time import monotonic, perf_counter
from typing import TYPE_CHECKING, Any

from mmbench.adapters.missing import needed
from mmbench.adapters.openai.address import Address
from mmbench.adapters.openai.failures import NoAnswerError, RequestError, UnavailableError
from mmbench.adapters.openai.meter import Meter
from mmbench.adapters.openai.options import OpenAIOptions
from mmbench.adapters.openai.question import Question
from mmbench.adapters.openai.reply import Reply
from mmbench.adapters.openai.request import Endpoint
from mmbench.adapters.openai.status import may_pass, reason, wanted_wait

if TYPE_CHECKING:
    from openai import APIStatusError

_CONNECT_S = 10.0  # a server that is there takes a connection at once, however long it thinks
_MOST_DOUBLINGS = 32


class Server:
    """A server, and how it is asked.

    Args:
        address: where it is.
        endpoint: which way it is asked.
        options: of the user.
        meter: counts every request.

    Raises:
        UsageError: the openai package is not installed.
    """

    def __init__(self, address: Address, endpoint: Endpoint, options: OpenAIOptions, meter: Meter) -> None:
        self._openai = needed("openai", "openai", "--model openai:MODEL")
        self._address = address
        self._endpoint = endpoint
        self._options = options
        self._meter = meter
        self._stopped = Event()
        self._chance = random.Random()  # noqa: S311  # spreads retries, guards nothing; nobody's seed is touched
        client = self._openai.OpenAI(
            api_key=address.api_key,
            base_url=address.url,
            default_headers=address.headers,
            default_query=address.query,
            timeout=self._openai.Timeout(options.timeout, connect=min(options.timeout, _CONNECT_S)),
            max_retries=0,  # retries are counted here
        )
        for name in endpoint.path:
            client = getattr(client, name)
        self._send = client.with_streaming_response.create

    def key(self, question: Question) -> str:
        """A hash of all that the answer may depend on."""
        return self._endpoint.key(self._address.identity, question)

    def stop(self) -> None:
        """Send nothing any more; what waits for a retry gives up."""
        self._stopped.set()

    def start(self) -> None:
        """Send again."""
        self._stopped.clear()

    def ask(self, question: Question) -> Reply:
        """The server's answer, after as many retries as it takes and the options allow.

        Raises:
            NoAnswerError: there is none, and why.
        """
        arguments = self._endpoint.arguments(question)
        for attempt in range(self._options.retries + 1):
            try:
                return self._ask_once(arguments, again=attempt > 0)
            except UnavailableError as error:
                self._wait(error, attempt)
        raise AssertionError("the last attempt either answers or raises")

    def _wait(self, error: UnavailableError, attempt: int) -> None:
        """Until the next attempt.

        Raises:
            UnavailableError: there is none.
        """
        times = "once" if attempt == 0 else f"{attempt + 1} times"
        if attempt == self._options.retries:
            raise UnavailableError(f"{error} (sent {times})") from error
        if error.wait is not None and error.wait > self._options.max_wait:
            raise UnavailableError(
                f"{error} (sent {times}; the server wants {error.wait:.0f} s to pass, above max_wait)"
            ) from error
        if error.wait is not None:  # and a little more, so that not all requests that were held up come at once
            seconds = min(error.wait + self._options.backoff * self._chance.random(), self._options.max_wait)
        else:
            doubled = self._options.backoff * 2 ** min(attempt, _MOST_DOUBLINGS)
            seconds = min(doubled, self._options.max_wait) * self._chance.uniform(0.5, 1.0)
        if self._stopped.wait(seconds):
            raise UnavailableError(f"{error} (sent {times}, then interrupted)") from error

    def _ask_once(self, arguments: Mapping[str, Any], *, again: bool) -> Reply:
        if self._stopped.is_set():
            raise UnavailableError("interrupted before it was sent")
        self._meter.sent(again=again)
        start = perf_counter()
        try:
            found = self._read(arguments)
        except self._openai.APIStatusError as error:
            raise self._refusal(error) from None  # what it holds of the request is not for a traceback
        except (self._openai.APITimeoutError, TimeoutError):
            raise UnavailableError(f"no answer within timeout={self._options.timeout:g} s") from None
        except self._openai.APIConnectionError as error:
            raise UnavailableError(self._said(f"the connection failed: {error.__cause__ or error}")) from None
        except _http_errors() as error:
            raise UnavailableError(self._said(f"the answer broke off: {error or type(error).__name__}")) from None
        reply = self._endpoint.read(self._parsed(found)).without(self._address.secrets)
        self._meter.answered(perf_counter() - start, reply)
        return reply

    def _read(self, arguments: Mapping[str, Any]) -> bytes:
        """The body of an answer; the library's own time limit is between two pieces of it.

        Raises:
            TimeoutError: its pieces come too slowly.
        """
        end = monotonic() + self._options.timeout
        body = bytearray()
        with self._send(**arguments) as response:
            for piece in response.iter_bytes():
                body += piece
                if monotonic() > end:
                    raise TimeoutError
        return bytes(body)

    def _parsed(self, found: bytes) -> Mapping[str, Any]:
        """Raises UnavailableError: it is no JSON object, as where a proxy answers in place of the server."""
        try:
            body = json.loads(found)
        except ValueError as error:
            raise UnavailableError(self._said(f"the answer is not JSON: {error}")) from None
        if not isinstance(body, Mapping):
            raise UnavailableError("the answer is JSON, but no object")
        return body

    def _refusal(self, error: "APIStatusError") -> NoAnswerError:
        text = self._said(f"{error.status_code}: {reason(error.status_code, error.body, self._address)}")
        if may_pass(error.status_code, error.body, error.response.headers):
            return UnavailableError(text, wanted_wait(error.response.headers))
        return RequestError(text)

    def _said(self, text: str) -> str:
        return self._address.secrets.message(text)


def _http_errors() -> tuple[type[Exception], ...]:
    """What the HTTP library below openai raises while a body is read: httpx2 since openai 3, httpx before."""
    modules = (sys.modules.get(name) for name in ("httpx2", "httpx"))
    return tuple(module.HTTPError for module in modules if module is not None)
