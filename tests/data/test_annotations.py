"""Annotation files: what is wrong is told with file, line and id."""

import pytest

from mmbench.data.annotations import UniqueIds, field, inside, read_json, read_jsonl, read_lines, read_tsv, texts
from mmbench.errors import UsageError


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "set" / "file.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_only_newlines_end_a_line(write):
    """A form feed, U+2028 and a lone carriage return inside a text shift nothing."""
    text = "a\x0cb\u2028c\x85d\re\r\nsecond\n\r\n\t\nfifth"
    assert list(read_lines(write(text))) == [(1, "a\x0cb\u2028c\x85d\re"), (2, "second"), (4, "\t"), (5, "fifth")]


def test_byte_order_mark_is_no_text(write):
    assert read_json(write(b'\xef\xbb\xbf{"a": 1}')) == {"a": 1}


@pytest.mark.parametrize("read", [read_json, lambda path: list(read_lines(path)), lambda path: list(read_tsv(path))])
def test_not_utf8_is_told_with_the_line(write, read):
    with pytest.raises(UsageError, match=r"^set/file\.txt:3: not UTF-8 text \(byte 0xe9\)$"):
        read(write(b"a\nb\ncaf" + b"\xe9\n"))


def test_missing_file(tmp_path):
    with pytest.raises(UsageError, match=r"set/none\.json: No such file"):
        read_json(tmp_path / "set" / "none.json")


def test_json_error_gives_the_line(write):
    with pytest.raises(UsageError, match=r"^set/file\.txt:2: not JSON: .* at column 3$"):
        read_json(write("[1,\n2 x]"))


def test_deep_json_is_refused(write):
    with pytest.raises(UsageError, match="nested too deeply"):
        read_json(write("[" * 200_000))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": NaN}', "not JSON: NaN is no JSON number"),
        ('{"a": [-Infinity]}', "not JSON: -Infinity is no JSON number"),
        ('{"a": ' + "9" * 5000 + "}", "not JSON: Exceeds the limit"),
        ('{"a": "\\ud800"}', r"a text holds '\\ud800', half of a character"),
    ],
)
def test_what_python_reads_and_json_is_not(write, text, reason):
    for read in (read_json, lambda path: list(read_jsonl(path))):
        with pytest.raises(UsageError, match=rf"^set/file\.txt:1: {reason}"):
            read(write(text))
    assert read_json(write('{"a": "\\ud83d\\ude00"}')) == {"a": "\U0001f600"}  # both halves


def test_key_that_is_there_twice(write):
    path = write('{"a": {"x": 1, "y": 2, "x": 3}}')
    assert read_json(path) == {"a": {"x": 3, "y": 2}}
    with pytest.raises(UsageError, match=r"^set/file\.txt: key 'x' is there twice in one object$"):
        read_json(path, unique_keys=True)


@pytest.mark.parametrize(
    ("line", "reason"),
    [("[1]", "expected one JSON object a line"), ("1", "expected a JSON object, found int"), ("{", "not JSON")],
)
def test_json_lines_give_the_line(write, line, reason):
    path = write(f'{{"a": 1}}\n\n{line}\n')
    with pytest.raises(UsageError, match=rf"^set/file\.txt:3: {reason}"):
        list(read_jsonl(path))


def test_tsv_keeps_quotation_marks(write):
    assert list(read_tsv(write('id\ttext\n1\t"so"\n'))) == [(2, {"id": "1", "text": '"so"'})]


def test_tsv_with_a_wrong_row(write):
    with pytest.raises(UsageError, match=r"file\.txt:3: expected 2 fields, found 3"):
        list(read_tsv(write("id\ttext\n1\ta\n2\tb\tc\n")))


def test_tsv_row_of_nothing_is_a_row(write):
    assert list(read_tsv(write("id\ttext\n\t\n"))) == [(2, {"id": "", "text": ""})]


def test_tsv_with_a_column_twice(write):
    with pytest.raises(UsageError, match=r"file\.txt:1: column 'text' is there twice"):
        list(read_tsv(write("id\ttext\ttext\n1\ta\tb\n")))


def test_tsv_without_a_column(write):
    with pytest.raises(UsageError, match=r"file\.txt:1: no column 'text'; there are 'id', 'words'"):
        list(read_tsv(write("id\twords\n"), needed=["text"]))


@pytest.mark.parametrize(
    ("row", "reason"),
    [({}, "no field 'n'"), ({"n": "1"}, "expected int, found str '1'"), ({"n": True}, "expected int, found bool")],
)
def test_field_of_another_kind(row, reason):
    with pytest.raises(UsageError, match=f"f:1: id 7: .*{reason}"):
        field(row, "n", int, "f:1: id 7")


def test_field_of_several_kinds():
    assert field({"n": 1.5}, "n", (int, float), "f:1") == 1.5
    with pytest.raises(UsageError, match="expected int or float, found NoneType None"):
        field({"n": None}, "n", (int, float), "f:1")


@pytest.mark.parametrize(
    ("value", "reason"),
    [("a", "expected list"), (["a", 1], "expected texts, found int 1"), ([], "at least 1, found 0")],
)
def test_texts_that_are_none(value, reason):
    with pytest.raises(UsageError, match=reason):
        texts({"answers": value}, "answers", "f:1")


def test_duplicate_id_gives_both_places():
    ids = UniqueIds()
    ids.add("a", "f:1")
    ids.add("b", "f:2")
    with pytest.raises(UsageError, match="f:3: id 'a' is there twice; the first is at f:1"):
        ids.add("a", "f:3")


@pytest.mark.parametrize("name", ["../secret.jpg", "a/../../b.jpg", "/etc/hosts"])
def test_file_outside_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match="lies outside the data set"):
        inside(tmp_path, name, "f:1")


def test_file_inside(tmp_path):
    assert inside(tmp_path, "a/b.jpg", "f:1") == tmp_path / "a" / "b.jpg"
