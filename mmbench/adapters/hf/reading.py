"""Reading what a model of the transformers library is made of: from a folder, from the hub's cache, or from the hub.

Code that comes with a model is run only where the user trusts it.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from mmbench.errors import UsageError, first_line

_PATIENCE_S = 10.0
"""Seconds that the hub has to answer; one that does not is out of reach, and is not asked again."""

_EXPECTED = "expected a model's name on the Hugging Face hub, or a folder made by save_pretrained"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model lies.

    Attributes:
        place: its name on the hub, or a folder.
        revision: its commit on the hub, so that all its files are of one; `None` of a folder.
        local: nothing may be asked of the network: it is a folder, or the hub is out of reach.
        trusted: code that comes with it may be run.
    """

    place: str
    revision: str | None = None
    local: bool = False
    trusted: bool = False

    @property
    def on_hub(self) -> bool:
        """It is no folder."""
        return not Path(self.place).is_dir()

    @property
    def label(self) -> str:
        """What records call it: the name on the hub, or the last part of a folder."""
        return self.place if self.on_hub else Path(self.place).resolve().name

    @property
    def cached(self) -> bool:
        """It is on the hub, and all that can be had now is what the cache has of it."""
        return self.local and self.on_hub

    def read(self, what: str, load: Callable[..., Any], files: Sequence[str] = (), **options: Any) -> Any:
        """Call a `from_pretrained` with these options.

        Args:
            what: is read of it, as `configuration`.
            load: the `from_pretrained`.
            files: those that it reads one of, for the user who has to get them.
            options: for `load`.

        Raises:
            UsageError: as of `read`.
        """
        if self.local:
            options["local_files_only"] = True
        try:
            return read(self.place, self.revision, what, load, trust_remote_code=self.trusted, **options)
        except UsageError as error:
            missing = [name for name in files if self.cached and self.file(name) is None]
            if not missing:
                raise
            why = out_of_reach(self.place, " or ".join(missing))
            raise UsageError(f"hf:{self.place}: cannot load its {what}: {why}") from error

    def file(self, name: str) -> Path | None:
        """One of its files, downloaded where that is needed; `None` where there is none.

        Raises:
            UsageError: the hub does not give it.
        """
        if not self.on_hub:
            path = Path(self.place) / name
            return path if path.is_file() else None
        from huggingface_hub import hf_hub_download  # noqa: PLC0415  # only for what is not in a folder
        from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError  # noqa: PLC0415  # as above

        try:
            with quietly():
                return Path(hf_hub_download(self.place, name, revision=self.revision, local_files_only=self.local))
        except LocalEntryNotFoundError as error:
            if self.local:
                return None
            raise UsageError(f"hf:{self.place}: {out_of_reach(self.place, name)}") from error
        except EntryNotFoundError:
            return None
        except Exception as error:  # of any layer of the network
            raise UsageError(f"hf:{self.place}: cannot get {name}: {first_line(error)}") from error


def find_source(argument: str, *, trusted: bool = False) -> Source:
    """Where `NAME_OR_PATH[@REVISION]` lies; asks the hub once, and its cache if that does not answer.

    Raises:
        UsageError: there is no such model, or it cannot be had.
    """
    place, revision = split_revision(argument)
    if not place:
        raise UsageError("expected hf:NAME_OR_PATH, not an empty name")
    if Path(place).is_dir():
        return Source(place, None, local=True, trusted=trusted)
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415  # only for what is not in a folder

    commit, absent = _ask_hub(place, revision)
    if commit is not None:
        return Source(place, commit, trusted=trusted)
    path = try_to_load_from_cache(place, "config.json", revision=revision)
    if isinstance(path, str):
        return Source(place, Path(path).parent.name, local=True, trusted=trusted)
    if absent is None:
        raise UsageError(f"hf:{place}: {out_of_reach(place, 'config.json, as all its other files,')}")
    at = f" at {revision}" if revision else ""
    raise UsageError(
        f"hf:{place}: the hub has no such model{at}, or shows it only to who logs in (`hf auth login`); {_EXPECTED}"
    ) from absent


