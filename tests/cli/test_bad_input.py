"""Bad input: one clear line on stderr, the right exit code, and nothing half-written."""

import json
import pickle
import resource
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import mmbench_baselines.weights
from mmbench.checkpoint import Header, save_weights
from mmbench.cli import main
from mmbench.registry import KINDS, load_plugin_file, registry

PROBES = Path(__file__).parents[1] / "engine" / "probes.py"
WEIGHTS = Path(mmbench_baselines.weights.__path__[0]) / "vqa" / "easy-vqa"
FILM = WEIGHTS / "film.safetensors"
EXAMPLE = Path(__file__).parents[1] / "record" / "example_record.json"
RUN = {"--limit": "16", "--workers": "0", "--threads": "1", "--invariance": "0"}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an empty folder, with the probe plugin at hand; all is put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(registry, "files", [])
    threads = torch.get_num_threads()
    before = {kind: set(registry.names(kind)) for kind in KINDS}
    load_plugin_file(PROBES)
    yield
    torch.set_num_threads(threads)
    for kind in KINDS:
        for name in set(registry.names(kind)) - before[kind]:
            registry.unregister(kind, name)


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """Run a verb that must be refused; returns its line. No file may have come or gone."""

    def run(code: int, *arguments: str) -> str:
        before = files(tmp_path)
        assert main(arguments) == code
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("error: ")
        assert printed.err.count("\n") == 1
        assert files(tmp_path) == before
        return printed.err.removeprefix("error: ").removesuffix("\n")

    return run


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def evaluation(**changes: str) -> list[str]:
    """Arguments of a run that works, with some changed: `batch_size="7"`."""
    options = {"--model": "film", "--task": "vqa", **RUN}
    options |= {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
    return ["eval", *(part for option in options.items() for part in option)]


def probe(model: str, **changes: str) -> list[str]:
    """Arguments that evaluate a model of the plugin, whose weights are made here."""
    path = Path(f"{model}.safetensors")
    save_weights(path, registry.load("model", model).restore(model, {}), Header(model, {}, {}))
    return evaluation(model=model, weights=str(path), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "flim"}, "unknown model 'flim'; did you mean 'film'"),
        ({"model": "transfusion-7b"}, "unknown model 'transfusion-7b'; "),
        ({"task": "vqaa"}, "unknown task 'vqaa'; did you mean 'vqa'"),
        ({"dataset": "easyvqa"}, "unknown data set of task vqa 'easyvqa'; did you mean 'easy-vqa'"),
        (
            {"dataset": "probe-clean"},
            "data set 'probe-clean' belongs to task 'probe'; task 'vqa' has chartqa, clevr, docvqa, easy-vqa",
        ),
        ({"split": "tset"}, "unknown split of easy-vqa 'tset'; did you mean 'test'"),
        ({"split": "validation"}, "unknown split of easy-vqa 'validation'; known: test, train"),
        ({"limit": "0"}, "--limit must be at least 1, not 0"),
        ({"limit": "-1"}, "--limit must be at least 1, not -1"),
        ({"batch_size": "0"}, "--batch-size must be at least 1, not 0"),
        ({"batch_size": "-64"}, "--batch-size must be at least 1, not -64"),
        ({"batch_size": "x"}, "--batch-size takes a number or auto, not 'x'"),
        ({"batch_size": "1.5"}, "--batch-size takes a number or auto, not '1.5'"),
        ({"workers": "-1"}, "--workers must be at least 0, not -1"),
        ({"threads": "0"}, "--threads must be at least 1, not 0"),
        ({"seed": "-1"}, "--seed must be at least 0, not -1"),
        ({"invariance": "-1"}, "--invariance must be at least 0, not -1"),
        ({"max_errors": "3"}, "--max-errors goes with --on-error skip"),
        ({"max_errors": "-3", "on_error": "skip"}, "--max-errors must be at least 0, not -3"),
        ({"on_error": "ignore"}, "Invalid value for '--on-error': "),
        ({"dtype": "float8"}, "Invalid value for '--dtype': "),
        ({"limit": "many"}, "Invalid value for '--limit': "),
        ({"device": "gpu0"}, "unknown device 'gpu0'; expected auto, cpu, or an accelerator such as cuda"),
        ({"plugin": "mine.py"}, "Python file 'mine.py' does not exist"),
        ({"weights": "no.safetensors"}, "weights file 'no.safetensors' does not exist"),
        (
            {"model": "probe-numbered"},
            "no weights of model 'probe-numbered' for vqa on easy-vqa, neither below ./weights nor in a package",
        ),
    ],
    ids=lambda value: " ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else "",
)
def test_wrong_option(changes, message, refused):
    assert refused(2, *evaluation(**changes)).startswith(message)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is an accelerator")
