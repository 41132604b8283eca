"""What a status of HTTP other than success means for a request."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from math import isfinite
from typing import Any

from mmbench.adapters.openai.address import KEY_VARIABLE, Address

_PASSING = (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS)
_SAYS = {"true": True, "false": False}  # what OpenAI's servers put into `x-should-retry`
_SERVER_ERROR = 500
_USED_UP = "insufficient_quota"  # OpenAI's code where the money is gone, which waiting does not bring back


def may_pass(status: int, body: object, headers: Mapping[str, str]) -> bool:
    """Whether the same request may succeed a little later; what the server says of that counts most."""
    said = _SAYS.get(headers.get("x-should-retry", ""))
    if said is not None:
        return said
    code = body.get("code") if isinstance(body, Mapping) else None
    return status >= _SERVER_ERROR or (status in _PASSING and code != _USED_UP)


def wanted_wait(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks for by `Retry-After`, a number or a date (RFC 9110, 10.2.3); `None` if it does not."""
    value = headers.get("retry-after", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
        except ValueError:
            return None
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return max(0.0, seconds) if isfinite(seconds) else None


def reason(status: int, body: object, address: Address) -> str:
    """In words: what the server says, and what the user can do about it."""
    said = _message(body) or _phrase(status)
    if status == HTTPStatus.UNAUTHORIZED:
        what = f"set {KEY_VARIABLE}" if address.key is None else f"the key in {KEY_VARIABLE} is refused"
        return f"{what}: {said}"
    if status == HTTPStatus.NOT_FOUND:
        return f"{said} (asked at {address.url}; --base-url mostly ends in /v1)"
    return said


def _message(body: object) -> str:
    """The message of an error as OpenAI and FastAPI send it; the library has unpacked `error` already."""
    found: Any = body
    for name in ("error", "message", "detail"):
        if isinstance(found, Mapping) and name in found:
            found = found[name]
    return "" if found is None else str(found)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"
