"""Prompts, and the stated rules by which an answer names a class."""

import pytest

from mmbench.adapters.prompt import Prompt
from mmbench.errors import UsageError

COLOURS = Prompt("Which colour? One of {labels}.", ("red", "dark red", "green"))


def test_fields_are_filled_in():
    assert Prompt("{text} In a word.").told("What is it?") == "What is it? In a word."
    assert COLOURS.told(None) == "Which colour? One of red, dark red, green."
    assert Prompt("{text}\nNow.").told(None) == "Now."
    assert Prompt("{text}").told("{labels} {0}") == "{labels} {0}"
    with pytest.raises(UsageError, match=r"a prompt may have \{text\} and \{labels\}, not \{question\}"):
        Prompt("{question}")


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("red", "red"),
        (" Red.\n", "red"),
        ("Answer: green", "green"),
        ("The final answer is GREEN!", "green"),
        ("It is dark red, I think.", "dark red"),
        ("red, or green", "red, or green"),  # two classes: no answer
        ("red, clearly red", "red"),
        ("redder", "redder"),  # no whole word
        ("", ""),
    ],
)
def test_an_answer_names_a_class_by_the_stated_rules(answer, read):
    assert COLOURS.read(answer) == read


def test_free_answers_stay_as_they_are():
    assert Prompt("{text}").read(" a Red one. ") == "a Red one."
