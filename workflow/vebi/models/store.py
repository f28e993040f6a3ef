"""The model file `model.pt`: architecture, shapes and weights, nothing that executes."""

import io
import pickle
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from vebi.errors import VebiError
from vebi.files import atomic_path
from vebi.models.nets import ARCHITECTURES, NetSpec, build


def save_model(path: str | Path, net: nn.Module, spec: NetSpec, classes: list[str]) -> None:
    """Write a network and what is needed to build it again, atomically."""
    buffer = io.BytesIO()
    state = {key: value.cpu() for key, value in net.state_dict().items()}
    # Through a buffer: torch.save writes the file's name into the archive, and a temporary name
    # would make equal models differ in bytes.
    torch.save({"spec": asdict(spec), "classes": classes, "state": state}, buffer)
    with atomic_path(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def load_model(path: str | Path, device: torch.device | str = "cpu") -> tuple[nn.Module, list[str]]:
    """Return the network in evaluation mode on `device`, and its class names.

    Loads tensors and plain values only (`weights_only=True`); raises VebiError for anything else.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        spec = NetSpec(**{**content["spec"], "input_shape": tuple(content["spec"]["input_shape"])})
        if spec.architecture not in ARCHITECTURES:
            raise VebiError(
                f"{path} holds architecture '{spec.architecture}', which is unknown here."
            )
        net = build(spec)
        net.load_state_dict(content["state"])
        classes = list(content["classes"])
    except (OSError, EOFError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError) as error:
        raise VebiError(
            f"{path} is no readable model of this project ({type(error).__name__}). "
            "Delete it and run again to train it anew."
        ) from error
    return net.to(device).eval().requires_grad_(False), classes
