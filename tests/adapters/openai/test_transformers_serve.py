"""A real server: `transformers serve` with a tiny vision-language model whose answer is known, on loopback, offline."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from importlib.util import find_spec
from socket import socket

import pytest
import torch

from mmbench.cli import main
from mmbench.record.store import Store

NEEDED = ("openai", "fastapi", "uvicorn")
MISSING = [name for name in NEEDED if find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"transformers serve needs {', '.join(MISSING)}")

DEADLINE = 180.0
"""Seconds until a server that does not start is given up; importing transformers is most of it."""

IMAGE = "<image>"
WORDS = ["<pad>", "<s>", "</s>", "<unk>", IMAGE, "USER", "ASSISTANT", "blue", "is", "the", "shape", "?"]
NEXT = {"ASSISTANT": "blue", "blue": "</s>"}
TEMPLATE = (
    "{% for message in messages %}USER "
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<image> {% else %}{{ part.text }} {% endif %}"
    "{% endfor %}{% endfor %}ASSISTANT"
)
PATCHES = 4


def save_chat_model(folder):
    """A Llava whose language model says of each token which one follows: after ASSISTANT comes `blue`, then the end.

    Its layers add nothing to the embedding of the last token, which is a unit vector, and the head is a table.
    """
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    size = len(WORDS)
    config = transformers.LlavaConfig(
        vision_config=transformers.CLIPVisionConfig(
            hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2, image_size=16, patch_size=8
        ),
        text_config=transformers.LlamaConfig(
            vocab_size=size,
            hidden_size=size,
            intermediate_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
        ),
        image_token_index=WORDS.index(IMAGE),
        image_seq_length=PATCHES,
    )
    torch.manual_seed(0)
    model = transformers.LlavaForConditionalGeneration(config)
    table = torch.zeros(size, size)
    for word, following in NEXT.items():
        table[WORDS.index(following), WORDS.index(word)] = 1.0
    with torch.no_grad():
        model.get_input_embeddings().weight.copy_(torch.eye(size))
        model.get_output_embeddings().weight.copy_(table)
        for layer in model.model.language_model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
    model.generation_config.eos_token_id = 2
    model.save_pretrained(folder)
    special = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    ids = {word: index for index, word in enumerate(WORDS)}
    words = Tokenizer(models.WordLevel(ids, unk_token=special["unk_token"]))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, additional_special_tokens=[IMAGE], **special
    )
    images = transformers.CLIPImageProcessor(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    transformers.LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
        image_token=IMAGE,
    ).save_pretrained(folder)


def free_port():
    with socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The server's, while it runs."""
    folder = tmp_path_factory.mktemp("serve")
    save_chat_model(folder / "chat")
    port = free_port()
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", "chat", "--device", "cpu"]
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hub"), "OMP_NUM_THREADS": "1"}
    with (
        (folder / "log").open("w+") as log,
        subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], cwd=folder, env=offline, stdout=log, stderr=log
        ) as process,
    ):
        try:
            wait_for(f"http://127.0.0.1:{port}/health", process, folder / "log")
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.kill()


def wait_for(address, process, log):
    end = time.monotonic() + DEADLINE
    while True:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310  # on loopback
            assert json.load(answer) == {"status": "ok"}
            return
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < end, log.read_text()[-2000:]
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def threads():
    """PyTorch's threads as they were."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def evaluate(url, tmp_path, capsys):
    """Run in this process; returns the exit code and what was printed."""

    def run(limit, *settings):
        code = main(
            [
                *("eval", "--model", "openai:chat", "--base-url", url, "--task", "vqa", "--limit", str(limit)),
                *("--workers", "0", "--threads", "1", "--device", "cpu", "--json", "--output", str(tmp_path)),
                *(part for setting in ("cache=off", *settings) for part in ("--option", setting)),
            ]
        )
        return code, capsys.readouterr()

    return run


def test_answers_of_a_real_server(evaluate, tmp_path):
    code, printed = evaluate(12, "max_tokens=8")
    assert code == 0, printed.err
    record = json.loads(printed.out)
    ((file, _),) = Store(tmp_path).find([tmp_path])
    rows = Store(tmp_path).load_samples(file).to_pylist()
    assert [row["prediction"] for row in rows] == ["blue"] * 12
    assert record["metrics"]["accuracy"]["value"] == pytest.approx(sum(row["target"] == "blue" for row in rows) / 12)
    assert record["failures"] == []
    usage = record["cost"]["usage"]
    assert (usage["requests"], usage["retried"], usage["failed"]) == (12, 0, 0)
    assert usage["output_tokens"] == 12 * 2, "blue, and the end"
    assert usage["input_tokens"] > 12 * (PATCHES + 2), "the images were seen"
    assert record["model"]["config"]["server"]["model"] == ["chat"]


def test_truncation_of_a_real_server(evaluate):
    code, printed = evaluate(2, "max_tokens=1")
    assert code == 4
    assert "TruncatedError: the answer was cut off after 1 tokens; raise --option max_tokens=N" in printed.err


def test_a_field_that_the_server_does_not_know(evaluate):
    code, printed = evaluate(1, "extra={wish: luck}")
    assert code == 4
    assert "RequestError: 422: Unexpected fields in the request: {'wish'}" in printed.err
