"""Counts of requests, tokens and money; several threads count at once."""

from threading import Lock

from mmbench.adapters.openai.reply import Reply
from mmbench.profile.usage import Usage


class Meter:
    """Counts what one run takes.

    Args:
        price_in, price_out: of a million tokens; `None` where they are not known.
    """

    def __init__(self, price_in: float | None, price_out: float | None) -> None:
        self._prices = price_in, price_out
        self._lock = Lock()
        self._requests = self._retried = self._cached = self._failed = 0
        self._input: int | None = 0
        self._output: int | None = 0
        self._request_s: list[float] = []

    def sent(self, *, again: bool) -> None:
        """A request goes out."""
        with self._lock:
            self._requests += 1
            self._retried += again

    def answered(self, seconds: float, reply: Reply) -> None:
        """A request came back with a whole answer; once a server does not tell its tokens, a sum would be wrong."""
        told = reply.input_tokens, reply.output_tokens
        with self._lock:
            self._request_s.append(seconds)
            if reply.kind == "empty" and told == (None, None):  # an error in the form of an answer took none
                return
            self._input = None if self._input is None or told[0] is None else self._input + told[0]
            self._output = None if self._output is None or told[1] is None else self._output + told[1]

    def batch(self, *, cached: int, failed: int) -> None:
        """Samples of a batch that took no request, and those without an answer."""
        with self._lock:
            self._cached += cached
            self._failed += failed

    def usage(self) -> Usage:
        """All until now."""
        with self._lock:
            return Usage(
                requests=self._requests,
                retried=self._retried,
                cached=self._cached,
                failed=self._failed,
                input_tokens=self._input,
                output_tokens=self._output,
                cost=self._cost(),
                request_s=list(self._request_s),
            )

    def _cost(self) -> float | None:
        price_in, price_out = self._prices
        if price_in is None or price_out is None or self._input is None or self._output is None:
            return None
        return (self._input * price_in + self._output * price_out) / 1e6
