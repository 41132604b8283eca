"""Where a server is, and what of that must never be shown."""

import json
import os
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl, unquote, urlsplit

from mmbench.adapters.openai.secret import Secrets
from mmbench.errors import UsageError

KEY_VARIABLE = "OPENAI_API_KEY"
"""Environment variable: the only place where a key is looked for."""

URL_VARIABLE = "OPENAI_BASE_URL"
"""Environment variable: of the server, where the user names none."""

_OPENAI = "https://api.openai.com/v1"
_GUARDS = re.compile("key|token|secret|pass|sig|code|auth", re.IGNORECASE)
"""Names of a query's fields whose values open a door."""

_NO_KEY = "none"  # the library wants one; servers that need none do not look at it


@dataclass(frozen=True, slots=True)
class Address:
    """A server and what opens its door.

    Attributes:
        url: without user, password and query: this may be shown.
        host: with its port, if one is named.
        key: of the environment; `None` where there is none.
        headers: user and password, where the URL has them.
        query: of the URL, sent with every request.
        secrets: all of the above that nobody may see.

    Two addresses that differ in the query alone may be two models, so that `identity` tells them apart.
    """

    url: str
    host: str
    key: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Secrets = field(default_factory=Secrets, repr=False)

    @property
    def identity(self) -> str:
        """The URL with a hash of the query, which may hold a key."""
        if not self.query:
            return self.url
        return f"{self.url}?{sha256(json.dumps(self.query, sort_keys=True).encode()).hexdigest()[:16]}"

    @property
    def api_key(self) -> str:
        """What the library takes for a key."""
        return self.key or _NO_KEY


def find_address(base_url: str | None) -> Address:
    """The server that the user names, else that of the environment, else OpenAI's; the key is the environment's.

    Raises:
        UsageError: it is no URL of a server, or the key is missing or can be none.
    """
    given = base_url or os.environ.get(URL_VARIABLE) or None
    key = os.environ.get(KEY_VARIABLE, "").strip() or None
    if given is None and key is None:
        raise UsageError(f"OpenAI wants a key: set {KEY_VARIABLE}; for another server give --base-url URL")
    if key is not None and not (key.isascii() and key.isprintable()):
        raise UsageError(f"the key in {KEY_VARIABLE} has characters that no key has")
    return _parsed(given or _OPENAI, key)


def _parsed(url: str, key: str | None) -> Address:
    try:
        parts = urlsplit(url.strip())
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        valid = False
    if not valid:  # what was given may hold a password, so it is not repeated
        raise UsageError("the base URL of a server must look like http://HOST:PORT/v1; this one does not")
    user, _, host = parts.netloc.rpartition("@")
    headers, passwords = _authorization(user) if user else ({}, ())
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return Address(
        url=f"{parts.scheme}://{host}{parts.path.rstrip('/')}",
        host=host,
        key=key,
        headers=headers,
        query=query,
        secrets=Secrets(
            certain=(key or "", *passwords, *(value for name, value in query.items() if _GUARDS.search(name))),
            possible=(user.partition(":")[0], *query.values()),
        ),
    )


def _authorization(user: str) -> tuple[dict[str, str], tuple[str, ...]]:
    """The header for `USER:PASSWORD` of a URL (RFC 7617), and the forms in which a server could repeat the password."""
    parts = user.partition(":")[::2]
    name, password = map(unquote, parts)
    token = b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}, (user if password else "", parts[1], password, token)
