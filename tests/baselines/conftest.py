"""Tiny random models of the transformers library, saved to a folder as any other is; torch on one thread."""

import json
import shutil

import pytest
import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from mmbench.encoder import EncoderConfig
from mmbench.registry import registry

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "is", "there", "a", "red", "blue", "circle", "square", "##s", "?"]
THIN = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
WAVES = {
    "hidden_size": 16,
    "conv_dim": (8, 8),
    "conv_kernel": (10, 8),
    "conv_stride": (5, 4),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
    "mask_time_prob": 0.5,
    **THIN,
}
MODALITY = (
    dict.fromkeys(["bert", "t5", "gpt2", "clip-text"], "text")
    | dict.fromkeys(["vit", "resnet", "clip-image"], "image")
    | dict.fromkeys(["wav2vec2-group", "wav2vec2-layer", "whisper", "ast"], "audio")
)
"""By kind of model."""


@pytest.fixture
def one_thread():
    """For tensors so small several threads would only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def saved(tmp_path_factory):
    """Folder by kind of model, made when it is first asked for."""
    root = tmp_path_factory.mktemp("saved")

    def folder(kind):
        if not (root / kind).is_dir():
            save(kind, root / kind)
        return root / kind

    return folder


@pytest.fixture
def copied(saved, tmp_path):
    """A folder of the test's own, by kind of model."""
    return lambda kind: shutil.copytree(saved(kind), tmp_path / kind)


@pytest.fixture
def hf_encoder(saved):
    """An encoder of a kind of model as a new model gets it: options by way of JSON, built, weights loaded."""

    def build(kind, folder=None, width=6, **options):
        name = f"hf-{MODALITY[kind]}"
        found = registry.load("encoder", name).argument_options(str(folder or saved(kind)))
        torch.manual_seed(2)
        encoder = EncoderConfig(name, json.loads(json.dumps(found)) | options).build(width)
        encoder.load_pretrained()
        return encoder.eval()

    return build


def configuration(kind):
    heads = {"num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 24}
    text = {"hidden_size": 12, "vocab_size": len(WORDS), "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    return {
        "bert": lambda: transformers.BertConfig(
            vocab_size=len(WORDS), hidden_size=16, max_position_embeddings=24, **THIN
        ),
        "t5": lambda: transformers.T5Config(
            vocab_size=len(WORDS), d_model=16, d_kv=8, d_ff=24, num_layers=2, num_heads=2
        ),
        "gpt2": lambda: transformers.GPT2Config(
            vocab_size=len(WORDS), n_embd=16, n_layer=2, n_head=2, bos_token_id=2, eos_token_id=3
        ),
        "clip": lambda: transformers.CLIPConfig(
            text_config=text | heads,
            vision_config={"hidden_size": 20, "image_size": 32, "patch_size": 8, **heads},
            projection_dim=8,
        ),
        "vit": lambda: transformers.ViTConfig(hidden_size=16, image_size=32, patch_size=8, **THIN),
        "resnet": lambda: transformers.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 12], depths=[1, 1], layer_type="basic"
        ),
        "wav2vec2-group": lambda: transformers.Wav2Vec2Config(feat_extract_norm="group", **WAVES),
        "wav2vec2-layer": lambda: transformers.Wav2Vec2Config(
            feat_extract_norm="layer", do_stable_layer_norm=True, **WAVES
        ),
        "whisper": lambda: transformers.WhisperConfig(
            d_model=16,
            encoder_layers=2,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=24,
            decoder_ffn_dim=24,
            vocab_size=40,
            max_source_positions=50,
            num_mel_bins=16,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            decoder_start_token_id=1,
        ),
        "ast": lambda: transformers.ASTConfig(hidden_size=16, num_mel_bins=32, max_length=64, **THIN),
    }[kind]()


def save_tokenizer(folder):
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    pieces = Tokenizer(
        models.WordPiece({word: index for index, word in enumerate(WORDS)}, unk_token=special["unk_token"])
    )
    pieces.normalizer = normalizers.BertNormalizer()
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    transformers.PreTrainedTokenizerFast(tokenizer_object=pieces, **special).save_pretrained(folder)


def save_image_processor(folder):
    settings = {
        "image_processor_type": "ViTImageProcessor",
        "size": {"height": 32, "width": 32},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.4],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def save_feature_extractor(kind, folder):
    {
        "wav2vec2-group": lambda: transformers.Wav2Vec2FeatureExtractor(return_attention_mask=False),
        "wav2vec2-layer": lambda: transformers.Wav2Vec2FeatureExtractor(return_attention_mask=True),
        "whisper": lambda: transformers.WhisperFeatureExtractor(feature_size=16, chunk_length=1),
        "ast": lambda: transformers.ASTFeatureExtractor(num_mel_bins=32, max_length=64),
    }[kind]().save_pretrained(folder)


def save(kind, folder):
    torch.manual_seed(1)
    model = transformers.AutoModel.from_config(configuration(kind.partition("-")[0] if "clip" in kind else kind))
    for module in model.modules():  # a random backbone's batch norm would do nothing
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    model.save_pretrained(folder)
    if MODALITY[kind] == "text":
        save_tokenizer(folder)
    elif MODALITY[kind] == "image":
        save_image_processor(folder)
    else:
        save_feature_extractor(kind, folder)
