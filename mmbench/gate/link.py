"""The parent's end of a live worker: ask it, wait for it, end it, and tell why it failed."""

import json
import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Literal

from mmbench.engine.log import last_words
from mmbench.errors import HarnessError, printable
from mmbench.gate.worker import PROTOCOL

_PATIENCE_S = 2.0  # until a worker that was asked to end is killed
_OWN_FAULT = {signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL}
"""Signals that code brings on itself; others come from outside."""

SideName = Literal["base", "head"]


class SideError(HarnessError):
    """The code of one side failed: it crashed, hung, refused its workload or does not build.

    Attributes:
        side: which.
        reason: why, in one line.
        usage: it refused what was asked of it: a name, an option or a file is wrong.
    """

    def __init__(self, side: SideName, reason: str, *, usage: bool = False) -> None:
        super().__init__(f"{side}: {reason}")
        self.side = side
        self.reason = reason
        self.usage = usage


class Link:
    """A worker process, one request at a time."""

    def __init__(
        self, side: SideName, command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path
    ) -> None:
        """Start `COMMAND PARENT REPLIES`; see `worker`.

        Args:
            side: for errors.
            command: runs the worker.
            folder: its working directory.
            environment: all of it.
            log: gets what it prints.

        Raises:
            SideError: it cannot be started.
        """
        self.side: SideName = side
        self._log = log
        self._buffer = b""
        receive, send = os.pipe()
        self._replies = receive
        try:
            with log.open("ab") as file:
                self._process = subprocess.Popen(  # noqa: S603  # the interpreter that the user named, or this one
                    [*command, str(os.getpid()), str(send)],
                    stdin=subprocess.PIPE,
                    stdout=file,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=dict(environment),
                    pass_fds=(send,),
                    start_new_session=True,  # what it starts ends with it, and Ctrl-C comes to the parent alone
                )
        except OSError as error:
            os.close(receive)
            raise SideError(side, f"cannot start {command[0]}: {error.strerror}") from error
        finally:
            os.close(send)

    @property
    def process(self) -> int:
        """Its id."""
        return self._process.pid

    def hello(self, timeout_s: float) -> None:
        """Make sure that it lives and speaks the same protocol.

        Raises:
            SideError: it does not.
        """
        found = self.ask({"do": "hello"}, timeout_s).get("protocol")
        if found != PROTOCOL:
            raise SideError(self.side, f"its mmbench speaks version {found} of the gate's protocol, not {PROTOCOL}")

    def ask(self, request: Mapping[str, Any], timeout_s: float) -> Any:
        """Send a request and wait for its answer.

        Raises:
            SideError: the side refused or failed, ended, or did not answer in time.
            HarnessError: a signal from outside killed it.
        """
        self.send(request)
        return self.receive(request, timeout_s)

    def send(self, request: Mapping[str, Any]) -> None:
        """Send a request without waiting: `receive` must follow."""
        assert self._process.stdin is not None  # noqa: S101  # it was asked to be a pipe
        with suppress(BrokenPipeError):  # it has ended: receive() tells why
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()

    def receive(self, request: Mapping[str, Any], timeout_s: float) -> Any:
        """The answer to what was sent.

        Raises:
            SideError, HarnessError: as `ask`.
        """
        reply = json.loads(self._line(request, timeout_s))
        if "failed" in reply:
            raise SideError(self.side, printable(reply["failed"]), usage=reply["usage"])
        return reply["done"]

    def close(self) -> None:
        """End it and wait until it has ended, whatever it does."""
        assert self._process.stdin is not None  # noqa: S101  # as above
        steps: list[tuple[Callable[[], object], float | None]] = [
            (self._close_requests, _PATIENCE_S),
            (self._process.terminate, _PATIENCE_S),
            (self.end, None),
        ]
        for step, patience in steps:
            step()
            try:
                self._process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        self.end()  # what it has started
        if self._replies >= 0:
            os.close(self._replies)
            self._replies = -1

    def kill(self) -> None:
        """End it at once."""
        self.end()
        self.close()

    def end(self) -> None:
        """Kill it and what it has started; whoever waits for an answer is told."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _close_requests(self) -> None:
        assert self._process.stdin is not None  # noqa: S101  # as above
        with suppress(BrokenPipeError):
            self._process.stdin.close()

    def _line(self, request: Mapping[str, Any], timeout_s: float) -> bytes:
        end = monotonic() + timeout_s
        received, parts = self._buffer, [self._buffer]
        while b"\n" not in received:  # an earlier part has none
            left = end - monotonic()
            if left <= 0 or not select.select([self._replies], [], [], left)[0]:
                what = request.get("kind") or request.get("do")
                raise SideError(self.side, f"hangs: no answer to {what!r} within {timeout_s:.0f} s (--patience)")
            received = os.read(self._replies, 1 << 20)
            if not received:
                self._tell_end()
            parts.append(received)
        line, _, self._buffer = b"".join(parts).partition(b"\n")
        return line

    def _tell_end(self) -> None:
        """Raise what an ended worker ended with."""
        try:
            code = self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise SideError(self.side, "closed its connection and went on") from None
        if code < 0:
            name = signal.strsignal(-code) if -code not in list(signal.Signals) else signal.Signals(-code).name
            if -code in _OWN_FAULT:
                raise SideError(self.side, f"crashed with {name}")
            memory = "; perhaps there was no memory left" if -code == signal.SIGKILL else ""
            raise HarnessError(f"{self.side}: its process was killed from outside ({name}){memory}")
        words = last_words(self._log)
        raise SideError(self.side, f"ended with exit code {code}{f': {words}' if words else ''}")
