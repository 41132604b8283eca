"""What a model is told that is told in words what to do, and how its answer is read."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from mmbench.adapter import Opening
from mmbench.errors import UsageError

_FIELDS = ("text", "labels")
_FIELD = re.compile(r"\{(\w*)\}")
_LEAD = re.compile(r"^(?:the\s+)?(?:final\s+)?answer(?:\s+is)?\s*:?\s+", re.IGNORECASE)
_EDGES = " \t\r\n.,;:!?\"'`*()[]"

RULE = (
    "the text without white space, punctuation and a leading `answer:` around it is a class, whatever its case; "
    "else the one class that stands in the text as whole words, the longest where one holds another; else the text"
)
"""How an answer is read where the classes are told, for the record."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template, with the classes where it names them.

    Attributes:
        template: `{text}` stands for the sample's text, `{labels}` for the classes.
        labels: the classes; empty where the template does not ask for one of them.
    """

    template: str
    labels: tuple[str, ...] = ()
    _pattern: "re.Pattern[str] | None" = field(default=None, init=False, repr=False, compare=False)
    _label: dict[str, str] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a template with other fields.

        Raises:
            UsageError: names the first.
        """
        for name in _FIELD.findall(self.template):
            if name not in _FIELDS:
                raise UsageError(f"a prompt may have {{text}} and {{labels}}, not {{{name}}}: {self.template!r}")
        by_length = sorted(self.labels, key=len, reverse=True)
        if by_length:
            pattern = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, by_length))})(?!\w)", re.IGNORECASE)
            object.__setattr__(self, "_pattern", pattern)
            object.__setattr__(self, "_label", {label.casefold(): label for label in by_length})

    def told(self, text: str | None) -> str:
        """What is asked of a sample with that text."""
        values = {"text": text or "", "labels": ", ".join(self.labels)}
        return _FIELD.sub(lambda found: values[found.group(1)], self.template).strip()

    def read(self, answer: str) -> str:
        """The class that an answer names, by `RULE`; the answer itself where the classes are not told."""
        answer = answer.strip()
        if self._pattern is None:
            return answer
        bare = _LEAD.sub("", answer.strip(_EDGES)).strip(_EDGES)
        if bare.casefold() in self._label:
            return self._label[bare.casefold()]
        # Regular expressions take more letters for the same than `casefold` does: a dotless i for an i.
        named = {self._label.get(found.casefold(), found) for found in self._pattern.findall(answer)}
        return named.pop() if len(named) == 1 else answer


def prompt_for(opening: Opening, template: str | None, labels: Callable[[], tuple[str, ...]] | None = None) -> Prompt:
    """The prompt that the user gave, else that of data set or task.

    Args:
        opening: what the model is opened for.
        template: what the user gave.
        labels: where the classes come from; `opening.labels` by default.

    Raises:
        UsageError: there is none, or it has other fields.
    """
    chosen = template or opening.prompt
    if not chosen:
        raise UsageError(
            f"neither task {opening.task.name!r} nor data set {opening.dataset.name!r} says what to tell a model; "
            "give --option prompt=TEXT"
        )
    return Prompt(chosen, (labels or opening.labels)() if "{labels}" in chosen else ())
