"""A server of the OpenAI protocol on loopback, and the acts that it plays: one healthy, the others not."""

import json
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock
from typing import Any

PATIENCE = 20.0
"""Seconds after which what a test holds back is let go, however the test went."""


@dataclass(frozen=True)
class Asked:
    """A request as it arrived.

    Attributes:
        headers: by their names in small letters.
        fields: of its JSON; empty where it was none.
        content: its bytes.
    """

    path: str
    headers: dict[str, str]
    fields: dict[str, Any]
    content: bytes

    @property
    def question(self) -> str:
        """What two requests that ask the same have in common."""
        return json.dumps(self.fields.get("messages"))

    @property
    def text(self) -> str:
        """What the model is told."""
        content = self.fields["messages"][0]["content"]
        return content if isinstance(content, str) else content[-1]["text"]


class Handler(BaseHTTPRequestHandler):
    """Plays one act a request."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer goes out in one piece, which is quicker
    server: "LoopbackServer"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        is_json = self.headers["Content-Type"] == "application/json"
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.path, headers, json.loads(content) if is_json else {}, content)
        self.server.next_act(asked)(self, asked)

    def send(self, status: int, content: bytes, *, length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) if length is None else length))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


Act = Callable[[Handler, Asked], None]


class LoopbackServer(ThreadingHTTPServer):
    """Answers `answer` to everything, except where `script` or `rule` has another act.

    Attributes:
        asked: requests in order of arrival.
        delivered: how often each question got its answer.
        script: acts of the next requests, in order.
        rule: an act for a request, `None` for the healthy one.
        released: lets go what was held back.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answer = "yes"
        self.asked: list[Asked] = []
        self.delivered: Counter[str] = Counter()
        self.script: deque[Act] = deque()
        self.rule: Callable[[Asked], Act | None] = lambda _: None
        self.released = Event()
        self._lock = Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def next_act(self, asked: Asked) -> Act:
        with self._lock:
            self.asked.append(asked)
            return self.script.popleft() if self.script else self.rule(asked) or healthy

    def count_delivered(self, asked: Asked) -> None:
        with self._lock:
            self.delivered[asked.question] += 1

    def handle_error(self, *_: object) -> None:
        """A client that has gone away is no error here."""


def completion(text: str | None, finish: str = "stop", **message: object) -> dict[str, Any]:
    return {
        "model": "tiny-2",
        "system_fingerprint": "fp_1",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"content": text, **message}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 2},
    }


def reply(body: object) -> Act:
    """A status of success with that as JSON."""

    def act(handler: Handler, asked: Asked) -> None:
        handler.send(200, json.dumps(body).encode())
        handler.server.count_delivered(asked)

    return act


def healthy(handler: Handler, asked: Asked) -> None:
    reply(completion(handler.server.answer))(handler, asked)


def status(code: int, body: object = None, **headers: str) -> Act:
    return lambda handler, _: handler.send(code, json.dumps(body).encode() if body else b"", **headers)


def raw(content: bytes) -> Act:
    return lambda handler, _: handler.send(200, content)


def cut_off(handler: Handler, asked: Asked) -> None:
    """Half of an answer, then the connection closes."""
    content = json.dumps(completion("yes")).encode()
    handler.send(200, content[: len(content) // 2], length=len(content))
    handler.close_connection = True


def hang_up(handler: Handler, asked: Asked) -> None:
    """No answer at all."""
    handler.close_connection = True


def hold(handler: Handler, asked: Asked) -> None:
    """No answer until the end of the test."""
    handler.server.released.wait(PATIENCE)
    handler.close_connection = True


def drip(handler: Handler, asked: Asked) -> None:
    """An answer that never stalls and never ends."""
    handler.send(200, b" ", length=10_000)
    while not handler.server.released.wait(0.05):
        handler.wfile.write(b" ")
        handler.wfile.flush()
