"""Encoders by name: what the user may write, where weights come from, and what freezing means."""

import json
from copy import deepcopy

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mmbench.checkpoint import Header, read_weights, save_weights
from mmbench.encoder import Encoder, EncoderConfig, choose_encoders, encoder_name, parse_encoders, unknown_words
from mmbench.errors import UsageError
from mmbench.fusion_factory import FusionFactory
from mmbench.model import BuildOptions
from mmbench.registry import registry
from mmbench.sample import Sample

RNG = np.random.default_rng(0)
BOTH = ("image", "text")
WORDS = ["is it red?", "a blue circle", "what color?", "is it a blue one?"]
SAMPLES = [
    Sample(str(i), {"image": Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8)), "text": text}, label)
    for i, (text, label) in enumerate(zip(WORDS, ["yes", "no", "blue", "yes"], strict=True))
]


class Plain(Encoder):
    """Bytes of a text; dropout, batch norm and an option of every kind."""

    modality = "text"

    def __init__(self, width, dropout: float = 0.5, revision: str | None = None, bias: bool = True, untyped=None):
        super().__init__(width)
        self.options = {"dropout": dropout, "revision": revision, "bias": bias, "untyped": untyped}
        self.embedding = nn.Embedding(256, width)
        self.norm = nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def prepare(self, values):
        indices = [ord(value[0]) if value else 0 for value in values]
        return torch.tensor(indices), torch.tensor([value is not None for value in values])

    def forward(self, inputs, mask):
        return self.dropout(self.norm(self.embedding(inputs))).unsqueeze(1), mask.unsqueeze(1)


class Tuned(Plain):
    """A backbone that can be frozen, and a layer after it that learns anyway."""

    def __init__(self, width, **options):
        super().__init__(width, **options)
        self.project = nn.Linear(width, width)

    def backbone(self):
        return nn.ModuleList([self.embedding, self.norm, self.dropout])

    def forward(self, inputs, mask):
        tokens, mask = super().forward(inputs, mask)
        return self.project(tokens), mask


class Named(Plain):
    """Loads weights by an argument, of which it stores the last part."""

    @classmethod
    def argument_options(cls, argument):
        return {"revision": argument}

    @classmethod
    def stored_options(cls, options):
        return {"revision": options["revision"].rpartition("/")[2]}

    def load_pretrained(self, argument=""):
        self.loaded = argument


@pytest.fixture(autouse=True)
def plugins():
    registry.register("encoder", "test-plain")(Plain)
    registry.register("encoder", "test-tuned")(Tuned)
    yield
    registry.unregister("encoder", "test-plain")
    registry.unregister("encoder", "test-tuned")


def chosen(modality, spec):
    """What is stored of an encoder that the user names."""
    return choose_encoders((modality,), SAMPLES, BuildOptions({modality: spec}))[modality]


def create(build, fusion="concat", modalities=BOTH, seed=0):
    torch.manual_seed(seed)
    return FusionFactory(fusion, build=build).create("mine", modalities, SAMPLES)


@pytest.fixture
def weights(tmp_path):
    """A weights file of a model that has seen other words, trained for a step so that batch norm has statistics."""
    samples = [Sample(s.id, {**s.inputs, "text": "two green triangles"}, "yes") for s in SAMPLES]
    torch.manual_seed(1)
    factory = FusionFactory("sum", build=BuildOptions({"image": "cnn,size=32"}))
    model = factory.create("sum", BOTH, samples).train()
    step(model, samples)
    path = tmp_path / "sum.safetensors"
    save_weights(path, model, Header("sum", model.stored_config(), {}))
    return path, model


