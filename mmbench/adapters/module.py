"""A plain `torch.nn.Module` as a model: `wrap(module, task="vqa")`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from inspect import signature
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from mmbench.data.audio import load_audio
from mmbench.data.decode import load_image
from mmbench.errors import UsageError, join_names, one_line
from mmbench.model import Batch, Model, abilities
from mmbench.registry import registry
from mmbench.sample import Audio, Modality, Sample
from mmbench.task import TaskCard

Transform = Callable[[Any], Tensor]
"""What a module reads of one value: an RGB image, a text, or `Audio`; without the batch dimension."""


def wrap(
    module: nn.Module,
    *,
    task: str,
    labels: Sequence[str] | None = None,
    transforms: Mapping[str, Transform] | None = None,
    name: str | None = None,
) -> "WrappedModule":
    """A model of a plain module, ready for `mmbench.evaluate(model, task)`.

    The module is called with one tensor a modality, in the order of `transforms`: `module(image, text)`. If what is
    called has a parameter `mask`, it also gets the masks by modality, true where there is data: [B] for values of
    one shape, [B, T] where they were filled up with zeros to the longest. A missing value is zeros.

    What it must give depends on the task: logits [B, C] in the order of `labels`; or, without labels where the task
    takes text, a list of B texts (of `module.generate`, if it has that); or, where vectors are compared, [B, D] from
    `module.encode_image(image)`, `module.encode_text(text)`, ... Shapes and dtypes are checked on two samples first.

    Args:
        module: in any mode; it is put into evaluation.
        task: name of the task.
        labels: the classes, in the order of the logits.
        transforms: by modality, what the module reads of a value. By default it reads all modalities of the task: an
            image as float32 [3, H, W] from 0 to 1, sound as its mono waveform float32 [T], resampled to 16 kHz. A text
            has no default.
        name: what records call it; the module's class by default.

    Raises:
        UsageError: there is no such task, a modality is not one of its, or something that it needs is missing.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"wrap takes a torch.nn.Module, not a {type(module).__name__}")
    card: TaskCard = registry.load("task", task).card
    chosen = transforms or {modality: _default(modality) for modality in card.modalities}
    for modality in chosen:
        if modality not in card.modalities:
            raise UsageError(f"task {task!r} has no {modality}; it has {join_names(card.modalities)}")
    called = name or type(module).__name__
    if "embed" in card.abilities:
        for modality in chosen:
            if not callable(getattr(module, f"encode_{modality}", None)):
                raise UsageError(f"task {task!r} compares vectors: {called} needs a method encode_{modality}")
        return _Embedder(module, called, chosen)
    if labels is not None:
        return _Classifier(module, called, chosen, tuple(labels))
    if "generate" in card.abilities:
        return _Generator(module, called, chosen)
    raise UsageError(f"task {task!r} chooses among classes: give labels, in the order of the module's logits")


