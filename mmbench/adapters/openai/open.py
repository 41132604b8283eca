"""`--model openai:MODEL`: a model behind any server that speaks the OpenAI protocol."""

from typing import Any

from mmbench.adapter import TRANSPORT, LoadedModel, Opening, takes
from mmbench.adapters.openai.address import Address, find_address
from mmbench.adapters.openai.cache import AnswerCache
from mmbench.adapters.openai.meter import Meter
from mmbench.adapters.openai.model import OpenAIModel
from mmbench.adapters.openai.options import OpenAIOptions
from mmbench.adapters.openai.reply import shown_name
from mmbench.adapters.openai.request import Chat, Transcriptions
from mmbench.adapters.openai.server import Server
from mmbench.adapters.prompt import RULE, Prompt, prompt_for
from mmbench.data.source import cache_root
from mmbench.errors import UsageError
from mmbench.sample import Modality
from mmbench.setting import read_settings


@takes(OpenAIOptions)
def open_openai(opening: Opening) -> LoadedModel:
    """A model behind a server that speaks the OpenAI protocol (vLLM, llama.cpp, `transformers serve`, OpenAI, ...).

    The key of the server comes from the environment (OPENAI_API_KEY), its address from --base-url.

    Raises:
        UsageError: the task asks for what a server cannot do, or a setting is wrong.
    """
    options = OpenAIOptions(**read_settings(f"model {opening.name!r}", OpenAIOptions, opening.settings))
    modalities = _modalities(opening, options)
    prompt = prompt_for(opening, options.prompt) if options.api == "chat" else None
    address = find_address(options.base_url)
    endpoint = (Chat if options.api == "chat" else Transcriptions)(opening.argument, options)
    meter = Meter(options.price_in, options.price_out)
    model = OpenAIModel(
        f"openai:{shown_name(opening.argument)}",
        modalities,
        prompt,
        server=Server(address, endpoint, options, meter),
        cache=_cache(options),
        meter=meter,
        concurrency=options.concurrency,
    )
    return LoadedModel(model, _config(model, opening, options, address, prompt))


def _modalities(opening: Opening, options: OpenAIOptions) -> tuple[str, ...]:
    """What is sent.

    Raises:
        UsageError: no model is named, or the task asks for something else than texts.
    """
    if not opening.argument:
        raise UsageError("expected openai:MODEL, with the name that the server has for the model")
    if "generate" not in opening.task.abilities:
        raise UsageError(
            f"task {opening.task.name!r} needs a model that can {' or '.join(opening.task.abilities)}; "
            "one behind a server of the OpenAI protocol can generate"
        )
    if options.api == "chat":
        return opening.modalities
    if Modality.AUDIO not in opening.modalities:
        raise UsageError(f"api=transcriptions takes audio; the samples have {', '.join(opening.modalities)}")
    return (Modality.AUDIO,)


def _cache(options: OpenAIOptions) -> AnswerCache | None:
    if options.cache is False:
        return None
    return AnswerCache(cache_root() / "openai" if options.cache is True else options.cache.expanduser())


def _config(
    model: OpenAIModel, opening: Opening, options: OpenAIOptions, address: Address, prompt: Prompt | None
) -> dict[str, Any]:
    """What the record tells. How the server calls itself is not known before it answers: the model adds to it."""
    return {
        "model": shown_name(opening.argument),
        "api": options.api,
        "base_url": address.identity,
        "host": address.host,
        "prompt": options.prompt if prompt is None else prompt.template,
        "rule": RULE if prompt is not None and prompt.labels else None,
        "answers": options.of_answers(),
        TRANSPORT: options.of_transport(),
        "server": model.server_says,
    }