def step(model, samples=SAMPLES):
    """One step of an optimiser that also decays weights."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=0.01, weight_decay=0.1)
    model.loss(model.collate(samples)).backward()
    optimizer.step()


def state(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(module, before):
    return {name for name, tensor in module.state_dict().items() if not torch.equal(tensor, before[name])}


# What the user writes


def test_default_is_stored_by_its_own_name():
    configs = choose_encoders(("text", "image"), SAMPLES, BuildOptions())
    assert [(m, config.name) for m, config in configs.items()] == [("text", "gru"), ("image", "cnn")]
    assert chosen("image", "image").name == "cnn"
    assert chosen("image", "cnn").name == "cnn"


@pytest.mark.parametrize(
    ("modality", "spec", "name"),
    [
        ("image", "hf:owner/name", "hf-image"),
        ("text", "test-plain,dropout=0.5", "test-plain"),
        ("text", "hf:[a,b]", "hf-text"),
        ("image", "none-such", "none-such"),
    ],
)
def test_the_registered_name_of_what_the_user_writes(modality, spec, name):
    assert encoder_name(modality, spec) == name


def test_the_registered_name_of_an_encoder_from_a_file(weights):
    assert encoder_name("image", f"from:{weights[0]}") == "cnn"


def test_named_encoder_learns_its_vocabulary_from_the_samples():
    config = chosen("text", "lstm")
    assert config.name == "lstm"
    assert config.options == {
        "vocabulary": sorted({"is", "it", "red", "?", "a", "blue", "circle", "what", "color", "one"})
    }


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        ("test-plain", {}),
        ("test-plain,dropout=0.25", {"dropout": 0.25}),
        ("test-plain, dropout = 1 , bias=no", {"dropout": 1.0, "bias": False}),
        ("test-plain,dropout=1e-3", {"dropout": 0.001}),  # which YAML takes for a text
        ("test-plain,revision=0123456", {"revision": "0123456"}),  # which YAML takes for an octal number
        ("test-plain,revision=null", {"revision": None}),
        ("test-plain,revision=a=b", {"revision": "a=b"}),
        ("test-plain,untyped=[1, 2],bias=true", {"untyped": [1, 2], "bias": True}),
    ],
)
def test_options_are_brought_to_the_types_of_the_constructor(spec, options):
    config = chosen("text", spec)
    assert config.options == options
    assert {name: type(value) for name, value in config.options.items()} == {n: type(v) for n, v in options.items()}
    built = config.build(8).options
    assert {**built, **options} == built


def test_lists_may_have_commas():
    config = chosen("image", "cnn,channels=[4,8],size=32")
    assert config.options == {"channels": [4, 8], "size": 32}
    assert [layer[0].out_channels for layer in config.build(6).layers] == [4, 8, 6]


@pytest.mark.parametrize(
    ("modality", "spec", "message"),
    [
        ("image", "resnet81", "unknown encoder 'resnet81'; did you mean 'resnet18'"),
        ("image", "gru", "encoder 'gru' encodes text, not image"),
        ("image", "text", "encoder 'gru' encodes text, not image"),
        ("image", "cnn:somewhere", "encoder CNN takes no argument, but was given 'somewhere'"),
        ("image", "cnn,sise=32", "unknown option of encoder 'cnn' 'sise'; did you mean 'size'"),
        ("image", "cnn,self=1", "unknown option of encoder 'cnn' 'self'"),
        ("image", "cnn,width=32", "unknown option of encoder 'cnn' 'width'"),
        ("image", "cnn,32", "encoder 'cnn': expected OPTION=VALUE, not '32'"),
        ("image", "cnn,", "encoder 'cnn': expected OPTION=VALUE, not ''"),
        ("image", "cnn,size=big", "encoder 'cnn' cannot take size=big: Input should be a valid integer"),
        ("image", "cnn,size=", "encoder 'cnn' cannot take size=: Input should be a valid integer"),
        ("image", "cnn,size=1.5", r"encoder 'cnn' cannot take size=1\.5: Input should be a valid integer"),
        ("image", "cnn,channels=8", "encoder 'cnn' cannot take channels=8: Input should be"),
        ("image", "cnn,channels=[8", r"encoder 'cnn' cannot take channels=\[8: it is not YAML"),
        ("image", "hf", "needs a model: expected image=hf:NAME_OR_PATH"),
        ("image", "hf:", "expected image=hf:NAME_OR_PATH, not an empty name"),
        ("image", "hf-text:somewhere", "encoder 'hf-text' encodes text, not image"),
        ("image", "from", "expected image=from:FILE"),
        ("image", "from:absent.safetensors", "weights file 'absent.safetensors' does not exist"),
        ("text", "test-plain,dropout=2", "encoder 'test-plain' cannot be built: dropout probability has to be between"),
        ("text", "test-tuned,dropout=high", "encoder 'test-tuned' cannot be built"),
    ],
)
def test_refusals_are_one_line(modality, spec, message):
    with pytest.raises(UsageError, match=message) as error:
        chosen(modality, spec).build(8)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("modality", "spec", "message"),
    [
        ("image", "vit,layers=yes", "encoder 'vit' cannot take layers=yes: expected a number, not yes or no"),
        ("image", "cnn,size=true", "encoder 'cnn' cannot take size=true: expected a number, not yes or no"),
        ("image", "cnn,channels=[on, 8]", r"encoder 'cnn' cannot take channels=\[on, 8\]: expected a number, not"),
        ("text", "test-plain,dropout=no", "encoder 'test-plain' cannot take dropout=no: expected a number, not yes"),
        ("image", "vit,layers=2,layers=3", "encoder 'vit': layers is set twice"),
        ("image", "vit,layers=2, layers = 2", "encoder 'vit': layers is set twice"),
    ],
)
def test_options_that_are_no_numbers_or_set_twice(modality, spec, message):
    with pytest.raises(UsageError, match=f"^{message}"):
        chosen(modality, spec)


def test_yes_and_no_stay_where_they_are_meant():
    options = chosen("text", "test-plain,bias=yes,revision=no,untyped=true").options
    assert options == {"bias": True, "revision": "no", "untyped": True}


def test_option_that_the_argument_stands_for_cannot_be_set_beside_it():
    registry.register("encoder", "test-named")(Named)
    try:
        assert chosen("text", "test-named:abc,dropout=0").options == {"revision": "abc", "dropout": 0.0}
        message = "^encoder 'test-named': revision follows from 'abc' and cannot be set beside it$"
        with pytest.raises(UsageError, match=message):
            chosen("text", "test-named:abc,revision=def")
    finally:
        registry.unregister("encoder", "test-named")


def test_argument_reaches_the_loading_of_weights_and_only_a_part_of_it_the_stored_options():
    registry.register("encoder", "test-named")(Named)
    try:
        model = create(BuildOptions({"text": "test-named:some/folder,dropout=0.25"}))
    finally:
        registry.unregister("encoder", "test-named")
    assert model.config.encoders["text"].options == {"revision": "folder", "dropout": 0.25}
    assert model.encoders["text"].loaded == "some/folder"


def test_encoder_with_any_options_takes_any():
    assert chosen("text", "test-tuned,dropout=0.25").build(8).options["dropout"] == 0.25


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (BuildOptions({"audio": "mel-cnn"}), "unknown modality in --encoder 'audio'; known: image, text"),
        (BuildOptions({"imag": "cnn"}), "unknown modality in --encoder 'imag'; did you mean 'image'"),
        (BuildOptions(freeze=("audio",)), "unknown modality in --freeze 'audio'; known: image, text"),
        (BuildOptions(freeze=("image", "txt")), "unknown modality in --freeze 'txt'; did you mean 'text'"),
    ],
)
def test_modality_that_the_model_does_not_read(build, message):
    with pytest.raises(UsageError, match=message):
        create(build)


def test_modality_without_a_default_encoder():
    with pytest.raises(UsageError, match="no encoder is the default of 'depth'; name one: --encoder depth=NAME"):
        create(BuildOptions(), modalities=("image", "depth"))


def test_parse_encoders():
    given = ["text=hf:org/name,longest=8", "image=from:a=b.safetensors"]
    parsed = {"image": "from:a=b.safetensors", "text": "hf:org/name,longest=8"}
    assert parse_encoders(given) == parsed
    # Two runs that differ in the order alone are the same run, to --resume say.
    assert list(parse_encoders(given)) == list(parse_encoders(reversed(given)))
    assert parse_encoders([]) == {}


@pytest.mark.parametrize("text", ["image", "image=", "=cnn", "", "cnn:image"])
def test_what_names_no_encoder(text):
    with pytest.raises(UsageError, match=f"--encoder expects MODALITY=NAME, not '{text}'"):
        parse_encoders([text])


def test_modality_named_twice():
    with pytest.raises(UsageError, match="--encoder names two encoders of image: cnn and vit,layers=2"):
        parse_encoders(["image=cnn", "text=gru", "image=vit,layers=2"])


def test_modality_frozen_twice_is_frozen():
    assert create(BuildOptions(freeze=("image", "image"))).config.frozen == ["image"]


# An encoder of a weights file


def test_encoder_from_a_file_brings_weights_statistics_options_and_words(weights):
    path, trained = weights
    model = create(BuildOptions(dict.fromkeys(BOTH, f"from:{path}")), fusion="film")
    assert model.config.encoders == trained.config.encoders
    assert model.config.encoders["image"].options["size"] == 32
    assert "triangles" in model.config.encoders["text"].options["vocabulary"]
    assert changed(model.encoders, state(trained.encoders)) == set()
    assert model.encoders["image"].layers[0][1].num_batches_tracked == 1


def test_file_that_all_encoders_come_from_is_read_once_and_afresh_for_the_next_model(weights, monkeypatch):
    path, _ = weights
    reads = []
    monkeypatch.setattr("mmbench.encoder.read_weights", lambda file: reads.append(file) or read_weights(file))
    create(BuildOptions(dict.fromkeys(BOTH, f"from:{path}")))
    assert reads == [path]
    torch.manual_seed(5)
    other = create(BuildOptions({"image": "cnn,size=32"}), seed=5)
    save_weights(path, other, Header("concat", other.stored_config(), {}))
    model = create(BuildOptions({"image": f"from:{path}"}))
    assert reads == [path, path]
    assert changed(model.encoders["image"], state(other.encoders["image"])) == set()


def test_encoder_from_a_file_goes_on_learning_and_restores_without_the_file(weights):
    path, _ = weights
    model = create(BuildOptions({"image": f"from:{path}"})).train()
    before = state(model.encoders["image"])
    step(model)
    assert changed(model.encoders["image"], before) == set(before)
    path.unlink()
    fresh = FusionFactory("concat").restore("mine", json.loads(json.dumps(model.stored_config())))
    fresh.load_state_dict(model.state_dict())
    batch = model.collate(SAMPLES)
    with torch.no_grad():
        assert torch.equal(fresh.eval().classify(batch), model.eval().classify(batch))


def test_other_encoders_and_the_rest_start_as_they_would(weights):
    """Where two of three parts are not the user's choice, the choice must not change them."""
    path, _ = weights
    usual = create(BuildOptions({"image": "cnn,size=32"}))
    model = create(BuildOptions({"image": f"from:{path}"}))
    differ = changed(model, state(usual))
    assert differ
    assert all(name.startswith("encoders.image.") for name in differ)