class WrappedModule(nn.Module, ABC):
    """Base of the wrapped: batches by transforms, and a check of the first."""

    def __init__(self, module: nn.Module, name: str, transforms: Mapping[str, Transform]) -> None:
        super().__init__()
        self.module = module.eval()
        self.name = name
        self.modalities = tuple(transforms)
        self._transforms = dict(transforms)

    def stored_config(self) -> dict[str, Any]:
        """What a record tells of it."""
        kind = type(self.module)
        return {"module": f"{kind.__module__}.{kind.__qualname__}", "state_sha256": state_sha256(self.module)}

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Transform and stack; values of unequal length are filled up with zeros.

        Raises:
            ValueError: a transform gave no tensor, or tensors that cannot be stacked.
        """
        stacked = {m: self._stacked(m, [sample.inputs.get(m) for sample in samples]) for m in self.modalities}
        inputs, masks = ({m: both[which] for m, both in stacked.items()} for which in (0, 1))
        return Batch(len(samples), inputs, masks)

    def _stacked(self, modality: str, values: Sequence[Any]) -> tuple[Tensor, Tensor]:
        """Tensors [B, ...], and their mask [B] or [B, T]."""
        transform = self._transforms[modality]
        tensors = [None if value is None else _made(modality, transform, value) for value in values]
        there = [each for each in tensors if each is not None] or [_made(modality, transform, _NOTHING[modality])]
        padded = modality != Modality.IMAGE and there[0].dim() > 0
        shapes = {tuple(each.shape[1:] if padded else each.shape) for each in there}
        if len({each.dim() for each in there}) > 1 or len(shapes) > 1:
            shown = join_names([str([*each.shape]) for each in there], most=3)
            raise ValueError(f"the transform of {modality} gave tensors that cannot be stacked: {shown}")
        if not padded:
            mask = torch.tensor([each is not None for each in tensors])
            return torch.stack([torch.zeros_like(there[0]) if each is None else each for each in tensors]), mask
        longest = max(map(len, there))
        filled = there[0].new_zeros(len(values), longest, *there[0].shape[1:])
        mask = torch.zeros(len(values), longest, dtype=torch.bool)
        for row, each in enumerate(tensors):
            if each is not None:
                filled[row, : len(each)] = each
                mask[row, : len(each)] = True
        return filled, mask

    def try_out(self, samples: Sequence[Sample], device: torch.device) -> None:
        """Ask a first batch.

        Raises:
            UsageError: a transform or the module fails on it, or gives something else than is expected.
        """
        try:
            batch = self.collate(samples).to(device)
        except Exception as error:  # transforms are foreign code
            raise UsageError(
                f"{self.name}: the first {len(samples)} samples cannot be batched: {one_line(error)}"
            ) from error
        try:
            with torch.inference_mode():
                self._try(batch)
        except UsageError:
            raise
        except Exception as error:  # the module is foreign code
            given = ", ".join(f"{m} {_described(tensor)}" for m, tensor in batch.inputs.items())
            raise UsageError(f"{self.name} fails on {given}: {one_line(error)}") from error

    @abstractmethod
    def _try(self, batch: Batch) -> None:
        """Raises UsageError: the module gave something else than is expected."""

    def _called(self, function: Callable[..., Any], batch: Batch, modalities: Sequence[str]) -> Any:
        """What the module makes of some modalities, with their masks where it takes them."""
        parameters = signature(function.forward if isinstance(function, nn.Module) else function).parameters
        options = {"mask": {each: batch.mask[each] for each in modalities}} if "mask" in parameters else {}
        return function(*(self._cast(batch.inputs[each]) for each in modalities), **options)

    def _cast(self, tensor: Tensor) -> Tensor:
        """Floating input in the module's dtype, which the user may have chosen."""
        own = next((each.dtype for each in self.module.parameters() if each.is_floating_point()), tensor.dtype)
        return tensor.to(own) if tensor.is_floating_point() else tensor


class _Classifier(WrappedModule):
    def __init__(
        self, module: nn.Module, name: str, transforms: Mapping[str, Transform], labels: tuple[str, ...]
    ) -> None:
        super().__init__(module, name, transforms)
        self.labels = labels

    def classify(self, batch: Batch) -> Tensor:
        """Logits [B, C]."""
        logits: Tensor = self._called(self.module, batch, self.modalities)
        return logits

    def _try(self, batch: Batch) -> None:
        _require_numbers(self.name, self.classify(batch), batch.size, len(self.labels), "logits")


class _Generator(WrappedModule):
    def generate(self, batch: Batch) -> list[str]:
        """One text a sample."""
        texts: list[str] = self._called(getattr(self.module, "generate", self.module), batch, self.modalities)
        return texts

    def _try(self, batch: Batch) -> None:
        texts: Any = self.generate(batch)
        expected = f"a list of {batch.size} texts; for logits give wrap the labels, in their order"
        if not (isinstance(texts, list | tuple) and len(texts) == batch.size):
            found = _described(texts) if isinstance(texts, Tensor) else type(texts).__name__
            raise UsageError(f"{self.name} gave {found}; expected {expected}")
        for text in texts:
            if not isinstance(text, str):
                raise UsageError(f"{self.name} gave a {type(text).__name__} in its list; expected {expected}")


