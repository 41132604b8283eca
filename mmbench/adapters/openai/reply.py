"""What a server answered: a text, or that it would not or could not give one."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal, Self

from pydantic import Field

from mmbench.adapters.openai.failures import EmptyError, NoAnswerError, RefusedError, TruncatedError
from mmbench.adapters.openai.secret import Secrets
from mmbench.part import Count, Part

Kind = Literal["answered", "refused", "truncated", "empty"]

_ERRORS: dict[Kind, type[NoAnswerError]] = {
    "refused": RefusedError,
    "truncated": TruncatedError,
    "empty": EmptyError,
}
_LONGEST = 300  # characters of a refusal


class Reply(Part):
    """An answer of a server, and what it says of itself."""

    kind: Kind = Field(description="refused and truncated would be so again; empty is the server's fault")
    text: str = Field(description="the answer, or the reason why there is none")
    input_tokens: Count | None = Field(default=None, description="as the server counts them; null if it does not say")
    output_tokens: Count | None = None
    model: str | None = Field(default=None, description="what the server calls the model")
    fingerprint: str | None = Field(default=None, description="and its build")

    @property
    def lasts(self) -> bool:
        """Whether the same question would get the same again, so that it need not be asked."""
        return self.kind != "empty"

    def answer(self) -> str:
        """The text.

        Raises:
            RefusedError: the model, or a filter of its server, would not answer.
            TruncatedError: the answer is longer than it may be.
            EmptyError: there is no text.
        """
        if self.kind == "answered":
            return self.text
        raise _ERRORS[self.kind](self.text)

    def without(self, secrets: Secrets) -> Self:
        """The same, with nothing in it that nobody may see."""
        shown = {
            "text": secrets.message(self.text) if self.kind == "empty" else secrets.without(self.text),
            "model": None if self.model is None else secrets.without(self.model),
            "fingerprint": None if self.fingerprint is None else secrets.without(self.fingerprint),
        }
        return self.model_copy(update=shown)


def read_chat(body: Mapping[str, Any]) -> Reply:
    """The first choice of a chat completion."""
    choices = body.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, Mapping):
        return _reply(body, "empty", f"the server answered without a choice{_told(body)}")
    message = choice.get("message")
    message = message if isinstance(message, Mapping) else {}
    finish, refusal, text = choice.get("finish_reason"), message.get("refusal"), message.get("content")
    if isinstance(refusal, str) and refusal:
        return _reply(body, "refused", f"the model refuses: {refusal[:_LONGEST]}")
    if finish == "content_filter":
        return _reply(body, "refused", "a content filter of the server held the answer back")
    if finish == "length":
        return _reply(body, "truncated", f"the answer was cut off{_after(body)}; raise --option max_tokens=N")
    if not isinstance(text, str):
        return _reply(body, "empty", f"the server answered without a text; it ended because of {finish!r}")
    return _reply(body, "answered", text)


def read_transcription(body: Mapping[str, Any]) -> Reply:
    """A transcript."""
    text = body.get("text")
    if not isinstance(text, str):
        return _reply(body, "empty", f"the server answered without a transcript{_told(body)}")
    return _reply(body, "answered", text)


def _reply(body: Mapping[str, Any], kind: Kind, text: str) -> Reply:
    model, fingerprint = body.get("model"), body.get("system_fingerprint")
    return Reply(
        kind=kind,
        text=text,
        input_tokens=_count(body, "prompt_tokens", "input_tokens"),
        output_tokens=_count(body, "completion_tokens", "output_tokens"),
        model=shown_name(model) if isinstance(model, str) else None,
        fingerprint=fingerprint if isinstance(fingerprint, str) else None,
    )


def shown_name(model: str) -> str:
    """A model's name as it may be stored: of a folder on the server's machine its last part."""
    path = PurePosixPath(model)
    return path.name if path.is_absolute() else model


def _count(body: Mapping[str, Any], *names: str) -> int | None:
    """A count of tokens, under the first of the names that the server uses."""
    usage = body.get("usage")
    counts = [usage.get(name) for name in names] if isinstance(usage, Mapping) else []
    return next((count for count in counts if isinstance(count, int) and count >= 0), None)


def _after(body: Mapping[str, Any]) -> str:
    tokens = _count(body, "completion_tokens")
    return "" if tokens is None else f" after {tokens} tokens"


def _told(body: Mapping[str, Any]) -> str:
    """What a server says that reports an error as if it were an answer."""
    error = body.get("error")
    message = error.get("message") if isinstance(error, Mapping) else error
    return f": {message}" if isinstance(message, str) and message else ""