def test_encoder_from_a_file_decides_the_width_unless_the_user_does(tmp_path):
    path = tmp_path / "narrow.safetensors"
    narrow = create(BuildOptions(width=12))
    save_weights(path, narrow, Header("concat", narrow.stored_config(), {}))
    model = create(BuildOptions({"text": f"from:{path}"}))
    assert {encoder.width for encoder in model.encoders.values()} == {model.config.width} == {12}
    wide = create(BuildOptions({"text": f"from:{path}"}, parameters=100_000))
    assert wide.config.width == 12
    assert wide.config.hidden > 12


def test_file_with_a_comma_in_its_name(tmp_path):
    path = tmp_path / "a,b.safetensors"
    narrow = create(BuildOptions(width=12))
    save_weights(path, narrow, Header("concat", narrow.stored_config(), {}))
    model = create(BuildOptions({"text": f"from:{path}"}))
    assert changed(model.encoders["text"], state(narrow.encoders["text"])) == set()


def test_words_that_an_encoder_from_a_file_lacks_are_told(weights):
    path, _ = weights
    build = BuildOptions({"text": f"from:{path}", "image": f"from:{path}"})
    known = Sample("known", {"text": "two green triangles"})
    assert unknown_words(build, [known]) == []
    assert unknown_words(build, [known, Sample("new", {"text": "a zebra nearest to green"})]) == [
        "the encoder of text from sum.safetensors lacks 4 of the 7 entries that its vocabulary would have for these "
        "samples: 'a', 'nearest', 'to', 'zebra'"
    ]


