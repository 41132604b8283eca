"""Models that write what they hear token by token: the texts are those of transformers, however batches are made."""

import numpy as np
import pytest
import torch
import transformers

from mmbench import Audio
from mmbench.adapter import Opening
from mmbench.adapters.hf.model import Parts
from mmbench.adapters.hf.open import open_hf
from mmbench.adapters.hf.options import HFOptions
from mmbench.adapters.hf.speech_seq2seq import SpeechSeq2Seq
from mmbench.errors import UsageError
from mmbench_tasks.asr.datasets import speech_manifest
from mmbench_tasks.asr.task import ASR

from . import speech_models
from .speech_models import RATE, samples, save_encoder_decoder, save_whisper, sounds

KINDS = {
    "whisper": save_whisper,
    "whisper-multilingual": lambda folder: save_whisper(folder, multilingual=True),
    "speech2text": speech_models.save_speech2text,
    "moonshine": speech_models.save_moonshine,
    "wav2vec2-group": lambda folder: save_encoder_decoder(folder, "group"),
    "wav2vec2-layer": lambda folder: save_encoder_decoder(folder, "layer"),
}
every_model = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Folder by kind of model, made when it is first asked for."""
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = KINDS[kind](tmp_path_factory.mktemp(kind) / kind)
        return made[kind]

    return folder


def opened(folder, *settings):
    return open_hf(Opening(f"hf:{folder}", str(folder), ASR.card, speech_manifest, tuple, settings))


def ask(model, values):
    with torch.inference_mode():
        return [*model.generate(model.collate(samples(values)))]


def reference(folder, value, length, **options):
    """The text of one recording, by transformers alone."""
    processor = transformers.AutoProcessor.from_pretrained(folder)
    model = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(folder).eval()
    inputs = processor(value.samples, sampling_rate=RATE, return_tensors="pt")
    inputs.pop("attention_mask", None)
    tokens = model.generate(**inputs, max_length=length, do_sample=False, **options)
    return processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()


LENGTHS = {"whisper": 24, "whisper-multilingual": 24, "speech2text": 16, "moonshine": 24}


@every_model
@pytest.mark.parametrize("beams", [1, 2])
def test_texts_are_those_of_transformers(saved, kind, beams):
    model = opened(saved(kind), f"num_beams={beams}").model
    found = ask(model, sounds())
    options = {"task": "transcribe"} if kind == "whisper-multilingual" else {}
    for row in (1, 3, 4):  # the first sound is too short for transformers alone
        expected = reference(saved(kind), sounds()[row], LENGTHS.get(kind, 16), num_beams=beams, **options)
        assert found[row] == expected
    assert found[2] == ""
    assert len(set(found)) > 3


@every_model
def test_texts_depend_neither_on_padding_nor_on_neighbours(saved, kind):
    model = opened(saved(kind)).model
    values = sounds()
    together = ask(model, values)
    assert [ask(model, [value])[0] for value in values] == together
    assert ask(model, values[::-1])[::-1] == together
    batch = model.collate(samples(values))
    assert [*model.generate(batch.part(0, 3)), *model.generate(batch.part(3, 6))] == together


@every_model
def test_nothing_but_missing_sounds(saved, kind):
    assert ask(opened(saved(kind)).model, [None, None]) == ["", ""]


def test_silence_that_has_no_features_fails(saved):
    """Speech2Text's features are relative to how much they vary, so those of silence are no numbers."""
    silence = Audio(np.zeros(RATE, dtype=np.float32), RATE)
    with pytest.raises(ValueError, match=r"makes numbers of it that are not finite; is it all silent\?"):
        ask(opened(saved("speech2text")).model, [sounds()[1], silence])
    ask(opened(saved("whisper")).model, [sounds()[1], silence])


