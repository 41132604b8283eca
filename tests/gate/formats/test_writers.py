"""Reports on their way to files."""

import pytest

from mmbench.errors import HarnessError, UsageError
from mmbench.gate.formats.history import read_history
from mmbench.gate.formats.writers import FORMATS, HISTORY, write_report
from mmbench.record.gate import GateReport


@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_replaces_its_file(tmp_path, reports, kind):
    path = tmp_path / "out"
    for name in ("nasty", "regression"):
        write_report(kind, path, reports[name])
    assert path.read_text(encoding="utf-8") == FORMATS[kind](reports["regression"])
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_the_report(tmp_path, report):
    write_report("json", tmp_path / "out", report)
    assert GateReport.model_validate_json((tmp_path / "out").read_text(encoding="utf-8"), strict=True) == report


def test_a_history_grows(tmp_path, reports):
    for name in ("pass", "improvement"):
        write_report(HISTORY, tmp_path / "out.csv", reports[name])
    assert len(read_history(tmp_path / "out.csv").time) == 2


def test_an_unknown_kind_is_told_the_nearest(tmp_path, reports):
    with pytest.raises(UsageError, match="unknown report format 'junit-xml'; did you mean 'junit'"):
        write_report("junit-xml", tmp_path / "out", reports["pass"])
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_told(tmp_path, reports):
    with pytest.raises(HarnessError, match="cannot write"):
        write_report("junit", tmp_path / "none" / "out", reports["pass"])
