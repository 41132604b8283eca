"""What a user may set of a model behind a server."""

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from pydantic import JsonValue

from mmbench.errors import UsageError

Api = Literal["chat", "transcriptions"]

_FIXED = ("model", "messages", "file", "response_format", "stream", "n")  # an answer could not be read otherwise
_OWN = ("max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "language")
_ONLY_CHAT = ("max_tokens", "max_tokens_field", "top_p", "seed", "image_format", "detail")
_ONLY_TRANSCRIPTIONS = ("language",)
_TRANSPORT = ("concurrency", "retries", "timeout", "backoff", "max_wait", "cache", "price_in", "price_out")


@dataclass(frozen=True, slots=True)
class OpenAIOptions:
    """Settings of `openai:`; what is `None` is not sent, so that the server's own default holds.

    Attributes:
        base_url: of the server, as `http://localhost:8000/v1`; else $OPENAI_BASE_URL, else that of OpenAI.
        api: `chat` asks for chat completions; `transcriptions` sends speech to `/audio/transcriptions`.
        prompt: what a chat model is told, `{text}` and `{labels}` stand for the sample's; of a transcription the text
            that comes before the speech, as the server takes it.
        max_tokens: of an answer; one that is longer is cut off, and is a failure.
        max_tokens_field: what the server calls it; newer models of OpenAI want `max_completion_tokens`.
        temperature: above 0 draws tokens; 0 takes the most probable; `null` for models that refuse to be told.
        top_p: draw from the most probable tokens that make up this share.
        seed: of the drawing, where the server heeds it.
        language: of speech, for transcriptions.
        image_format: `png` loses nothing; `jpeg` of quality 95 is smaller.
        detail: how closely the server looks at images.
        extra: more fields of the request, as `{reasoning_effort: low}`.
        concurrency: requests at a time.
        retries: times that a request is sent again after a failure that may pass.
        timeout: seconds until an answer begins, and then for the whole of it.
        backoff: seconds before the first retry, twice as many before each next one, each made shorter by chance by up
            to half.
        max_wait: seconds before a retry at most; a server that asks for more is not asked again.
        price_in, price_out: of a million tokens, so that a record tells what a run cost.
        cache: folder of answers that are not asked for again; `off` for none, by default one in the user's cache.
    """

    base_url: str | None = field(default=None, repr=False)  # may hold a password
    api: Api = "chat"
    prompt: str | None = None
    max_tokens: int | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    temperature: float | None = 0.0
    top_p: float | None = None
    seed: int | None = None
    language: str | None = None
    image_format: Literal["png", "jpeg"] = "png"
    detail: Literal["auto", "low", "high"] | None = None
    extra: dict[str, JsonValue] | None = None
    concurrency: int = 8
    retries: int = 5
    timeout: float = 60.0
    backoff: float = 0.5
    max_wait: float = 60.0
    price_in: float | None = None
    price_out: float | None = None
    cache: Path | bool = True

    def __post_init__(self) -> None:
        """Refuse values that make no sense, and options that would have no effect.

        Raises:
            UsageError: which one, and what was expected.
        """
        for name, least in (("max_tokens", 1), ("concurrency", 1), ("retries", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"openai: {name} must be at least {least}, not {value}")
        for name in ("temperature", "backoff", "max_wait", "price_in", "price_out"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < float("inf"):
                raise UsageError(f"openai: {name} must be 0 or more, not {value}")
        if not 0 < self.timeout < float("inf"):
            raise UsageError(f"openai: timeout must be above 0 seconds, not {self.timeout}")
        if (self.price_in is None) != (self.price_out is None):
            raise UsageError("openai: price_in and price_out go together; a price of 0 is one too")
        for name in self.extra or ():
            if name in (*_FIXED, *_OWN):
                how = "it has an option of its own" if name in _OWN else "answers are read by it"
                raise UsageError(f"openai: extra cannot set {name}; {how}")
        unused = _ONLY_TRANSCRIPTIONS if self.api == "chat" else _ONLY_CHAT
        for each in fields(self):
            if each.name in unused and getattr(self, each.name) != each.default:
                raise UsageError(f"openai: api={self.api} takes no {each.name}")

    def of_answers(self) -> dict[str, Any]:
        """What an answer may depend on, as plain JSON."""
        apart = ("base_url", "api", "prompt", *_TRANSPORT)
        return {name: value for name, value in asdict(self).items() if name not in apart}

    def of_transport(self) -> dict[str, Any]:
        """How answers are got and counted, as plain JSON; where the cache lies is nobody's business."""
        return {name: getattr(self, name) for name in _TRANSPORT} | {"cache": self.cache is not False}
