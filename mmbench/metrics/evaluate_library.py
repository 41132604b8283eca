"""Metrics of the evaluate library: `--metric evaluate:NAME`, or `evaluate:PATH.py` for a script of one's own.

Its import takes seconds, so it happens inside functions only.
"""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mmbench.errors import UsageError
from mmbench.metrics.evaluate_metric import EvaluateMetric, quiet
from mmbench.metrics.metric import Metric

LOWER_IS_BETTER = frozenset(
    {
        *("wer", "cer", "mer", "ter", "character", "charcut_mt"),
        *("mse", "rmse", "mae", "mape", "smape", "mase", "perplexity", "brier_score"),
    }
)
"""Rates and sizes of errors; the library does not say which way is better."""

_SECONDS = 5  # to find out whether the hub answers at all, before the library tries for longer
_TRUE = ("1", "on", "yes", "true")

Form = tuple[type, type, bool]
"""Kind of a prediction, kind of a reference, and whether there is a list of references."""


def from_evaluate(name: str) -> type[Metric]:
    """The class of a metric of the evaluate library.

    Args:
        name: a metric of the library (`rouge`), or the path of a script (`my_metric.py`), which is run.

    Raises:
        UsageError: it cannot be loaded, or takes something other than texts or numbers; says what to do.
    """
    script = _script(name)
    stem = script.stem if script else name
    module = _load(name, script)
    of_prediction, of_reference, many = _form(name, module)
    members = {
        "__doc__": f"`{stem}` as the evaluate library computes it.",
        "__module__": __name__,
        "name": f"evaluate:{stem}",  # of a script the bare name: no record holds a path of somebody's machine
        "higher_is_better": stem not in LOWER_IS_BETTER,
        "module": module,
        "kinds": (of_prediction, of_reference),
        "many": many,
    }
    return type("EvaluateMetric", (EvaluateMetric,), members)


def _script(name: str) -> Path | None:
    """The script that the user named by its path; `None` for the name of a metric."""
    if name.endswith(".py"):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UsageError(f"metric script {name}: no such file")
        return path.resolve()
    if not re.fullmatch(r"\w+", name, re.ASCII):
        raise UsageError(
            f"metric evaluate:{name}: expected the name of a metric of the evaluate library, as evaluate:rouge, or the "
            "path of a script, as evaluate:my_metric.py"
        )
    _refuse_local(name)
    return None


def _refuse_local(name: str) -> None:
    """The library takes `evaluate-metric/NAME` for the script of that name in the working directory, if there is one.

    Raises:
        UsageError: there is one.
    """
    local = Path("evaluate-metric", name, f"{name}.py")
    if local.exists():
        raise UsageError(
            f"metric evaluate:{name}: {local.as_posix()} in the working directory would run in place of the library's "
            f"metric; move it away, or name it by its path: --metric evaluate:{local.as_posix()}"
        )


def _load(name: str, script: Path | None) -> Any:
    """The library's metric. A script gets nothing from the network, and neither does anything where there is none."""
    with quiet():
        import evaluate  # noqa: PLC0415  # takes seconds

        config = evaluate.config
        before = config.HF_EVALUATE_OFFLINE, config.HF_UPDATE_DOWNLOAD_COUNTS
        config.HF_EVALUATE_OFFLINE = script is not None or before[0] or _no_hub(config.HF_ENDPOINT)
        config.HF_UPDATE_DOWNLOAD_COUNTS = False
        try:
            # By its full name on the hub, since the library would take `rouge` for ./rouge/rouge.py where there is one.
            return evaluate.load(
                str(script or f"evaluate-metric/{name}"), cache_dir=scratch(), keep_in_memory=True, seed=0
            )
        except ImportError as error:
            raise UsageError(f"metric evaluate:{name} needs a package that is missing: {_line(error)}") from error
        except (FileNotFoundError, ConnectionError) as error:
            if script is None:
                raise UsageError(
                    f"metric evaluate:{name} is neither stored here nor to be had from the Hugging Face hub; check the "
                    "name and the network, or give the path of its script: --metric evaluate:PATH.py"
                ) from error
            raise _no_metric(name, error) from error
        except Exception as error:  # a script may fail in any way
            raise _no_metric(name, error) from error
        finally:
            config.HF_EVALUATE_OFFLINE, config.HF_UPDATE_DOWNLOAD_COUNTS = before


def _form(name: str, module: Any) -> Form:
    """What the metric takes; a list of references where it can."""
    if module.module_type != "metric":
        raise UsageError(f"evaluate:{name} is a {module.module_type}; expected a metric")
    options = module.features if isinstance(module.features, list) else [module.features]
    forms = [form for form in map(_form_of, options) if form]
    if not forms:
        raise UsageError(
            f"metric evaluate:{name} takes {options[0]}; expected predictions that are texts or numbers, references "
            "that are such or lists of them, and nothing else"
        )
    return max(forms, key=lambda form: form[2])


def _form_of(features: Mapping[str, Any]) -> Form | None:
    if set(features) != {"predictions", "references"}:
        return None
    inner = _element(features["references"])
    of_prediction, of_reference = _kind(features["predictions"]), _kind(inner or features["references"])
    return (of_prediction, of_reference, inner is not None) if of_prediction and of_reference else None


def _element(feature: Any) -> Any:
    """What a feature is a list of; `None` if it is none."""
    return feature[0] if isinstance(feature, list) and len(feature) == 1 else getattr(feature, "feature", None)


def _kind(feature: Any) -> type | None:
    dtype = getattr(feature, "dtype", "")
    return next((kind for start, kind in _KINDS.items() if dtype.startswith(start)), None)


_KINDS = {"string": str, "large_string": str, "int": int, "uint": int, "float": float}


def _no_hub(endpoint: str) -> bool:
    """Whether the user wants no network, or the hub does not answer."""
    if any(os.environ.get(name, "").lower() in _TRUE for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")):
        return True
    import requests  # noqa: PLC0415  # comes with the library

    try:
        requests.head(endpoint, timeout=_SECONDS)
    except requests.RequestException:
        return True
    return False


@cache
def scratch() -> str:
    """A folder for what the library writes, gone when the program ends."""
    folder = tempfile.mkdtemp(prefix="mmbench-evaluate-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _no_metric(name: str, error: Exception) -> UsageError:
    return UsageError(
        f"metric evaluate:{name} cannot be loaded: {type(error).__name__}: {_line(error)}; expected a script that "
        "defines a subclass of evaluate.Metric"
    )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
