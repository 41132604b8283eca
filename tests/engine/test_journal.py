"""The journal: what is in it after a kill, and who may write it."""

import pytest

from mmbench.engine.journal import Journal
from mmbench.errors import HarnessError, UsageError


def write(path, batches, *, resume=False):
    with Journal(path, {"run_id": "one"}, resume=resume) as journal:
        for batch in batches:
            journal.append({"batch": batch, "text": "Größe\u2028\n"})


def read(path):
    with Journal(path, {"run_id": "two"}, resume=True) as journal:
        return journal.header, journal.done, list(journal.entries())


def test_what_was_written_is_found_again(tmp_path):
    path = tmp_path / "deep" / "journal.jsonl"
    write(path, [0, 2])
    write(path, [1], resume=True)
    header, done, entries = read(path)
    assert (header, done) == ({"run_id": "one"}, {0, 1, 2})
    assert [entry["batch"] for entry in entries] == [0, 2, 1]
    assert {entry["text"] for entry in entries} == {"Größe\u2028\n"}


def test_starting_over_forgets(tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, range(5))
    write(path, [7])
    assert read(path)[1] == {7}


@pytest.mark.parametrize("missing", [1, 2, 10, 20])
def test_torn_last_line_is_dropped_and_written_over(missing, tmp_path):
    path = tmp_path / "journal.jsonl"
    write(path, range(3))
    path.write_bytes(path.read_bytes()[:-missing])
    assert read(path)[1] == {0, 1}
    write(path, [2], resume=True)
    assert [entry["batch"] for entry in read(path)[2]] == [0, 1, 2]


@pytest.mark.parametrize("content", [b"", b'{"run_id": "o', b'{"run_id": "one"}'])
def test_torn_header_begins_anew(content, tmp_path):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    assert read(path) == ({"run_id": "two"}, set(), [])


@pytest.mark.parametrize("resume", [False, True])
def test_second_writer_is_refused_and_the_first_goes_on(resume, tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path, {"run_id": "one"}, resume=False) as journal:
        journal.append({"batch": 0})
        with pytest.raises(UsageError, match="the same evaluation is running in another process"):
            Journal(path, {"run_id": "two"}, resume=resume)
        journal.append({"batch": 1})
    assert read(path)[:2] == ({"run_id": "one"}, {0, 1})


def test_removed_journal_leaves_nothing(tmp_path):
    path = tmp_path / "journals" / "journal.jsonl"
    with Journal(path, {}, resume=False) as journal:
        journal.append({"batch": 0})
        journal.remove()
    assert list((tmp_path / "journals").iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(HarnessError, match=r"cannot begin the journal .*journal\.jsonl: (Not a directory|File exists)"):
        Journal(tmp_path / "file" / "journal.jsonl", {}, resume=False)
