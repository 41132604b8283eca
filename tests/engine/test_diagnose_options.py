"""What can be asked of a diagnosis, and what is refused."""

import pytest

from mmbench.engine.diagnose_options import DiagnoseOptions, parse_levels, parse_noises, parse_skip
from mmbench.errors import UsageError


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"permutations": 0}, "--permutations must be at least 1, not 0"),
        ({"emap_samples": 1}, "--emap-samples must be at least 2, not 1"),
        ({"levels": ()}, "--levels must ascend"),
        ({"levels": (0.5,)}, "--levels must ascend, above 0 and up to 1, where the area ends; not 0.5"),
        ({"levels": (0.0, 1.0)}, "--levels must ascend"),
        ({"levels": (0.5, 0.2, 1.0)}, "--levels must ascend"),
        ({"levels": (0.5, 2.0)}, "--levels must ascend"),
        ({"skip": ("emapp",)}, "unknown section in --skip 'emapp'; did you mean 'emap'?"),
        (
            {"skip": ("emap", "perceptual", "shapley", "missing", "robustness", "calibration")},
            "--skip names every section",
        ),
        ({"noises": (("image", "blur"), ("image", "blur"))}, "--noise names a noise twice"),
        ({"noises": (("image", "blur"),), "skip": ("robustness", "calibration")}, "which --skip leaves out"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        DiagnoseOptions(**options)


def test_the_middle_level_is_that_nearest_to_a_half():
    assert DiagnoseOptions().middle == 0.5
    assert DiagnoseOptions(levels=(0.1, 0.3, 1.0)).middle == 0.3
    assert DiagnoseOptions(levels=(1.0,)).middle == 1.0


def test_words_of_the_command_line():
    assert parse_levels("0.25,.5, 1") == (0.25, 0.5, 1.0)
    assert parse_noises(["image=blur", "text=drop"]) == (("image", "blur"), ("text", "drop"))
    assert parse_skip("emap, robustness") == ("emap", "robustness")
    assert parse_skip(None) == ()


@pytest.mark.parametrize("text", ["", "a,b", "0.5,,1", "nan,1"])
def test_levels_are_numbers(text):
    with pytest.raises(UsageError, match="--levels takes numbers"):
        parse_levels(text)


@pytest.mark.parametrize("text", ["image", "=blur", "image=", "image=blur:0.5"])
def test_noises_are_pairs(text):
    with pytest.raises(UsageError, match="--noise takes MODALITY=NOISE"):
        parse_noises([text])
