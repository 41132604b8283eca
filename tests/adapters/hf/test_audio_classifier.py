"""Audio classifiers: the logits are those of transformers, however batches are made."""

import json
from functools import partial

import numpy as np
import pytest
import torch
import transformers

from mmbench import Audio
from mmbench.adapter import Opening
from mmbench.adapters.hf.open import open_hf
from mmbench.engine.evaluate import evaluate
from mmbench.engine.options import EvalOptions
from mmbench.errors import UsageError
from mmbench_tasks.multimodal_classification.datasets import av_digits
from mmbench_tasks.multimodal_classification.task import MultimodalClassification

from .speech_models import RATE, samples, save, sounds, wave_config, wave_extractor

NAMES = ("one", "two", "three")


def save_waves(norm, folder, names=NAMES):
    torch.manual_seed(1)
    named = {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}
    model = transformers.Wav2Vec2ForSequenceClassification(wave_config(norm, **named))
    return save(model, folder, wave_extractor(masked=norm == "layer"))


def save_ast(folder):
    torch.manual_seed(1)
    config = transformers.ASTConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        num_mel_bins=32,
        max_length=64,
        initializer_range=0.5,
        id2label=dict(enumerate(NAMES)),
    )
    extractor = transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=64)
    return save(transformers.ASTForAudioClassification(config), folder, extractor)


def save_whisper(folder):
    torch.manual_seed(1)
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        max_source_positions=50,
        num_mel_bins=16,
        init_std=0.5,
        id2label=dict(enumerate(NAMES)),
    )
    extractor = transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=1)
    return save(transformers.WhisperForAudioClassification(config), folder, extractor)


KINDS = {
    "group": partial(save_waves, "group"),
    "layer": partial(save_waves, "layer"),
    "ast": save_ast,
    "whisper": save_whisper,
}
WINDOW_S = {"group": None, "layer": None, "ast": 0.64, "whisper": 1.0}


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folder(kind, tmp_path_factory):
    return KINDS[kind](tmp_path_factory.mktemp(kind) / kind)


def opened(folder, labels=NAMES):
    card = MultimodalClassification.card
    return open_hf(Opening(f"hf:{folder}", str(folder), card, av_digits, lambda: labels))


def classify(model, values):
    with torch.inference_mode():
        return model.classify(model.collate(samples(values)))


def reference(folder, value):
    """Logits of one recording, by transformers alone."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(value.samples, sampling_rate=RATE, return_tensors="pt")
    inputs.pop("attention_mask", None)
    with torch.no_grad():
        return transformers.AutoModelForAudioClassification.from_pretrained(folder).eval()(**inputs).logits[0]


def test_logits_are_those_of_transformers(folder):
    model = opened(folder).model
    assert (model.labels, model.modalities) == (NAMES, ("audio",))
    values = sounds()
    logits = classify(model, values)
    assert logits.shape == (6, 3)
    for row in (1, 3, 4):  # the first sound is filled up with silence
        torch.testing.assert_close(logits[row], reference(folder, values[row]), rtol=1e-4, atol=1e-5)
    assert logits[2].tolist() == [0, 0, 0]  # nothing was heard
    assert not torch.allclose(logits[1], logits[3])


def test_logits_depend_neither_on_padding_nor_on_neighbours(folder):
    model = opened(folder).model
    values = sounds()
    together = classify(model, values)
    for row, value in enumerate(values):
        torch.testing.assert_close(classify(model, [value])[0], together[row], rtol=1e-4, atol=1e-5)
    batch = model.collate(samples(values))
    with torch.inference_mode():
        parts = torch.cat([model.classify(batch.part(0, 3)), model.classify(batch.part(3, 6))])
    torch.testing.assert_close(parts, together, rtol=1e-4, atol=1e-5)


def test_nothing_but_missing_sounds(folder):
    assert classify(opened(folder).model, [None, None]).tolist() == [[0, 0, 0]] * 2


def test_what_is_read_of_a_recording_is_told(folder, kind):
    assert opened(folder).model.settings() == {"labels": "model", "window_s": WINDOW_S[kind]}
    if WINDOW_S[kind] is not None:
        model = opened(folder).model
        long = np.random.default_rng(2).standard_normal(3 * RATE).astype(np.float32)
        cut = long.copy()
        cut[round(1.1 * RATE) :] = 0.5
        if kind == "ast":  # Whisper's features are relative to the loudest of the whole recording before it is cut
            torch.testing.assert_close(*(classify(model, [Audio(wave, RATE)]) for wave in (long, cut)))


def test_classes_without_names_are_those_of_the_data_set(tmp_path):
    folder = save_waves("layer", tmp_path / "nameless", names=[f"LABEL_{number}" for number in range(10)])
    digits = tuple("0123456789")
    model = opened(folder, digits).model
    assert (model.labels, model.settings()["labels"]) == (digits, "data set")
    with pytest.raises(UsageError, match="hf:nameless has 10 classes without names; data set 'av-digits' has 3"):
        opened(folder, NAMES)


@pytest.mark.shared
def test_a_run_on_audio_visual_digits(shared, tmp_path):
    """A model may read less than there is; its classes are those of the data set, which it does not know."""
    folder = save_waves("group", tmp_path / "digits", names=[str(number) for number in range(10)])
    done = evaluate(
        f"hf:{folder}",
        "multimodal_classification",
        dataset="av-digits",
        data=shared / "av",
        options=EvalOptions(limit=40, batch_size=16, workers=1, threads=1, device="cpu", invariance=16),
        output=tmp_path,
    )
    record = done.record
    assert (record.model.name, record.model.modalities) == ("hf:digits", ["audio"])
    assert record.metrics["accuracy"].n == 40
    check = record.settings["checks"]["batch_invariance"]
    assert (check["samples"], check["differ"]) == (16, 0)
    assert check["max_score_difference"] < 1e-4
    assert str(tmp_path) not in json.dumps(record.model_dump(mode="json"))