class _Embedder(WrappedModule):
    def embed(self, batch: Batch, modality: str) -> Tensor:
        """Vectors [B, D]."""
        vectors: Tensor = self._called(getattr(self.module, f"encode_{modality}"), batch, [modality])
        return vectors

    def _try(self, batch: Batch) -> None:
        widths = {}
        for modality in self.modalities:
            vectors = self.embed(batch, modality)
            _require_numbers(f"{self.name}.encode_{modality}", vectors, batch.size, None, "vectors")
            widths[modality] = vectors.shape[1]
        if len(set(widths.values())) > 1:
            told = join_names([f"{modality} {width}" for modality, width in widths.items()])
            raise UsageError(f"{self.name} gave vectors of unequal width: {told}; expected one space")


def as_model(made: object, task: TaskCard, labels: Callable[[], tuple[str, ...]], name: str) -> Model:
    """What a factory gave, as a model: itself where it is one, a plain module wrapped.

    Args:
        made: by the factory.
        task: what it is for.
        labels: the classes of the data set, asked where a plain module needs them.
        name: of a wrapped one.

    Raises:
        UsageError: it is neither.
    """
    if isinstance(made, Model) and abilities(made):
        return made
    if isinstance(made, nn.Module):
        return wrap(made, task=task.name, labels=labels() if task.abilities[0] == "classify" else None, name=name)
    raise UsageError(f"{name} gave a {type(made).__name__}; expected a model, or a torch.nn.Module")


def state_sha256(module: nn.Module) -> str:
    """A hash of all parameters and buffers, by name."""
    digest = sha256()
    for key, tensor in sorted(module.state_dict().items()):
        digest.update(f"{key} {tensor.dtype} {[*tensor.shape]}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _made(modality: str, transform: Transform, value: Any) -> Tensor:
    """The tensor of one value, which is decoded first."""
    if modality == Modality.IMAGE:
        value = load_image(value)
    elif modality == Modality.AUDIO:
        value = load_audio(value)
    made = transform(value)
    if not isinstance(made, Tensor):
        raise TypeError(f"the transform of {modality} gave a {type(made).__name__}; expected a tensor")
    return made


def _image(value: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(value)).permute(2, 0, 1).float() / 255


def _sound(value: Audio) -> Tensor:
    return torch.from_numpy(load_audio(value, rate=_RATE).samples)


_RATE = 16_000
_DEFAULTS: Mapping[str, Transform] = {Modality.IMAGE: _image, Modality.AUDIO: _sound}
_NOTHING: Mapping[str, Any] = {
    Modality.IMAGE: Image.new("RGB", (1, 1)),
    Modality.TEXT: "",
    Modality.AUDIO: Audio(np.zeros(1, dtype=np.float32), _RATE),
}
"""What stands for a modality that a whole batch lacks, to learn what shape its tensors have."""


def _default(modality: str) -> Transform:
    if modality not in _DEFAULTS:
        raise UsageError(
            f"how is {modality} read? Give transforms={{{modality!r}: FUNCTION}}, which makes a tensor of it"
        )
    return _DEFAULTS[modality]


def _require_numbers(name: str, found: Any, count: int, width: int | None, what: str) -> None:
    """Refuse what is not finite floating numbers [count, width], or [count, D] where no width is known."""
    expected = f"{what} [{count}, {width or 'D'}], floating"
    if not isinstance(found, Tensor):
        raise UsageError(f"{name} gave a {type(found).__name__}; expected {expected}")
    fits = found.dim() == 2 and len(found) == count and width in (None, found.shape[1])
    if not (fits and found.is_floating_point()):
        classes = f" for the {width} labels" if width else ""
        raise UsageError(f"{name} gave {_described(found)}; expected {expected}{classes}")
    if not found.isfinite().all():
        raise UsageError(f"{name} gave {what} that are not finite")


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {[*tensor.shape]}"
