"""The device a run is on: chosen by name, checked before anything is loaded, waited for before a clock is read."""

import torch

from mmbench.errors import UsageError


def pick_device(name: str) -> torch.device:
    """The device of that name; `auto` takes an accelerator where there is one, else the CPU.

    Raises:
        UsageError: no such device, or not on this machine.
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if name == "auto":
        return accelerator or torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(
            f"unknown device {name!r}; expected auto, cpu, or an accelerator such as cuda or cuda:0"
        ) from error
    if device.type == "cpu":
        return device
    if accelerator is None or device.type != accelerator.type:
        raise UsageError(f"device {name!r} is not available here; there is {accelerator or 'only the cpu'}")
    if device.index is not None and device.index >= torch.accelerator.device_count():
        raise UsageError(f"device {name!r} is not available here; there are {torch.accelerator.device_count()}")
    return device


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all queued work; nothing to wait for on the CPU."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