def _ask_hub(place: str, revision: str | None) -> tuple[str | None, Exception | None]:
    """The commit of a revision; `None` where the hub does not answer, or not with that model, and then its error.

    Raises:
        UsageError: no model can have that name, or the one that has it is of another library.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url  # noqa: PLC0415  # as above
    from huggingface_hub.errors import (  # noqa: PLC0415  # as above
        EntryNotFoundError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        with quietly():
            url = hf_hub_url(place, "config.json", revision=revision)
            return get_hf_file_metadata(url, timeout=_PATIENCE_S).commit_hash or revision or "main", None
    except HFValidationError as error:
        raise UsageError(f"hf:{place}: there is no such folder, and it is no name of a model; {_EXPECTED}") from error
    except EntryNotFoundError as error:
        raise UsageError(f"hf:{place} has no config.json, so it is no model of the transformers library") from error
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        return None, error  # or the user may not see it now, who could when it was put into the cache
    except Exception:  # no network, or none that leads to the hub; each layer has exceptions of its own
        return None, None


def split_revision(argument: str) -> tuple[str, str | None]:
    """`NAME@REVISION` in two; a folder, whatever its name, and a mere name have no revision.

    Raises:
        UsageError: it has another form.
    """
    if Path(argument).is_dir():
        return argument, None
    name, at, revision = argument.partition("@")
    if not (at and name):
        return argument, None
    if not revision or Path(name).is_dir():
        raise UsageError(
            f"hf:{argument}: expected NAME@REVISION, a branch, tag or commit on the hub, or a folder alone"
        )
    return name, revision


def read(
    place: str,
    revision: str | None,
    what: str,
    load: Callable[..., Any],
    *,
    trust_remote_code: bool = False,
    **options: Any,
) -> Any:
    """Call a `from_pretrained`, quietly, and say in one line what is wrong if it fails.

    Args:
        place: name on the hub, or folder.
        revision: on the hub.
        what: is read of it, as `configuration`.
        load: the `from_pretrained`.
        trust_remote_code: code that comes with it may be run.
        options: for `load`.

    Raises:
        UsageError: names the source, what was to be read of it, and what was expected.
    """
    # Loader processes are what runs in parallel; tokenizers would warn that they were forked.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        with quietly():
            return load(place, revision=revision or "main", trust_remote_code=trust_remote_code, **options)
    except Exception as error:  # a foreign folder can make the library raise anything
        expected = out_of_reach(place, "a file of it") if _was_offline(error) else _EXPECTED
        raise UsageError(f"hf:{place}: cannot load its {what}: {first_line(error)}; {expected}") from error


def commit_of(place: str, revision: str | None) -> str | None:
    """Of the configuration that has just been read, and so is in the cache under its commit.

    Raises:
        UsageError: as of `read`.
    """
    from transformers.utils.hub import cached_file, extract_commit_hash  # noqa: PLC0415  # takes seconds to import

    path = read(
        place,
        revision,
        "configuration",
        lambda name, revision, **_: cached_file(name, "config.json", revision=revision),
    )
    return extract_commit_hash(path, None) or revision


def out_of_reach(place: str, missing: str) -> str:
    """What to tell the user of files that cannot be had now."""
    return (
        f"{missing} is not in the cache, and the hub cannot be reached; run `hf download {place}` where there is a "
        "network and give hf:FOLDER, or set HF_HOME to a cache that has it"
    )


@contextmanager
def quietly() -> Iterator[None]:
    """No progress bars, and no notes on what a checkpoint has besides what is read of it."""
    notes: Any = import_module("transformers.utils.logging")  # not at the top: it takes seconds to import
    loggers = [logging.getLogger(name) for name in ("transformers", "huggingface_hub")]
    levels, bars = [logger.level for logger in loggers], notes.is_progress_bar_enabled()
    notes.disable_progress_bar()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            notes.enable_progress_bar()


def _was_offline(error: BaseException | None) -> bool:
    """Whether an error, or one that it came from, is that of a hub out of reach."""
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled  # noqa: PLC0415  # as above

    while error is not None:
        if isinstance(error, LocalEntryNotFoundError | OfflineModeIsEnabled):
            return True
        error = error.__cause__ or error.__context__
    return False
