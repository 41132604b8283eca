"""`--model hf:NAME_OR_PATH`: models of the transformers library."""

from typing import Any

from mmbench.adapter import LoadedModel, Opening, takes
from mmbench.adapters.hf.families import Family, choose_family
from mmbench.adapters.hf.model import HFModel, Parts
from mmbench.adapters.hf.options import LOADING, HFOptions
from mmbench.adapters.hf.reading import Source, find_source
from mmbench.adapters.hf.weights import files_sha256, load_weights, quantized_by, weight_files
from mmbench.errors import UsageError, join_names
from mmbench.setting import read_settings

_CALLED = {
    "AutoImageProcessor": ("image processor", ("preprocessor_config.json",)),
    "AutoFeatureExtractor": ("feature extractor", ("preprocessor_config.json",)),
    "AutoTokenizer": ("tokenizer", ("tokenizer.json", "tokenizer_config.json")),
    "AutoProcessor": ("processor", ("processor_config.json", "preprocessor_config.json", "tokenizer.json")),
}
"""By the library's class: how people call what it makes, and the files that it reads one of."""


@takes(HFOptions)
def open_hf(opening: Opening) -> LoadedModel:
    """A model of the transformers library, by its name on the Hugging Face hub or in a folder: NAME_OR_PATH[@REVISION].

    The configuration decides how it is asked. Weights must be safetensors; code that comes with a model is run only
    with trust_remote_code, and then the record says so. Without a network, what is in the cache is used.

    Raises:
        UsageError: there is no such model, the task cannot ask it, or a setting is wrong.
    """
    options = HFOptions(**read_settings("hf", HFOptions, opening.settings))
    source = find_source(opening.argument, trusted=options.trust_remote_code)
    config = _configuration(source)
    family = choose_family(config, opening, options.prompt, trusted=source.trusted)
    adapted = family.load()
    _check_heeded(opening.name, family, adapted, options)
    files = weight_files(source, config)
    processors = [_processor(source, each) for each in family.processors]
    pretrained = load_weights(_library(family.auto), source, config, opening, options)
    processor = processors[0] if len(processors) == 1 else tuple(processors)
    name = opening.name if source.on_hub else f"hf:{source.label}"
    model = adapted(Parts(name, opening, options, pretrained, processor))
    if options.compile:
        model.compile()
    model.eval()
    return LoadedModel(
        model,
        _told(model, source, family, options),
        source=source.label,
        sha256=files_sha256(files),
        placed=True,
        parameters=pretrained.num_parameters(),  # which knows how many weights stand in a byte
    )


def _library(name: str) -> Any:
    import transformers  # noqa: PLC0415  # takes seconds to import

    return getattr(transformers, name)


def _configuration(source: Source) -> Any:
    """Of the model.

    Raises:
        UsageError: there is none, or only code that comes with the model can read it.
    """
    plain, _ = source.read("configuration", _library("PreTrainedConfig").get_config_dict, ["config.json"])
    known = plain.get("model_type") in _library("CONFIG_MAPPING")
    if plain.get("auto_map") and not known and not source.trusted:
        raise UsageError(
            f"hf:{source.place} brings code of its own, which is not run: look at it, and give --trust-remote-code if "
            "you trust it"
        )
    return source.read("configuration", _library("AutoConfig").from_pretrained, ["config.json"])


def _check_heeded(name: str, family: Family, adapted: type[HFModel], options: HFOptions) -> None:
    """Refuse options that would change nothing.

    Raises:
        UsageError: names them, and those that the model heeds.
    """
    heeded = (*adapted.heeds, *LOADING)
    if unheeded := [option for option in options.chosen() if option not in heeded]:
        raise UsageError(
            f"{name} {family.does}, and does not heed {join_names(unheeded)}; it takes {join_names(heeded)}"
        )


def _processor(source: Source, auto: str) -> Any:
    """What comes before the model.

    Raises:
        UsageError: the source has none.
    """
    # Pillow's, where the library lets one choose, since torchvision's gives slightly other pixels where it is there.
    backend = {"backend": "pil"} if auto == "AutoImageProcessor" else {}
    what, files = _CALLED[auto]
    made = source.read(what, _library(auto).from_pretrained, files, **backend)
    if auto == "AutoTokenizer" and len(made) <= len(set(made.all_special_tokens)) + 1:
        # Without its files the library makes one of special tokens alone, and at most the mark of a word's start.
        raise UsageError(f"hf:{source.place}: cannot load its tokenizer: it has no vocabulary; expected tokenizer.json")
    return made


def _told(model: HFModel, source: Source, family: Family, options: HFOptions) -> dict[str, Any]:
    """What the record tells of it."""
    config = model.pretrained.config
    return {
        **options.chosen(),
        "family": family.place.partition(":")[2],
        "model_type": config.model_type,
        "architecture": type(model.pretrained).__name__,
        "commit": source.revision,
        "attn_implementation": getattr(config, "_attn_implementation", None),
        "quantized_by": quantized_by(model.pretrained),
        "processor": [type(each).__name__ for each in _parts(model.processor)],
        **model.settings(),
    }


def _parts(processor: Any) -> list[Any]:
    """What a processor consists of: of a tuple, or of a composite, each."""
    if isinstance(processor, tuple):
        return [*processor]
    inner = [getattr(processor, name, None) for name in ("image_processor", "feature_extractor", "tokenizer")]
    return [each for each in inner if each is not None] or [processor]