@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_device_that_is_not_here(device, refused):
    assert refused(2, *evaluation(device=device)) == f"device {device!r} is not available here; there is only the cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--task", "vqa"], "Missing option '--model'"), (["--model", "film"], "Missing option '--task'")],
)
def test_missing_option(arguments, message, refused):
    assert refused(2, "eval", *arguments).startswith(message)


def test_model_without_the_ability(refused):
    arguments = probe("probe-embedding")
    assert (
        refused(2, *arguments) == "task 'vqa' needs a model that can classify or generate; 'probe-embedding' can embed"
    )


def test_model_of_another_modality(refused):
    expected = "model 'probe-listening' takes audio, text; task 'vqa' offers image, text, no audio"
    arguments = probe("probe-listening")
    assert refused(2, *arguments) == expected


def test_plugin_that_fails(refused):
    Path("mine.py").write_text("import no_such_module")
    assert refused(2, *evaluation(plugin="mine.py")).startswith("Python file 'mine.py' fails: ModuleNotFoundError: ")


def film_with(change) -> None:
    """Write the weights of film with tensors or header changed, as `bad`."""
    with safe_open(FILM, framework="pt") as file:
        metadata, tensors = dict(file.metadata()), {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(metadata, tensors)
    save_file(tensors, "bad", metadata=metadata)


def wider(metadata, tensors):
    tensors["heads.fused.output.bias"] = torch.zeros(99)


def fewer(metadata, tensors):
    del tensors["heads.fused.output.bias"]


def more(metadata, tensors):
    tensors["another"] = torch.zeros(1)


@pytest.mark.parametrize("change", [wider, fewer, more])
def test_weights_of_another_architecture(change, refused):
    film_with(change)
    message = refused(2, *evaluation(weights="bad"))
    assert message.startswith("bad is of another architecture: ")
    assert "another" in message if change is more else "heads.fused.output.bias" in message


def test_weights_of_another_model(refused):
    message = refused(2, *evaluation(model="concat", weights=str(FILM)))
    assert message.endswith("film.safetensors holds weights of model 'film', not of 'concat'")


@pytest.mark.parametrize("part", [0.999, 0.5, 0.01])
def test_truncated_weights(part, refused):
    data = FILM.read_bytes()
    Path("bad").write_bytes(data[: int(part * len(data))])
    assert refused(2, *evaluation(weights="bad")).startswith(
        "bad is not a whole safetensors file (truncated or damaged)"
    )


@pytest.mark.parametrize("old", [False, True])
def test_weights_of_torch_save(old, refused):
    torch.save({"weight": torch.zeros(2)}, "bad", _use_new_zipfile_serialization=not old)
    assert refused(2, *evaluation(weights="bad")).startswith("bad is a pickle, which can run code when it is read; ")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickled_weights(protocol, refused):
    Path("bad").write_bytes(pickle.dumps({"weight": [0.0]}, protocol=protocol))
    message = refused(2, *evaluation(weights="bad"))
    assert message.startswith("bad is a pickle" if protocol >= 2 else "bad is not a whole safetensors file")


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 100], ids=["empty", "text", "zeros"])
def test_weights_that_are_something_else(content, refused):
    Path("bad").write_bytes(content)
    assert refused(2, *evaluation(weights="bad")).startswith("bad is not a whole safetensors file")


def test_weights_that_mmbench_did_not_write(refused):
    save_file({"weight": torch.zeros(2)}, "bad")
    expected = "bad was not written by `mmbench train`: its header names no mmbench model"
    assert refused(2, *evaluation(weights="bad")) == expected


