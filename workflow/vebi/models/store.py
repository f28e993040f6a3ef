"""The model file `model.pt`: architecture, shapes and weights, nothing that executes.

A user's own network (`factory`) is only named in it: that code runs if the user names it as well.
"""

import io
import pickle
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vebi import checksums
from vebi.errors import VebiError
from vebi.files import atomic_path
from vebi.models.factory import check_allowed
from vebi.models.nets import FACTORY, NetSpec, build


def save_model(path: str | Path, net: nn.Module, spec: NetSpec, classes: list[str]) -> None:
    """Write a network and what is needed to build it again, atomically."""
    buffer = io.BytesIO()
    state = {key: value.cpu() for key, value in net.state_dict().items()}
    # Through a buffer: torch.save writes the file's name into the archive, and a temporary name
    # would make equal models differ in bytes.
    torch.save({"spec": _as_plain(spec), "classes": classes, "state": state}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def load_model(
    path: str | Path, device: torch.device | str = "cpu", factory: str | None = None
) -> tuple[nn.Module, list[str]]:
    """Return the network in evaluation mode on `device`, and its class names.

    Loads tensors and plain values only (`weights_only=True`); raises VebiError for anything else.
    `factory`: the user's code that may run if the file names it, beside the configuration's.
    """
    checksums.check(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in content["spec"].items()
        }
        spec = NetSpec(**values)
        if spec.architecture.startswith(FACTORY):
            check_allowed(spec.architecture.removeprefix(FACTORY), path, factory)
        net = build(spec)
        net.load_state_dict(content["state"])
        classes = list(content["classes"])
    except (
        *(OSError, EOFError, AttributeError, KeyError, TypeError, RuntimeError),
        pickle.UnpicklingError,
    ) as error:
        raise VebiError(
            f"{path} is no readable model of this project ({type(error).__name__}). "
            "Delete it and run again to train it anew."
        ) from error
    return net.to(device).eval().requires_grad_(False), classes


def _as_plain(spec: NetSpec) -> dict[str, Any]:
    """The fields of `spec` that say something: one at its default could be a later version's."""
    content = {}
    for item in fields(spec):
        default = item.default if item.default_factory is MISSING else item.default_factory()
        value = getattr(spec, item.name)
        if value != default:
            content[item.name] = value
    return content
