"""Recognisers by CTC: the texts are those of transformers, however batches are made."""

import pytest
import torch
import transformers

from mmbench import Audio
from mmbench.adapter import Opening
from mmbench.adapters.hf.open import open_hf
from mmbench_tasks.asr.datasets import speech_manifest
from mmbench_tasks.asr.task import ASR

from .speech_models import RATE, SYMBOLS, WAVES, samples, save, sounds, symbol_tokenizer, wave_config, wave_extractor


def save_waves(folder, norm):
    torch.manual_seed(1)
    model = transformers.Wav2Vec2ForCTC(wave_config(norm))
    return save(model, folder, wave_extractor(masked=norm == "layer"), symbol_tokenizer(folder))


def save_bert(folder):
    """Wav2Vec2-BERT reads features and not samples; the last of an odd number is masked."""
    torch.manual_seed(1)
    config = transformers.Wav2Vec2BertConfig(
        vocab_size=len(SYMBOLS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        feature_projection_input_dim=32,
        conv_depthwise_kernel_size=3,
        initializer_range=0.5,
    )
    extractor = transformers.SeamlessM4TFeatureExtractor(feature_size=16, num_mel_bins=16, padding_value=1)
    return save(transformers.Wav2Vec2BertForCTC(config), folder, extractor, symbol_tokenizer(folder))


def save_data2vec(folder):
    """Convolutions for positions, one after the other, that know of no padding."""
    torch.manual_seed(1)
    config = transformers.Data2VecAudioConfig(**WAVES | {"pad_token_id": 0, "num_conv_pos_embeddings": 3})
    processor = transformers.Wav2Vec2Processor(wave_extractor(masked=True), symbol_tokenizer(folder))
    return save(transformers.Data2VecAudioForCTC(config), folder, processor)  # as those on the hub were


def save_conformer(folder):
    """Convolutions in every layer; the norm of its first ones is over channels."""
    torch.manual_seed(1)
    config = transformers.Wav2Vec2ConformerConfig(
        feat_extract_norm="layer",
        position_embeddings_type="rotary",
        conv_depthwise_kernel_size=3,
        **WAVES | {"pad_token_id": 0},
    )
    model = transformers.Wav2Vec2ConformerForCTC(config)
    return save(model, folder, wave_extractor(masked=True), symbol_tokenizer(folder))


KINDS = {
    "data2vec": save_data2vec,
    "conformer": save_conformer,
    "group": lambda folder: save_waves(folder, "group"),
    "layer": lambda folder: save_waves(folder, "layer"),
    "bert": save_bert,
}


@pytest.fixture(scope="module", params=KINDS)
def folder(request, tmp_path_factory):
    return KINDS[request.param](tmp_path_factory.mktemp(request.param) / request.param)


def opened(folder, *settings):
    return open_hf(Opening(f"hf:{folder}", str(folder), ASR.card, speech_manifest, tuple, settings))


def ask(model, values):
    with torch.inference_mode():
        return [*model.generate(model.collate(samples(values)))]


def reference(folder, value):
    """The text of one recording, by transformers alone."""
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    inputs = extractor(value.samples, sampling_rate=RATE, return_tensors="pt")
    with torch.no_grad():
        logits = transformers.AutoModelForCTC.from_pretrained(folder).eval()(**inputs).logits
    return transformers.AutoTokenizer.from_pretrained(folder).decode(logits[0].argmax(dim=-1)).strip()


def test_texts_are_those_of_transformers(folder):
    values = sounds()
    found = ask(opened(folder).model, values)
    for row in (1, 3, 4):  # the first sound is filled up with silence
        assert found[row] == reference(folder, values[row])
    assert found[2] == ""
    assert len(set(found)) > 3


def test_texts_depend_neither_on_padding_nor_on_neighbours(folder):
    model = opened(folder).model
    values = sounds()
    together = ask(model, values)
    assert [ask(model, [value])[0] for value in values] == together
    assert ask(model, values[::-1])[::-1] == together
    batch = model.collate(samples(values))
    assert [*model.generate(batch.part(0, 3)), *model.generate(batch.part(3, 6))] == together


def test_nothing_but_missing_sounds(folder):
    assert ask(opened(folder).model, [None, None]) == ["", ""]


def test_repeats_are_one_and_blanks_are_none(folder):
    """Graves et al. 2006: of `AA_AB|_|BB` only a blank keeps equal symbols apart."""
    model = opened(folder).model
    path = [SYMBOLS.index({"_": "<pad>"}.get(symbol, symbol)) for symbol in "AA_AB|_|BB"]
    logits = torch.nn.functional.one_hot(torch.tensor([path]), len(SYMBOLS)).float()
    undefined = logits.clone()
    undefined[0, 3] = torch.nan
    texts = []
    for given in (logits, undefined):
        model.pretrained.forward = lambda given=given, **_: transformers.modeling_outputs.CausalLMOutput(logits=given)
        model.apart = True
        texts.extend(ask(model, sounds()[1:2]))
    assert texts[0] == "AAB  B"
    assert isinstance(texts[1], ValueError)
    assert "NaN logits" in str(texts[1])


def test_sound_of_another_rate_is_resampled(folder):
    model = opened(folder).model
    slow = Audio(sounds()[3].samples[::2].copy(), RATE // 2)
    assert model.collate(samples([slow])).inputs.keys() == model.collate(samples(sounds()[3:4])).inputs.keys()
    assert [len(each[0]) for each in model.collate(samples([slow])).inputs.values()] == [
        len(each[0]) for each in model.collate(samples(sounds()[3:4])).inputs.values()
    ]


def test_lengths_tell_which_is_longer(folder, tmp_path):
    model = opened(folder).model
    lengths = [model.length(sample) for sample in samples([sounds()[row] for row in (2, 1, 4, 3)])]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]
    assert model.length(samples([tmp_path / "missing.wav"])[0]) == 0


def test_what_is_used_is_told(folder):
    assert opened(folder).model.settings() == {"decoding": "greedy"}