def test_encoders_from_files_of_unequal_widths(tmp_path):
    for width in (12, 16):
        model = create(BuildOptions(width=width))
        save_weights(tmp_path / f"{width}.safetensors", model, Header("concat", model.stored_config(), {}))
    encoders = {"image": f"from:{tmp_path / '12.safetensors'}", "text": f"from:{tmp_path / '16.safetensors'}"}
    with pytest.raises(UsageError, match=r"the encoder of text in .*16\.safetensors has width 16, this model 12; "):
        create(BuildOptions(encoders))


def test_encoder_from_a_home_folder(weights, monkeypatch):
    path, trained = weights
    monkeypatch.setenv("HOME", str(path.parent))
    model = create(BuildOptions({"image": f"from:~/{path.name}"}))
    assert changed(model.encoders["image"], state(trained.encoders["image"])) == set()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            {"encoders": {"text": "from:{path}"}, "width": 32},
            r"the encoder of text in .*sum\.safetensors has width 64, this model 32; all encoders of",
        ),
        (
            {"encoders": {"audio": "from:{path}"}},
            r"sum\.safetensors has no encoder of audio; it has image, text",
        ),
        (
            {"encoders": {"text": "from:{path},embedding=8"}},
            r"--encoder text=from:.*: an encoder from a file has the options that it was made with",
        ),
    ],
)
def test_encoder_that_a_file_cannot_give(weights, build, message):
    path, _ = weights
    encoders = {m: spec.format(path=path) for m, spec in build["encoders"].items()}
    with pytest.raises(UsageError, match=message) as error:
        create(BuildOptions(**{**build, "encoders": encoders}), modalities=("image", "text", "audio"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "has no encoder of image; it has none"),
        ({"encoders": ["image"]}, "has no encoder of image; it has none"),
        ({"encoders": {"image": "cnn"}}, "has a damaged header"),
        ({"encoders": {"image": {"name": "cnn", "size": 3}}}, "has a damaged header: .*size"),
        ({"encoders": {"image": {"name": "cmn"}}}, "unknown encoder 'cmn'; did you mean 'cnn'"),
        ({"encoders": {"image": {"name": "cnn"}}}, "is of another architecture: layers"),
        ({"encoders": {"image": {"name": "cnn"}}, "width": [1]}, r"has width \[1\], this model 64; "),
    ],
)
def test_file_of_a_model_that_keeps_no_such_encoder(tmp_path, config, message):
    path = tmp_path / "other.safetensors"
    save_weights(path, nn.Linear(2, 2), Header("other", config, {}))
    with pytest.raises(UsageError, match=message):
        create(BuildOptions({"image": f"from:{path}"}), modalities=("image",))


