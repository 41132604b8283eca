import os
import re
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from mmbench.errors import HarnessError, UsageError
from mmbench.record.store import Store, new_run_id

EXAMPLE = Path(__file__).with_name("example_record.json")


def files(root):
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def changed(record, model="film", **fields):
    return record.model_copy(update={"model": record.model.model_copy(update={"name": model}), **fields})


def test_run_id_sorts_by_time_and_is_unique():
    ids = {new_run_id(datetime(2026, 11, 23, 9, 30, tzinfo=UTC)) for _ in range(50)}
    assert len(ids) == 50
    assert all(re.fullmatch("20261123T093000Z-[0-9a-f]{6}", run_id) for run_id in ids)


def test_round_trip(tmp_path, record, samples):
    store = Store(tmp_path / "results")
    folder = store.save(record, samples)
    assert folder == tmp_path / "results" / "vqa" / "easy-vqa" / "film" / record.run_id
    assert files(folder) == ["record.json", "samples.parquet"]
    assert store.load(folder) == store.load(folder / "record.json") == record
    assert store.load_samples(folder).equals(samples)
    assert store.load_samples(folder / "record.json").equals(samples)
    assert pq.ParquetFile(folder / "samples.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


@pytest.mark.parametrize(
    "name", ["org/model:v1 final", "../../escape", "..", ".tmp-x", "", "n" * 500, "模型" * 200, "a\0b"]
)
def test_any_model_name_stays_below_the_root(tmp_path, record, samples, name):
    root = tmp_path / "results"
    folder = Store(root).save(changed(record, model=name), samples)
    assert folder.resolve().relative_to(root).parts[:2] == ("vqa", "easy-vqa")
    assert len(folder.relative_to(root).parts) == 4
    assert [found.model.name for _, found in Store(root).find([root])] == [name]


def test_a_run_is_not_overwritten(tmp_path, record, samples):
    store = Store(tmp_path)
    folder = store.save(record, samples)
    before = (folder / "record.json").read_bytes()
    with pytest.raises(HarnessError, match="cannot write run"):
        store.save(record.model_copy(update={"task": "vqa", "main_metric": "macro_f1"}), samples)
    assert (folder / "record.json").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == [record.run_id]


@pytest.mark.skipif(sys.platform == "win32", reason="needs RLIMIT_FSIZE")
@pytest.mark.parametrize("limit", [100, 20000], ids=["while writing the record", "while writing the samples"])
def test_a_write_that_fails_leaves_nothing(tmp_path, limit):
    """A limit on file size fails a write in the middle, as a full disk does."""
    code = f"""
        import resource, sys
        from pathlib import Path
        import pyarrow as pa
        from mmbench.errors import HarnessError
        from mmbench.record.schema import RunRecord
        from mmbench.record.store import Store
        record = RunRecord.model_validate_json(Path({str(EXAMPLE)!r}).read_text())
        assert 100 < len(record.to_json()) < 20000
        samples = pa.table({{"id": [str(hash(str(i))) for i in range(40000)]}})
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            Store(Path("results")).save(record, samples)
        except HarnessError as error:
            print(error)
            sys.exit(error.exit_code)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 4, done.stderr
    assert re.fullmatch(r"cannot write run results\S+: .*File too large.*\n", done.stdout)
    assert not files(tmp_path)
    assert not list(tmp_path.rglob(".tmp-*"))


def test_a_killed_write_is_not_found(tmp_path, record, samples):
    store = Store(tmp_path)
    folder = store.save(record, samples)
    folder.rename(folder.with_name(f".tmp-{record.run_id}"))
    assert store.find([tmp_path]) == []


def test_check_writable_leaves_nothing_behind(tmp_path):
    Store(tmp_path / "a" / "b").check_writable()
    assert not list(tmp_path.iterdir())


def test_check_writable_refuses_files_and_bad_names(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    for root in (file, file / "below", tmp_path / ("n" * 300)):
        with pytest.raises(UsageError, match=r"^cannot write results to [^\n]+$"):
            Store(root).check_writable()
    assert file.read_text() == "x"


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_check_writable_refuses_a_read_only_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(UsageError, match="Permission denied"):
        Store(tmp_path / "results").check_writable()
    tmp_path.chmod(0o700)


def test_saving_below_a_file_is_one_clear_line(tmp_path, record, samples):
    (tmp_path / "file").write_text("x")
    with pytest.raises(HarnessError, match=r"^cannot write run [^\n]+: Not a directory$"):
        Store(tmp_path / "file").save(record, samples)


def test_find_takes_folders_runs_and_files_and_sorts_by_time(tmp_path, record, samples):
    store = Store(tmp_path)
    late = changed(record, run_id="b", created=record.created + timedelta(days=1))
    folders = {saved.run_id: store.save(saved, samples) for saved in (late, record)}
    assert [found.run_id for _, found in store.find([tmp_path])] == [record.run_id, "b"]
    assert (
        store.find([folders["b"]])
        == store.find([folders["b"] / "record.json"])
        == [(folders["b"] / "record.json", late)]
    )
    assert len(store.find([tmp_path, folders["b"], folders["b"] / "record.json"])) == 2
    with pytest.raises(UsageError, match="nowhere does not exist"):
        store.find([tmp_path / "nowhere"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace('"schema_version": 1', '"schema_version": 2'),
            r"schema 2.*\(\d.*\) reads up to 1: upgrade",
        ),
        (lambda text: text.replace('"schema_version": 1', '"version": 1'), "it has no schema_version"),
        (lambda text: text.replace('"parameters": 123456', '"parameters": "many"'), r"model\.parameters: "),
        (lambda text: text.replace('"load_s": 0.4,', ""), r"cost\.load_s: Field required"),
        (lambda text: text.replace("0.9978", "NaN"), r"metrics\.accuracy\.value"),
        (lambda text: text[:300], "is not JSON"),
        (lambda text: "[1, 2]", "is not a run record"),
        (lambda text: "[" * 100_000, "is not JSON"),
    ],
    ids=["newer", "unversioned", "type", "missing", "nan", "truncated", "list", "nested"],
)
def test_bad_records_are_refused_in_one_line(tmp_path, example_text, change, message):
    file = tmp_path / "record.json"
    file.write_text(change(example_text), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        Store(tmp_path).load(tmp_path)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_round_trip_of_a_profile(tmp_path, profile):
    store = Store(tmp_path / "results")
    folder = store.save_profile(profile)
    assert files(folder) == ["profile.json"]
    assert store.load_profile(folder) == store.load_profile(folder / "profile.json") == profile


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace('"schema_version": 1', '"schema_version": 2'), r"schema 2.*reads up to 1: upgrade"),
        (
            lambda text: text.replace('"schema_version": 1', '"version": 1'),
            "is not a profile: it has no schema_version",
        ),
        (lambda text: text.replace('"cost"', '"costs"'), r"is not a profile: cost: Field required"),
        (lambda text: text[:300], "is not JSON"),
    ],
    ids=["newer", "unversioned", "missing", "truncated"],
)
def test_bad_profiles_are_refused_in_one_line(tmp_path, profile, change, message):
    file = tmp_path / "profile.json"
    file.write_text(change(profile.to_json()), encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        Store(tmp_path).load_profile(tmp_path)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unreadable_records_and_samples_are_refused(tmp_path, example_text):
    with pytest.raises(UsageError, match=r"cannot read .*record.json: No such file"):
        Store(tmp_path).load(tmp_path)
    with pytest.raises(UsageError, match=r"cannot read .*profile.json: No such file"):
        Store(tmp_path).load_profile(tmp_path)
    with pytest.raises(UsageError, match=r"cannot read .*samples.parquet"):
        Store(tmp_path).load_samples(tmp_path)
    (tmp_path / "record.json").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "samples.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(UsageError, match="not UTF-8"):
        Store(tmp_path).load(tmp_path)
    with pytest.raises(UsageError, match=r"cannot read .*samples.parquet"):
        Store(tmp_path).load_samples(tmp_path)
