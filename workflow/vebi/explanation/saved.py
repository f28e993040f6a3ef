"""A file of an `Explainer`: its selection as in path.h5, and what tells its network from others."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import h5py
import torch
from torch import Tensor, nn

from vebi.io.errors import VebiError
from vebi.io.hdf5 import BROKEN, create_hdf5, first_line, open_hdf5, read_texts
from vebi.selection.path_file import Solution, put_solution, read_solution

_WHAT = "a file of `Explainer.save`"
_GROUP = "explainer"


@dataclass(frozen=True)
class Saved:
    """What is saved of an `Explainer`, but for its network and `preprocess`, which are code.

    Args:
        solution: the selection.
        mu, classes, descriptor: as in `Explainer`.
        input_shape: of an image as the network takes it, (C, H, W); None if that is not known.
        digest: of the network's weights, from `weights_digest`.
        tensors: name and shape of each of them, in order.
    """

    solution: Solution
    mu: float
    classes: tuple[str, ...]
    descriptor: str
    input_shape: tuple[int, ...] | None
    digest: str
    tensors: tuple[str, ...]


def write_saved(path: str | Path, saved: Saved) -> None:
    """Write the file, which is also a path.h5: `vebi.load` and the pipeline can read its selection."""
    text = h5py.string_dtype()
    with create_hdf5(path) as file:
        put_solution(file, saved.solution)
        group = file.create_group(_GROUP)
        group.attrs["mu"] = saved.mu
        group.attrs["descriptor"] = saved.descriptor
        group.attrs["digest"] = saved.digest
        group.attrs["input_shape"] = saved.input_shape or ()
        for name in ("classes", "tensors"):
            group.create_dataset(name, data=list(getattr(saved, name)), dtype=text)


def read_saved(path: str | Path) -> Saved:
    """Read what `write_saved` wrote; nothing from the file is executed.

    Raises:
        VebiError: for every other file.
    """
    solution = read_solution(path)
    with open_hdf5(path, _WHAT) as file:
        if _GROUP not in file:
            raise VebiError(
                f"{path} holds a selection without its network: it is a path.h5, not {_WHAT}. Give it to "
                "`vebi.load` with the descriptor file that it was made from."
            )
        attributes = file[_GROUP].attrs
        try:
            mu, shape = float(attributes["mu"]), [int(n) for n in attributes["input_shape"]]
            descriptor, digest = str(attributes["descriptor"]), str(attributes["digest"])
        except (*BROKEN, OverflowError) as error:
            raise VebiError(f"{path} is not {_WHAT} ({first_line(error)}). Save again.") from error
        classes, tensors = (read_texts(file, f"{_GROUP}/{name}") for name in ("classes", "tensors"))
    if (
        len(classes) != len(solution.classes)
        or len(shape) not in (0, 3)
        or min(shape, default=1) < 1
    ):
        raise VebiError(
            f"{path} is damaged: it has {len(classes)} names for {len(solution.classes)} classes, and "
            f"images of the shape {tuple(shape)}. Save again."
        )
    return Saved(solution, mu, classes, descriptor, tuple(shape) or None, digest, tensors)


def weights_digest(model: nn.Module) -> str:
    """SHA-256 over names, shapes, formats and bytes of all parameters and buffers, on any device."""
    digest = hashlib.sha256()
    for name, tensor in _tensors(model):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {tuple(plain.shape)} {plain.dtype}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def list_tensors(model: nn.Module) -> tuple[str, ...]:
    """`conv.weight (20, 1, 5, 5)` for each parameter and buffer, in order."""
    return tuple(f"{name} {tuple(tensor.shape)}" for name, tensor in _tensors(model))


def check_network(path: str | Path, saved: Saved, model: nn.Module) -> None:
    """Raise VebiError, naming the first difference, for another network than the one that was saved."""
    ours, theirs = list_tensors(model), saved.tensors
    if ours != theirs:
        pairs = zip((*ours, *[""] * len(theirs)), (*theirs, *[""] * len(ours)), strict=True)
        here, there = next(pair for pair in pairs if pair[0] != pair[1])
        raise VebiError(
            f"{path} belongs to another network: where this one has {here or 'nothing more'}, that one "
            f"had {there or 'nothing more'}. Give the network that the features were selected on."
        )
    if weights_digest(model) != saved.digest:
        raise VebiError(
            f"{path} belongs to other weights: this network has the same layers, but not the numbers "
            "that the features were selected on. Load the same weights, in the same number format, or "
            "select again with `vebi.fit`."
        )


def _tensors(model: nn.Module) -> list[tuple[str, Tensor]]:
    # Modules may keep other things than tensors in their state.
    return [
        (name, value) for name, value in model.state_dict().items() if isinstance(value, Tensor)
    ]
