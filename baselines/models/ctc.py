"""Speech recognisers by CTC: how they are made for the transcripts of a data set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mmbench.encoder import EncoderConfig, choose_encoders, chosen_width, start_encoders
from mmbench.errors import UsageError
from mmbench.model import BuildOptions, only
from mmbench.sample import Dataset, Sample

from .ctc_model import AUDIO, CTC, WIDTH, CTCConfig, needed_steps
from .transcript import transcript
from .word_bigrams import WordBigrams

_ENCODER = EncoderConfig("mel-cnn", {"channels": [32, 32]})  # a token every 40 ms; the encoder's own default is 80 ms
_STEPS = (1, 2, 4, 8)
_FITTING = 0.99  # share of the transcripts that must fit into the steps of their recordings
_CLOSED = 0.05  # with no more unknown words to come than this share, texts are sought among the known ones


@dataclass(frozen=True, slots=True)
class CTCFactory:
    """Makes speech recognisers.

    Attributes:
        lexicon: write only words of the training transcripts, weighed by which follows which; `None` for where hardly
            any other words are to come.
        build: what the user chose.
    """

    lexicon: bool | None = None
    build: BuildOptions = field(default_factory=BuildOptions)

    def configured(self, build: BuildOptions) -> "CTCFactory":
        """Of models that are built so.

        Raises:
            UsageError: it asks for what these models do not have.
        """
        only("a ctc model", build, "encoders", "freeze", "width")
        return replace(self, build=build)

    def create(self, name: str, modalities: tuple[str, ...], samples: Dataset) -> CTC:
        """Untrained, with the chosen encoder or the default one, for the characters and words of the transcripts.

        Raises:
            UsageError: there are no transcripts, or the encoder gives too few tokens for how fast is spoken.
        """
        encoders = choose_encoders((AUDIO,), samples, self.build)
        taught = [sample for sample in map(samples.__getitem__, range(len(samples))) if sample.target is not None]
        texts = [transcript(sample.label) for sample in taught]
        if not any(texts):
            raise UsageError("a ctc model learns from transcripts, and no training sample has one")
        config = CTCConfig(
            encoders if AUDIO in self.build.encoders else {AUDIO: _ENCODER},
            "".join(sorted(set().union(*texts))),
            bigrams=self._bigrams(texts),
            width=chosen_width(self.build, WIDTH),
            frozen=sorted(self.build.freeze),
        )
        model = CTC(name, config)
        steps = _steps(model, taught)
        if steps != config.steps:
            model = CTC(name, replace(config, steps=steps), model.encoders)
        start_encoders({AUDIO: model.encoder}, self.build)
        return model

    def _bigrams(self, texts: Sequence[str]) -> dict[str, Any] | None:
        bigrams = WordBigrams.count(texts)
        wanted = bigrams.unseen <= _CLOSED if self.lexicon is None else self.lexicon
        return bigrams.to_json() if wanted else None

    def restore(self, name: str, config: Mapping[str, Any]) -> CTC:
        """Built as stored.

        Raises:
            UsageError: the configuration is of another kind of model.
        """
        try:
            stored = CTCConfig.from_json(config)
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(f"the stored configuration is of no ctc model: {error}") from error
        return CTC(name, stored)


def _steps(model: CTC, samples: Sequence[Sample]) -> int:
    """Outputs for each token that nearly all transcripts need to fit into their recordings.

    Raises:
        UsageError: they would be too many.
    """
    room, needed = [], []
    for sample in samples:
        if tokens := model.length(sample):  # 0 where it is missing or cannot be read, or where each gives as many
            room.append(tokens)
            needed.append(int(needed_steps(model.spell([sample.label]))))
    for steps in _STEPS:
        if not room or np.mean(np.less_equal(needed, np.multiply(room, steps))) >= _FITTING:
            return steps
    raise UsageError(
        f"encoder {model.config.encoders[AUDIO].name!r} gives too few tokens for speech: "
        f"{sum(room)} for {sum(needed)} characters; choose one with a smaller stride"
    )


ctc = CTCFactory()
"""Characters by CTC; where training and test share their words, a text of those words."""