@pytest.mark.parametrize("kind", ["whisper", "whisper-multilingual"])
def test_whisper_reads_all_of_a_long_recording(saved, kind):
    """More than its window, here 1 s, by the library's own long-form transcription, whatever lies beside it."""
    model = opened(saved(kind)).model
    values = sounds()
    rng = np.random.default_rng(1)
    long = [Audio((0.1 * rng.standard_normal(n)).astype(np.float32), RATE) for n in (16_050, 16_400, 37_000)]
    found = ask(model, [values[1], long[2], None, *long[:2]])
    assert found[:1] == ask(model, values[1:2])
    assert found[1] == ask(model, long[2:])[0]
    options = {"task": "transcribe"} if kind == "whisper-multilingual" else {}
    for text, value in zip(found[3:] + found[1:2], long, strict=True):
        processor = transformers.AutoProcessor.from_pretrained(saved(kind))
        whole = transformers.AutoModelForSpeechSeq2Seq.from_pretrained(saved(kind)).eval()
        inputs = processor(value.samples, sampling_rate=RATE, truncation=False, return_tensors="pt")
        tokens = whole.generate(inputs.input_features, max_length=24, **options)
        assert text == processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
    head = Audio(long[2].samples[:RATE], RATE)
    assert len(found[1]) > len(ask(model, [head])[0])


def test_language_and_task_of_a_whisper_of_several_languages(saved):
    folder = saved("whisper-multilingual")
    value = sounds()[3]
    for settings, options in [
        (("language=de",), {"language": "de", "task": "transcribe"}),
        (("language=en", "task=translate"), {"language": "en", "task": "translate"}),
        ((), {"task": "transcribe"}),
    ]:
        loaded = opened(folder, *settings)
        assert ask(loaded.model, [value]) == [reference(folder, value, 24, **options)]
        told = loaded.model.settings()["generation"]
        assert (told["language"], told["task"]) == (options.get("language", "detected"), options["task"])


@pytest.mark.parametrize(
    ("kind", "setting", "message"),
    [
        ("whisper", "language=de", "is no Whisper model of several languages: leave out language and task"),
        ("whisper", "task=translate", "is no Whisper model of several languages"),
        ("speech2text", "language=de", "is no Whisper model of several languages"),
        ("whisper-multilingual", "language=dee", r"unknown language of hf:.* 'dee'; did you mean 'de'"),
        ("whisper-multilingual", "task=answer", "cannot take task=answer"),
    ],
)
def test_refused_settings(saved, kind, setting, message):
    with pytest.raises(UsageError, match=message):
        opened(saved(kind), setting)


def test_generation_is_told(saved):
    told = opened(saved("speech2text")).model.settings()["generation"]
    assert told.items() >= {"max_length": 16, "num_beams": 1, "do_sample": False}.items()
    told = opened(saved("whisper"), "num_beams=3", "max_new_tokens=7").model.settings()["generation"]
    assert told.items() >= {"num_beams": 3, "max_new_tokens": 7, "temperature": 0.0}.items()


def test_as_many_tokens_as_the_user_says(saved):
    folder = saved("moonshine")
    texts = [ask(opened(folder, f"max_new_tokens={n}").model, sounds()[3:4])[0].split() for n in (3, 5)]
    assert [len(text) for text in texts] == [3, 5]
    assert texts[1][:3] == texts[0]


def test_half_precision(saved):
    """Features are cast to the dtype of the weights."""
    folder = saved("speech2text")
    opening = Opening(f"hf:{folder}", str(folder), ASR.card, speech_manifest, tuple, dtype="bfloat16")
    assert all(ask(open_hf(opening).model, sounds()[3:5]))


@pytest.mark.parametrize("kind", ["bert", "pop2piano"])
def test_models_that_need_more_than_a_recording_are_refused(kind):
    """One without an encoder and a decoder, and one that writes notes."""
    small = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    pretrained = {
        "bert": lambda: transformers.BertLMHeadModel(transformers.BertConfig(hidden_size=16, num_attention_heads=2)),
        "pop2piano": lambda: transformers.Pop2PianoForConditionalGeneration(transformers.Pop2PianoConfig(**small)),
    }[kind]()
    opening = Opening("hf:some", "some", ASR.card, speech_manifest, tuple)
    with pytest.raises(UsageError, match=rf"hf:some is a {kind} model, which needs more than a recording; expected"):
        SpeechSeq2Seq(Parts("hf:some", opening, HFOptions(), pretrained, None))
