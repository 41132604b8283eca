"""Tiny random models of the transformers library, each saved to a folder as a published one is."""

import json

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "<image>", "<fake_token_around_image>", "<global-img>"]
SPECIAL += ["<end_of_utterance>", *(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))]
WORDS = "is there a red blue green circle square what shape colour photo of yes no two small big in the image ? . , :"
VOCABULARY = [*SPECIAL, "USER", "ASSISTANT", *WORDS.split()]
PAD, START, END, IMAGE = 0, 2, 3, 4
SIZE, PATCH = 32, 8

ANSWERS = ("yes", "no", "red", "blue", "green", "circle", "square", "two", "small", "big", "a", "what", "shape")
THIN = {"num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24, "hidden_size": 16}
VISION = {"image_size": SIZE, "patch_size": PATCH, **THIN}
TOKENS = {"vocab_size": len(VOCABULARY), "bos_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
TEMPLATE = (
    "{% for message in messages %}{{ 'USER' if message.role == 'user' else 'ASSISTANT' }} : "
    "{% for part in message.content %}{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %} {% endfor %}{% if add_generation_prompt %}ASSISTANT :{% endif %}"
)


def words(closed=True, **options):
    """A tokenizer of whole words; `closed` puts a token at the end as well as at the start."""
    numbers = {word: number for number, word in enumerate(VOCABULARY)}
    pieces = Tokenizer(models.WordLevel(numbers, unk_token=SPECIAL[1]))
    pieces.normalizer = normalizers.Sequence([])
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    numbered = [("[CLS]", START), ("[SEP]", END)]
    single = "[CLS] $A [SEP]" if closed else "[CLS] $A"
    pieces.post_processor = processors.TemplateProcessing(single=single, special_tokens=numbered)
    options = {"model_max_length": 24, "model_input_names": ["input_ids", "attention_mask"], **options}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        pad_token=SPECIAL[PAD],
        unk_token=SPECIAL[1],
        cls_token=SPECIAL[START],
        sep_token=SPECIAL[END],
        bos_token=SPECIAL[START],
        eos_token=SPECIAL[END],
        extra_special_tokens={"image_token": "<image>"},
        **options,
    )


def save_images(folder, kind="ViTImageProcessor", **settings):
    """The settings of an image processor of that class."""
    given = {
        "image_processor_type": kind,
        "size": {"height": SIZE, "width": SIZE},
        "image_mean": [0.4, 0.5, 0.6],
        "image_std": [0.2, 0.3, 0.4],
        **settings,
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(given))


def stirred(model, scale=0.3):
    """A model whose weights are large enough that its answers differ from input to input."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, scale)
    return model


def vit(folder):
    config = transformers.ViTConfig(**VISION, num_labels=10)
    stirred(transformers.ViTForImageClassification(config)).save_pretrained(folder)
    save_images(folder)


def backbone(folder):
    transformers.ViTModel(transformers.ViTConfig(**VISION)).save_pretrained(folder)
    save_images(folder)


def vilt(folder):
    config = transformers.ViltConfig(
        **VISION,
        vocab_size=len(VOCABULARY),
        max_position_embeddings=12,
        id2label=dict(enumerate(ANSWERS)),
        label2id={answer: number for number, answer in enumerate(ANSWERS)},
    )
    stirred(transformers.ViltForQuestionAnswering(config)).save_pretrained(folder)
    save_images(folder, "ViltImageProcessor", size={"shortest_edge": SIZE}, size_divisor=PATCH)
    words(model_input_names=["input_ids", "attention_mask", "token_type_ids"]).save_pretrained(folder)


def clip(folder):
    text = {**THIN, **TOKENS, "max_position_embeddings": 12}
    config = transformers.CLIPConfig(text_config=text, vision_config={**VISION, "hidden_size": 20}, projection_dim=8)
    stirred(transformers.CLIPModel(config)).save_pretrained(folder)
    save_images(folder, "CLIPImageProcessor", crop_size={"height": SIZE, "width": SIZE})
    words().save_pretrained(folder)


def siglip(folder):
    text = {**THIN, **TOKENS, "max_position_embeddings": 12}
    model = stirred(transformers.SiglipModel(transformers.SiglipConfig(text_config=text, vision_config=VISION)))
    with torch.no_grad():
        model.logit_scale.fill_(1.5)
        model.logit_bias.fill_(-0.5)
    model.save_pretrained(folder)
    save_images(folder, "SiglipImageProcessor")
    words(model_input_names=["input_ids"]).save_pretrained(folder)


def blip_config():
    text = {**THIN, **TOKENS, "sep_token_id": END, "max_position_embeddings": 32, "encoder_hidden_size": 16}
    return transformers.BlipConfig(text_config=text, vision_config=VISION, projection_dim=8, image_text_hidden_size=8)


def blip(folder):
    stirred(transformers.BlipForConditionalGeneration(blip_config())).save_pretrained(folder)
    save_images(folder, "BlipImageProcessor")
    words().save_pretrained(folder)


def blip_vqa(folder):
    stirred(transformers.BlipForQuestionAnswering(blip_config())).save_pretrained(folder)
    save_images(folder, "BlipImageProcessor")
    words().save_pretrained(folder)


def git(folder):
    config = transformers.GitConfig(**THIN, **TOKENS, vision_config=VISION, max_position_embeddings=64)
    stirred(transformers.GitForCausalLM(config), 0.2).save_pretrained(folder)
    save_images(folder, "CLIPImageProcessor", crop_size={"height": SIZE, "width": SIZE})
    words().save_pretrained(folder)


def encoder_decoder(folder):
    config = transformers.VisionEncoderDecoderConfig.from_encoder_decoder_configs(
        transformers.ViTConfig(**VISION), transformers.BertConfig(**THIN, **TOKENS, max_position_embeddings=32)
    )
    model = stirred(transformers.VisionEncoderDecoderModel(config))
    model.generation_config = transformers.GenerationConfig(
        decoder_start_token_id=START, eos_token_id=END, pad_token_id=PAD, max_new_tokens=8
    )
    model.save_pretrained(folder)
    save_images(folder)
    words().save_pretrained(folder)


def llava(folder, template=TEMPLATE):
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(**VISION),
        text_config=transformers.LlamaConfig(**THIN, **TOKENS, max_position_embeddings=128),
        image_token_index=IMAGE,
        image_seq_length=16,
    )
    stirred(transformers.LlavaForConditionalGeneration(config)).save_pretrained(folder)
    transformers.LlavaProcessor(
        transformers.LlavaImageProcessorPil(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}),
        words(closed=False, model_max_length=128),
        patch_size=PATCH,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=template,
    ).save_pretrained(folder)


def bare_llava(folder):
    llava(folder, template=None)


def idefics3(folder):
    config = transformers.Idefics3Config(
        vision_config=VISION,
        text_config=transformers.LlamaConfig(**THIN, **TOKENS, max_position_embeddings=256),
        image_token_id=IMAGE,
        scale_factor=2,
        pad_token_id=PAD,
    )
    stirred(transformers.Idefics3ForConditionalGeneration(config)).save_pretrained(folder)
    images = transformers.Idefics3ImageProcessorPil(
        size={"longest_edge": 2 * SIZE}, max_image_size={"longest_edge": SIZE}
    )
    tokenizer = words(closed=False, model_max_length=256)
    transformers.Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=TEMPLATE).save_pretrained(folder)


def paddle(folder):
    """Packs the patches of all images into one tensor, as Qwen-VL does, and needs no torchvision."""
    config = transformers.PaddleOCRVLConfig(
        vision_config={**VISION, "patch_size": PATCH, "spatial_merge_size": 2},
        text_config={
            **THIN,
            **TOKENS,
            "num_key_value_heads": 2,
            "head_dim": 8,
            "max_position_embeddings": 256,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]},
        },
        image_token_id=IMAGE,
        video_token_id=5,
        vision_start_token_id=6,
    )
    stirred(transformers.PaddleOCRVLForConditionalGeneration(config)).save_pretrained(folder)
    images = transformers.PaddleOCRVLImageProcessorPil(
        size={"shortest_edge": (2 * PATCH) ** 2, "longest_edge": (6 * PATCH) ** 2}, patch_size=PATCH, merge_size=2
    )
    tokenizer = words(closed=False, model_max_length=256)
    transformers.PaddleOCRVLProcessor(images, tokenizer, chat_template=TEMPLATE).save_pretrained(folder)


KINDS = {
    "vit": vit,
    "backbone": backbone,
    "vilt": vilt,
    "clip": clip,
    "siglip": siglip,
    "blip": blip,
    "blip-vqa": blip_vqa,
    "git": git,
    "encoder-decoder": encoder_decoder,
    "llava": llava,
    "bare-llava": bare_llava,
    "idefics3": idefics3,
    "paddle": paddle,
}
"""By kind of model, what saves one to a folder that is there."""
