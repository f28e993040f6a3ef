"""The model file `model.pt`: architecture, shapes and weights, nothing that executes.

A user's own network (`factory`) is only named in it: that code runs if the user names it as well.
"""

import io
from collections.abc import Collection
from dataclasses import MISSING, fields
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vebi.catalogue.architectures import FACTORY
from vebi.io.errors import VebiError
from vebi.io.files import atomic_path
from vebi.io.tensors import describe_failure, load_tensors
from vebi.models.factory import check_allowed
from vebi.models.nets import NetSpec, assemble, build

# Eight times the largest image that a configuration can ask for.
MOST_PIXELS = 100_000_000


def save_model(path: str | Path, net: nn.Module, spec: NetSpec, classes: list[str]) -> None:
    """Write a network and what is needed to build it again, atomically.

    Args:
        path: of the file.
        net: the network.
        spec: how it is built.
        classes: names of its outputs.
    """
    buffer = io.BytesIO()
    state = {key: value.cpu() for key, value in net.state_dict().items()}
    # Through a buffer: torch.save writes the file's name into the archive, and a temporary name
    # would make equal models differ in bytes.
    torch.save({"spec": _as_plain(spec), "classes": classes, "state": state}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def load_model(
    path: str | Path, device: torch.device | str = "cpu", factories: Collection[str] = ()
) -> tuple[nn.Module, list[str]]:
    """The network of a file.

    Args:
        path: a model file.
        device: where the network goes.
        factories: code of the user's that may run if the file names it, as MODULE:FUNCTION or
            FILE.py:FUNCTION.

    Returns:
        The network in evaluation mode on `device`, and its class names.

    Raises:
        VebiError: anything in the file but tensors and plain values (`weights_only=True`), a network
            that doesn't fit them, or a factory that is not among `factories`.
    """
    net, _, classes = load_network(path, device, factories)
    return net, classes


def load_network(
    path: str | Path, device: torch.device | str = "cpu", factories: Collection[str] = ()
) -> tuple[nn.Module, NetSpec, list[str]]:
    """The same with the network's specification, which says what images it takes."""
    try:
        content = load_tensors(path)
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value
            for key, value in content["spec"].items()
        }
        spec = NetSpec(**values)
        if spec.architecture.startswith(FACTORY):
            check_allowed(spec.architecture.removeprefix(FACTORY), path, factories)
        _check_promises(spec, content["state"])
        net = build(spec)
        net.load_state_dict(content["state"])
        classes = [str(name) for name in content["classes"]]
    except VebiError:
        raise
    # A file made by somebody else's hand can fail anywhere here.
    except Exception as error:
        raise VebiError(
            f"{path} is not a readable model of this project ({describe_failure(error)}). "
            "Delete it and run again to train it once more."
        ) from error
    return net.to(device).eval().requires_grad_(False), spec, classes


def _check_promises(spec: NetSpec, state: Any) -> None:
    """Raise ValueError unless the state has the tensors of the network, before any is allocated.

    A few bytes of specification could ask for a network that fills the memory.
    """
    if not isinstance(spec.architecture, str) or not isinstance(state, dict):
        raise ValueError("no specification")
    sides = spec.input_shape
    if not all(isinstance(side, int) and side > 0 for side in sides) or prod(sides) > MOST_PIXELS:
        raise ValueError(f"images of shape {spec.input_shape}")
    if spec.architecture.startswith(FACTORY):
        # The user's own code, which they trust.
        return
    with torch.device("meta"):
        expected = assemble(spec).state_dict()
    for key, value in expected.items():
        if key not in state or state[key].shape != value.shape:
            raise ValueError(f"'{key}' does not fit")


def _as_plain(spec: NetSpec) -> dict[str, Any]:
    """The fields of `spec` that say something: one at its default could be a later version's."""
    content = {}
    for item in fields(spec):
        default = item.default if item.default_factory is MISSING else item.default_factory()
        value = getattr(spec, item.name)
        if value != default:
            content[item.name] = value
    return content