def test_pickle_is_refused(tmp_path):
    torch.save({}, tmp_path / "model.pt")
    with pytest.raises(UsageError, match="is a pickle"):
        chosen("image", f"from:{tmp_path / 'model.pt'}")


# Freezing


@pytest.mark.parametrize("spec", ["test-plain", "bert"])
def test_frozen_encoder_stays_bit_for_bit_and_the_rest_learns(spec):
    model = create(BuildOptions({"text": spec}, freeze=("text",))).train()
    before = state(model)
    step(model)
    step(model)
    assert all(parameter.grad is None for parameter in model.encoders["text"].parameters())
    stayed = set(before) - changed(model, before)
    assert stayed == {name for name in before if name.startswith("encoders.text.")}
    assert model.config.frozen == ["text"]


def test_frozen_batch_norm_and_dropout_are_those_of_evaluation():
    model = create(BuildOptions({"text": "test-plain", "image": "cnn,size=32"}, freeze=BOTH))
    batch = model.collate(SAMPLES)
    encoders = [model.encoders[m] for m in BOTH]
    with torch.no_grad():
        evaluated = [
            encoder.eval()(batch.inputs[m], batch.mask[m])[0] for m, encoder in zip(BOTH, encoders, strict=True)
        ]
        model.train()
        trained = [encoder(batch.inputs[m], batch.mask[m])[0] for m, encoder in zip(BOTH, encoders, strict=True)]
    assert [torch.equal(*pair) for pair in zip(evaluated, trained, strict=True)] == [True, True]
    assert model.training
    assert model.heads.training
    assert not any(module.training for module in model.encoders["text"].modules())
    assert not any(module.training for module in model.eval().modules())


