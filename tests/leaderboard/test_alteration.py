"""Runs on altered inputs: never in a table with others, and the table says what was done."""

import pytest

from mmbench.data.alteration import Alteration
from mmbench.errors import UsageError
from mmbench.leaderboard.cells import title
from mmbench.leaderboard.data import to_dict, to_frame
from mmbench.leaderboard.table import build_tables


@pytest.fixture
def on(make):
    """Make a record of a run on altered inputs; without an alteration the setting is not there, as in old records."""

    def build(model, alteration=None, day=0):
        record = make(model, day=day)
        done = {} if alteration is None else {"alteration": alteration.to_json()}
        return record.model_copy(update={"settings": {**record.settings, **done}})

    return build


def names(tables):
    return [(table.alteration, [row.model for row in table.rows]) for table in tables]


def test_a_table_for_each_alteration(on):
    blind, noisy = Alteration(drop=("image",)), Alteration(noise=(("image", "blur", 0.5),))
    records = [on("a"), on("b", blind), on("c", blind), on("d", noisy), on("e", Alteration())]
    tables = build_tables(records)
    assert names(tables) == [
        ("", ["a", "e"]),
        ("without image", ["b", "c"]),
        ("image blur 0.5 (seed 0)", ["d"]),
    ]
    assert [", altered: " in title(table) for table in tables] == [False, True, True]
    assert title(tables[2]).endswith(", altered: image blur 0.5 (seed 0)")
    assert [table["alteration"] for table in to_dict(tables)["tables"]] == [table.alteration for table in tables]
    assert list(to_frame(tables)["alteration"]) == ["", "", "without image", "without image", tables[2].alteration]


def test_seed_counts_where_something_is_drawn(on):
    def apart(one, other):
        return len(build_tables([on("a", one), on("b", other)])) == 2

    assert apart(Alteration(shuffle=("text",)), Alteration(shuffle=("text",), seed=1))
    assert not apart(Alteration(drop=("text",)), Alteration(drop=("text",), seed=1))
    assert not apart(Alteration(drop=("text", "image")), Alteration(drop=("image", "text")))
    assert apart(Alteration(noise=(("text", "typo", 0.1),)), Alteration(noise=(("text", "typo", 0.2),)))


def test_an_altered_run_is_no_later_run_of_its_model(on):
    records = [on("a"), on("a", Alteration(drop=("image",)), day=1)]
    assert names(build_tables(records)) == [("", ["a"]), ("without image", ["a"])]
    assert all(table.hidden == 0 for table in build_tables(records))
    assert len(build_tables(records, show="seeds")) == 2


def test_record_with_another_form_is_refused(make):
    record = make("a")
    odd = record.model_copy(update={"settings": {"alteration": "image gone"}})
    with pytest.raises(UsageError, match="the record's alteration is not as mmbench writes it"):
        build_tables([odd])
