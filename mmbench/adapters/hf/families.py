"""Which models of the transformers library are asked how: the table of families, and the choice from it."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from mmbench.adapter import Opening
from mmbench.adapters.hf.model import HFModel
from mmbench.errors import UsageError, join_names
from mmbench.registry import registry
from mmbench.sample import Modality
from mmbench.task import Ability, TaskCard

_IMAGE, _TEXT, _AUDIO = Modality.IMAGE.value, Modality.TEXT.value, Modality.AUDIO.value
_SEPARATE = ("AutoImageProcessor", "AutoTokenizer")
_CAPTIONERS = ("blip", "git", "vision-encoder-decoder")


@dataclass(frozen=True, slots=True)
class Family:
    """Models that are asked in the same way.

    Attributes:
        auto: the library's class that makes them; a model belongs here if that has a class for its configuration, and
            the checkpoint was saved with that one.
        place: of the `HFModel` here, `module:Class` below this package.
        does: what it does with its inputs, for people.
        ability: which one it has.
        needs: inputs without which it cannot be asked.
        kinds: types of models that belong here, where not all do.
        without: types of models that do not, where all others do.
        methods: of the library's class, which it must have.
        told: it can be told in words what to do, so that it can be asked to choose among classes.
        processors: the library's classes that make what comes before it; of several the model gets a tuple.
    """

    auto: str
    place: str
    does: str
    ability: Ability
    needs: tuple[str, ...]
    kinds: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    told: bool = False
    processors: tuple[str, ...] = ("AutoProcessor",)

    def load(self) -> type[HFModel]:
        """The class here."""
        module, _, name = self.place.partition(":")
        found: type[HFModel] = getattr(import_module(f"mmbench.adapters.hf.{module}"), name)
        return found

    def fits(self, card: TaskCard, modalities: Sequence[str], prompt: str) -> bool:
        """Whether a task can ask it, with such inputs and such a prompt."""
        chooses = "{labels}" in prompt and self.ability == "generate"
        return self.ability in card.abilities and {*self.needs} <= {*modalities} and (self.told or not chooses)


FAMILIES: tuple[Family, ...] = (
    Family(
        "AutoModelForImageClassification",
        "image_classifier:ImageClassifier",
        "classifies images",
        "classify",
        (_IMAGE,),
        processors=("AutoImageProcessor",),
    ),
    Family(
        "AutoModelForVisualQuestionAnswering",
        "vqa_classifier:VQAClassifier",
        "chooses the answer to a question about an image",
        "classify",
        (_IMAGE, _TEXT),
        kinds=("vilt",),
        processors=_SEPARATE,
    ),
    Family(
        "AutoModelForZeroShotImageClassification",
        "dual_encoder:DualEncoder",
        "embeds images and texts",
        "embed",
        (_IMAGE, _TEXT),
        methods=("get_image_features", "get_text_features"),
        processors=_SEPARATE,
    ),
    Family(
        "AutoModelForZeroShotImageClassification",
        "dual_encoder:ZeroShotClassifier",
        "classifies images by the names of the classes",
        "classify",
        (_IMAGE,),
        methods=("get_image_features", "get_text_features"),
        processors=_SEPARATE,
    ),
    Family(
        "AutoModelForVisualQuestionAnswering",
        "captioner:QuestionAnswerer",
        "answers questions about images",
        "generate",
        (_IMAGE, _TEXT),
        kinds=("blip",),
        processors=_SEPARATE,
    ),
    Family(
        "AutoModelForImageTextToText",
        "captioner:Captioner",
        "writes about images",
        "generate",
        (_IMAGE,),
        kinds=_CAPTIONERS,
        processors=_SEPARATE,
    ),
    Family(
        "AutoModelForImageTextToText",
        "chat:Chat",
        "is told in words what to do with an image",
        "generate",
        (_IMAGE,),
        without=_CAPTIONERS,
        told=True,
    ),
    Family(
        "AutoModelForSpeechSeq2Seq",
        "speech_seq2seq:SpeechSeq2Seq",
        "writes down what is said",
        "generate",
        (_AUDIO,),
    ),
    Family("AutoModelForCTC", "ctc:CTC", "writes down what is said", "generate", (_AUDIO,)),
    Family(
        "AutoModelForAudioClassification",
        "audio_classifier:AudioClassifier",
        "classifies sounds",
        "classify",
        (_AUDIO,),
        processors=("AutoFeatureExtractor",),
    ),
)
"""All families; of several that fit, the first that has the first of the task's abilities is taken."""


def choose_family(config: Any, opening: Opening, prompt: str | None, *, trusted: bool = False) -> Family:
    """How a model is asked.

    Args:
        config: its configuration.
        opening: what it is opened for.
        prompt: what the user wants it to be told.
        trusted: code that comes with it may be run.

    Raises:
        UsageError: the task cannot ask it; says what it is and which tasks can.
    """
    own = [family for family in FAMILIES if _belongs(config, family, trusted)]
    # A prompt of the user's own is one that the user knows the model to understand.
    told = "" if prompt is not None else opening.prompt or ""
    fitting = [family for family in own if family.fits(opening.task, opening.modalities, told)]
    for ability in opening.task.abilities:
        for family in fitting:
            if family.ability == ability:
                return family
    raise _misfit(config, opening, own)


def _belongs(config: Any, family: Family, trusted: bool) -> bool:
    kind = getattr(config, "model_type", "")
    if (family.kinds and kind not in family.kinds) or kind in family.without:
        return False
    if trusted and family.auto in (getattr(config, "auto_map", None) or {}):
        return True
    architectures = getattr(config, "architectures", None) or ()
    classes = [each for each in _classes(config, family.auto) if not architectures or each.__name__ in architectures]
    return any(all(hasattr(each, method) for method in family.methods) for each in classes)


def _classes(config: Any, auto: str) -> tuple[type, ...]:
    """The library's classes for a configuration, of one of its `Auto` classes."""
    import transformers  # noqa: PLC0415  # takes seconds to import

    mapping = getattr(getattr(transformers, auto, None), "_model_mapping", {})
    if type(config) not in mapping:
        return ()
    found = mapping[type(config)]
    return tuple(found) if isinstance(found, list | tuple) else (found,)


def _misfit(config: Any, opening: Opening, own: Sequence[Family]) -> UsageError:
    card = opening.task
    architectures = ", ".join(getattr(config, "architectures", None) or ()) or "no head"
    what = f"{opening.name} is a {getattr(config, 'model_type', 'nameless')} model ({architectures})"
    asks = (
        f"task {card.name!r} asks for one that can {' or '.join(card.abilities)}, from {join_names(opening.modalities)}"
    )
    if not own:
        return UsageError(f"{what}, which nothing here can ask; {asks}")
    does = join_names(list(dict.fromkeys(family.does for family in own)))
    cards: list[TaskCard] = [task.card for task in registry.load_all("task").values()]
    tasks = [each.name for each in cards if any(f.fits(each, each.modalities, each.prompt) for f in own)]
    hint = f"it fits {join_names(tasks)}" if tasks else "it fits no task that is installed"
    return UsageError(f"{what}, which {does}; {asks}; {hint}")
