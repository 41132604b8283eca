"""Tiny random models of the transformers library that hear, saved to folders as any other is, and sounds for them."""

import json
from pathlib import Path

import numpy as np
import torch
import transformers
from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

from mmbench import Audio, Sample

RATE = 16_000
WORDS = ["<pad>", "<s>", "</s>", "<unk>", *(f"word{number}" for number in range(28))]
SYMBOLS = ["<pad>", "<s>", "</s>", "<unk>", "|", *"ABCDEFGH"]
"""Of CTC; `<pad>` is the blank."""

WAVES = {
    "vocab_size": len(SYMBOLS),
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 8),
    "conv_stride": (5, 4),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 12,
    "mask_time_prob": 0.5,
    "initializer_range": 0.5,
}
"""Of wav2vec 2.0."""

_SPECIALS = ["startoftranscript", "en", "de", "translate", "transcribe", "startoflm", "startofprev", "nospeech"]


def sounds():
    """Noise of several lengths, and no sound; the first is shorter than any model reads."""
    rng = np.random.default_rng(0)
    lengths = (100, 8_240, None, 15_000, 11_777, 8_240)
    return [None if n is None else Audio((0.1 * rng.standard_normal(n)).astype(np.float32), RATE) for n in lengths]


def samples(values):
    return [Sample(str(number), {} if value is None else {"audio": value}) for number, value in enumerate(values)]


def save(model, folder: Path, extractor, tokenizer=None) -> Path:
    """As the library saves: configuration, weights, feature extractor, and tokenizer if there is one."""
    model.save_pretrained(folder)
    extractor.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    return folder


def word_tokenizer():
    """Writes words with spaces between."""
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, special["unk_token"]))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=words, **special)


def symbol_tokenizer(folder: Path):
    """Of CTC."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = folder / "vocab.json"
    vocabulary.write_text(json.dumps({symbol: number for number, symbol in enumerate(SYMBOLS)}))
    return transformers.Wav2Vec2CTCTokenizer(str(vocabulary))


def wave_extractor(*, masked, normalized=True):
    return transformers.Wav2Vec2FeatureExtractor(return_attention_mask=masked, do_normalize=normalized)


def wave_config(norm, **changes):
    """Of wav2vec 2.0 with a norm over time in its first layer (`group`), or over channels in each (`layer`)."""
    return transformers.Wav2Vec2Config(
        feat_extract_norm=norm, do_stable_layer_norm=norm == "layer", **WAVES | {"pad_token_id": 0} | changes
    )


def save_whisper(folder: Path, *, multilingual=False) -> Path:
    """A window of 1 s instead of 30 s, and 24 tokens instead of 448."""
    torch.manual_seed(1)
    bytes_ = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = transformers.WhisperTokenizer(vocab={byte: number for number, byte in enumerate(bytes_)}, merges=[])
    specials = [*_SPECIALS, "notimestamps"]
    tokenizer.add_tokens([AddedToken(f"<|{name}|>", special=True) for name in specials], special_tokens=True)
    number = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("endoftext", *specials)}
    end, start = number["endoftext"], number["startoftranscript"]
    config = transformers.WhisperConfig(
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        vocab_size=number["notimestamps"] + 1 + 51,
        max_source_positions=50,
        max_target_positions=24,
        num_mel_bins=16,
        init_std=0.5,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=start,
    )
    model = transformers.WhisperForConditionalGeneration(config)
    languages = {"lang_to_id": {f"<|{code}|>": number[code] for code in ("en", "de")}}
    languages["task_to_id"] = {task: number[task] for task in ("translate", "transcribe")}
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=start,
        eos_token_id=end,
        pad_token_id=end,
        begin_suppress_tokens=[end],
        no_timestamps_token_id=number["notimestamps"],
        max_initial_timestamp_index=25,
        is_multilingual=multilingual,
        **(languages if multilingual else {}),
    )
    return save(model, folder, transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=1), tokenizer)


def save_speech2text(folder: Path) -> Path:
    torch.manual_seed(1)
    config = transformers.Speech2TextConfig(
        vocab_size=len(WORDS),
        d_model=16,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_ffn_dim=24,
        conv_channels=16,
        input_feat_per_channel=16,
        max_source_positions=200,
        max_target_positions=16,
        init_std=0.5,
        tie_word_embeddings=False,  # else a random decoder repeats the token that it was given
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=2,
    )
    extractor = transformers.Speech2TextFeatureExtractor(feature_size=16, num_mel_bins=16)
    return save(transformers.Speech2TextForConditionalGeneration(config), folder, extractor, word_tokenizer())


def save_moonshine(folder: Path) -> Path:
    torch.manual_seed(1)
    config = transformers.MoonshineConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=24,
        encoder_num_hidden_layers=1,
        decoder_num_hidden_layers=1,
        encoder_num_attention_heads=2,
        decoder_num_attention_heads=2,
        max_position_embeddings=24,
        initializer_range=0.5,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )
    extractor = wave_extractor(masked=True, normalized=False)
    return save(transformers.MoonshineForConditionalGeneration(config), folder, extractor, word_tokenizer())


def save_encoder_decoder(folder: Path, norm) -> Path:
    """Wav2vec 2.0 before a BERT that writes."""
    torch.manual_seed(1)
    decoder = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=16,
        initializer_range=0.5,
        is_decoder=True,
        add_cross_attention=True,
    )
    config = transformers.SpeechEncoderDecoderConfig.from_encoder_decoder_configs(wave_config(norm), decoder)
    config.decoder_start_token_id, config.pad_token_id, config.eos_token_id = 1, 0, 2
    model = transformers.SpeechEncoderDecoderModel(config=config)
    model.generation_config.update(decoder_start_token_id=1, pad_token_id=0, eos_token_id=2)
    processor = transformers.Wav2Vec2Processor(wave_extractor(masked=norm == "layer"), word_tokenizer())
    return save(model, folder, processor)