def test_batch_norm_and_dropout_of_the_same_encoder_vary_where_it_learns():
    encoder = create(BuildOptions({"text": "test-plain"})).encoders["text"].train()
    inputs = encoder.prepare(WORDS)
    first, second = encoder(*inputs)[0], encoder(*inputs)[0]
    assert not torch.equal(first, second)
    assert encoder.norm.num_batches_tracked == 2


def test_layers_after_a_frozen_backbone_learn():
    model = create(BuildOptions({"text": "test-tuned"}, freeze=("text",))).train()
    encoder = model.encoders["text"]
    before = state(encoder)
    step(model)
    assert changed(encoder, before) == {"project.weight", "project.bias"}
    assert encoder.training
    assert encoder.project.training
    assert not encoder.norm.training
    assert not encoder.dropout.training


def test_all_encoders_frozen_still_leave_something_to_learn():
    model = create(BuildOptions(freeze=BOTH)).train()
    before = state(model)
    step(model)
    assert {name.split(".")[0] for name in changed(model, before)} == {"fusion", "heads"}


def test_frozen_encoder_of_a_file_is_the_files(weights):
    path, trained = weights
    model = create(BuildOptions({"image": f"from:{path}"}, freeze=("image",))).train()
    step(model)
    assert changed(model.encoders["image"], state(trained.encoders["image"])) == set()


def test_frozen_encoder_can_be_copied_to_other_processes():
    copy = deepcopy(create(BuildOptions(freeze=("text",)))).train()
    assert not copy.encoders["text"].training
    assert not any(parameter.requires_grad for parameter in copy.encoders["text"].parameters())


def test_encoder_without_pretrained_weights_starts_at_random():
    one, other = (create(BuildOptions(), seed=seed) for seed in (0, 1))
    assert changed(one.encoders, state(other.encoders))
    assert changed(one, state(create(BuildOptions()))) == set()


def test_config_of_an_encoder_builds_the_same_again():
    config = EncoderConfig(**json.loads(json.dumps({"name": "cnn", "options": {"size": 32, "channels": [4]}})))
    encoder = config.build(8)
    assert [tuple(p.shape) for p in encoder.parameters()] == [tuple(p.shape) for p in config.build(8).parameters()]
    assert (encoder.width, encoder.size) == (8, 32)
