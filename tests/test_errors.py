"""Words of errors and notes."""

import pytest

from mmbench.errors import join_names


@pytest.mark.parametrize(
    ("names", "most", "expected"),
    [
        ([], None, ""),
        (["a"], None, "a"),
        (["a", "b"], None, "a and b"),
        (("a", "b", "c"), None, "a, b and c"),
        (["a", "b", "c"], 3, "a, b and c"),
        (["a", "b", "c", "d"], 3, "a, b, c and 1 more"),
        (["a", "b", "c"], 1, "a and 2 more"),
    ],
)
def test_names_make_one_phrase(names, most, expected):
    assert join_names(names, most) == expected
