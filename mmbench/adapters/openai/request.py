"""Questions as requests to chat completions or to transcriptions."""

import json
from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from mmbench.adapters.openai.failures import EmptyError
from mmbench.adapters.openai.options import OpenAIOptions
from mmbench.adapters.openai.question import Question, data_url, wav
from mmbench.adapters.openai.reply import Reply, read_chat, read_transcription

_VERSION = 1  # of what a question's key is made of


class Endpoint(ABC):
    """One way to ask.

    Attributes:
        path: of the library's client, to what sends the request.
        fields: of every request, without those that are `None`.
    """

    path: tuple[str, ...]

    def __init__(self, fields: dict[str, Any], options: OpenAIOptions) -> None:
        self.fields = {name: value for name, value in fields.items() if value is not None}
        self.options = options

    def key(self, server: str, question: Question) -> str:
        """A hash of all that an answer may depend on, the same in every run; `server` tells one from another."""
        parts = {
            "version": _VERSION,
            "url": server,
            "path": self.path,
            "fields": self.fields,
            "options": self.options.of_answers(),
            "question": question.identity(),
        }
        return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def arguments(self, question: Question) -> dict[str, Any]:
        """Of the library's function that sends the request."""
        extra = {"extra_body": self.options.extra} if self.options.extra else {}
        return self.fields | self.own(question) | extra

    @abstractmethod
    def own(self, question: Question) -> dict[str, Any]:
        """The fields that only this question has."""

    @abstractmethod
    def read(self, body: Mapping[str, Any]) -> Reply:
        """The JSON that came back."""


class Chat(Endpoint):
    """Chat completions: one message of content parts, in which images and sound come before the text."""

    path = ("chat", "completions")

    def __init__(self, model: str, options: OpenAIOptions) -> None:
        fields = {
            "model": model,
            options.max_tokens_field: options.max_tokens,
            "temperature": options.temperature,
            "top_p": options.top_p,
            "seed": options.seed,
        }
        super().__init__(fields, options)

    def own(self, question: Question) -> dict[str, Any]:
        """The message; its content is a plain text where there is nothing else, which every server takes."""
        parts: list[dict[str, Any]] = []
        if question.image is not None:
            image = {"url": data_url(question.image, self.options.image_format)}
            detail = {} if self.options.detail is None else {"detail": self.options.detail}
            parts.append({"type": "image_url", "image_url": image | detail})
        if question.audio is not None:
            sound = b64encode(wav(question.audio)).decode()
            parts.append({"type": "input_audio", "input_audio": {"data": sound, "format": "wav"}})
        text = question.text or ""
        content = [*parts, {"type": "text", "text": text}] if parts else text
        return {"messages": [{"role": "user", "content": content}]}

    def read(self, body: Mapping[str, Any]) -> Reply:
        """The message of the first choice."""
        return read_chat(body)


class Transcriptions(Endpoint):
    """Speech to `/audio/transcriptions`, as Whisper is served; it is told nothing but what the user says."""

    path = ("audio", "transcriptions")

    def __init__(self, model: str, options: OpenAIOptions) -> None:
        fields = {
            "model": model,
            "language": options.language,
            "prompt": options.prompt,
            "temperature": options.temperature,
            "response_format": "json",
        }
        super().__init__(fields, options)

    def own(self, question: Question) -> dict[str, Any]:
        """The file.

        Raises:
            EmptyError: the sample has no sound.
        """
        if question.audio is None:
            raise EmptyError("there is no sound to transcribe")
        return {"file": ("audio.wav", wav(question.audio), "audio/wav")}

    def read(self, body: Mapping[str, Any]) -> Reply:
        """The transcript."""
        return read_transcription(body)