@pytest.mark.parametrize(
    "header", ["", "{", "[]", "{}", '{"format": 1, "model": "film"}', '{"format": "x", "model": 1, "config": 2}']
)
def test_weights_with_a_header_that_makes_no_sense(header, refused):
    film_with(lambda metadata, tensors: metadata.update(mmbench=header))
    assert refused(2, *evaluation(weights="bad")).startswith("bad ")


def test_weights_of_a_newer_format(refused):
    film_with(lambda metadata, tensors: metadata.update(mmbench=json.dumps({"format": 2})))
    assert refused(2, *evaluation(weights="bad")).startswith("bad has weights format 2; this mmbench reads up to 1")


@pytest.mark.parametrize("output", ["taken", "taken/below"])
def test_output_that_is_a_file(output, refused):
    Path("taken").write_text("mine")
    expected = f"cannot write results to {output}: "
    assert refused(2, *evaluation(output=output)).startswith(expected)
    assert Path("taken").read_text() == "mine"


def test_output_that_may_not_be_written(refused):
    expected = "cannot write results to /proc/results: "
    assert refused(2, *evaluation(output="/proc/results")).startswith(expected)


def test_corrupt_image_stops_the_run(capsys):
    arguments = evaluation(task="probe", dataset="probe-corrupt", weights=str(FILM), batch_size="4")
    assert main(arguments) == 4
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: sample test/5 failed at stage decode: DecodeError: ")
    assert printed.err.count("\n") == 1
    assert not list(Path("results").rglob("record.json"))


@contextmanager
def files_no_larger_than(size: int):
    """As on a full disk, any write beyond `size` bytes of a file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_space_to_begin(refused):
    with files_no_larger_than(10):
        message = refused(4, *evaluation())
    assert message.startswith("cannot begin the journal results/.journal/")
    assert message.endswith(".jsonl: File too large")


def test_no_space_for_the_journal(capsys):
    """What was scored is kept, and a resumed run, once there is space, is as one never stopped."""
    arguments = evaluation(batch_size="2", output="full")
    with files_no_larger_than(2000):
        assert main(arguments) == 4
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write the journal full/.journal/")
    assert error.endswith("what was scored so far is kept, and --resume goes on from there\n")
    (journal,) = Path("full").rglob("*.jsonl")
    assert 1000 < journal.stat().st_size <= 2000
    assert metrics(capsys, *arguments, "--resume") == metrics(capsys, *evaluation(batch_size="2", output="free"))


def test_no_space_for_the_record(capsys):
    arguments = evaluation(model="question-prior", limit="4", output="full")
    with files_no_larger_than(4000):  # the journal of four samples is smaller, the record of this model is larger
        assert main(arguments) == 4
    error = capsys.readouterr().err
    assert error.startswith("error: cannot write run full/vqa/easy-vqa/question-prior/")
    assert error.endswith(": File too large\n")
    assert [path.suffix for path in files(Path("full"))] == [".jsonl"]
    free = evaluation(model="question-prior", limit="4", output="free")
    assert metrics(capsys, *arguments, "--resume") == metrics(capsys, *free)


def metrics(capsys, *arguments: str) -> object:
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)["metrics"]


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of 32 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        pytest.skip(f"no mount here: {error}")
    if done.returncode:
        pytest.skip(f"may not mount a small file system: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(tiny_disk, capsys):
    arguments = evaluation(output=str(tiny_disk), limit="200", batch_size="8")
    assert main(arguments) == 4
    error = capsys.readouterr().err
    assert "No space left on device" in error
    assert error.count("\n") == 1
    assert not list(tiny_disk.rglob("record.json"))


@pytest.mark.parametrize("verb", ["show", "leaderboard"])
def test_record_of_a_newer_schema(verb, refused):
    record = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    Path("run").mkdir()
    Path("run/record.json").write_text(json.dumps(record | {"schema_version": 2}), encoding="utf-8")
    message = refused(2, verb, "run")
    assert message.startswith("run/record.json has schema 2; this mmbench (")
    assert message.endswith("reads up to 1: upgrade mmbench")
