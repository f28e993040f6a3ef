"""Networks in MatConvNet's files, such as `imagenet-vgg-f.mat`, read into networks of ours.

MatConvNet's arrays are (height, width, in, out); both forms of its files are read, the older with
`filters` and `biases`, `normalization` and `classes`, the newer with `weights` and `meta`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from vebi.io.errors import VebiError
from vebi.io.matlab import load_mat

_WITHOUT_EFFECT = ("dropout", "softmax", "softmaxloss")


@dataclass(frozen=True)
class Operation:
    """One layer of the file. `pad` is (top, bottom, left, right); `weight` (h, w, in, out)."""

    name: str
    type: str
    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: tuple[int, int]
    pad: tuple[int, int, int, int]
    pool: tuple[int, int]
    param: tuple[float, ...]


@dataclass(frozen=True)
class MatConvNetFile:
    """A network of MatConvNet: its operations but dropout and softmax, its mean and its classes.

    `mean` is (C, H, W) or (C, 1, 1), None if the file has none; `classes` the identifiers (wnids) of
    the outputs and `descriptions` their names, both empty if it has none.
    """

    path: Path
    operations: tuple[Operation, ...]
    mean: Tensor | None
    classes: tuple[str, ...]
    descriptions: tuple[str, ...]


def read_matconvnet(path: str | Path) -> MatConvNetFile:
    """Read a simplenn network of MatConvNet. Raises VebiError for every other file."""
    path = Path(path)
    try:
        content = load_mat(path, struct_as_record=False)
    except NotImplementedError as error:
        raise _problem(path, "it is in MATLAB's v7.3 format; save it with -v7") from error
    except VebiError:
        raise
    # A damaged file fails in any way it likes.
    except Exception as error:
        raise _problem(path, f"it can't be read ({error})") from error
    root: Any = _Struct(content.get("net", content))
    layers = root.get("layers")
    if not (isinstance(layers, np.ndarray) and layers.dtype == object and layers.size):
        raise _problem(path, "it has no cell array 'layers' (a DagNN has to be converted first)")
    operations = []
    for number, cell in enumerate(layers.ravel(), 1):
        layer = _Struct(cell)
        kind = _text(layer.get("type"))
        if kind in _WITHOUT_EFFECT:
            continue
        if kind not in ("conv", "relu", "pool", "normalize", "lrn"):
            raise _problem(path, f"layer {number} has type '{kind}', which is not handled")
        name = _text(layer.get("name")) or f"layer {number}"
        try:
            operations.append(_operation(layer, name, kind))
        except (TypeError, ValueError, IndexError, OverflowError) as error:
            raise _problem(path, f"'{name}' can't be understood ({error})") from error
    meta = _Struct(root.get("meta"))
    normalization = _Struct(meta.get("normalization", root.get("normalization")))
    labels = _Struct(meta.get("classes", root.get("classes")))
    try:
        mean = _mean(normalization.get("averageImage"))
    except (TypeError, ValueError, OverflowError) as error:
        raise _problem(path, f"averageImage can't be understood ({error})") from error
    return MatConvNetFile(
        path=path,
        operations=tuple(operations),
        mean=mean,
        classes=_texts(labels.get("name")),
        descriptions=_texts(labels.get("description")),
    )


def state_for(file: MatConvNetFile, net: nn.Module, size: tuple[int, int]) -> dict[str, Tensor]:
    """The file's weights under the names of `net`, which must do the same operations in order.

    `size` (height, width) of the images. Compared are kernels, strides, the sizes of the responses,
    padding at the start (at the end it only matters through the size), and the parameters of local
    response normalisation. The last convolution may have another number of outputs.
    """
    ours = list(_modules(net))
    kinds = [kind for _, _, kind in ours]
    theirs = ["lrn" if o.type == "normalize" else o.type for o in file.operations]
    if kinds != theirs:
        raise _problem(
            file.path, f"its operations are {' '.join(theirs)}; expected {' '.join(kinds)}"
        )
    state = {}
    for (name, module, kind), operation in zip(ours, file.operations, strict=True):
        if kind == "conv":
            kernel: tuple[int, int] = operation.weight.shape[:2]
            _check_window(file, operation, module, kernel, size)
            weight = torch.from_numpy(np.ascontiguousarray(operation.weight.transpose(3, 2, 0, 1)))
            is_last = name == [n for n, _, k in ours if k == "conv"][-1]
            expected = module.weight.shape
            if weight.shape[1:] != expected[1:] or (weight.shape[0] != expected[0] and not is_last):
                raise _problem(
                    file.path,
                    f"'{operation.name}' has weights {tuple(weight.shape)} (out, in, h, w), "
                    f"{tuple(expected)} are expected",
                )
            if operation.bias.size != weight.shape[0]:
                raise _problem(
                    file.path,
                    f"'{operation.name}' has {weight.shape[0]} filters and {operation.bias.size} biases",
                )
            state[f"{name}.weight"] = weight.float()
            state[f"{name}.bias"] = torch.from_numpy(operation.bias.ravel().astype(np.float32))
        elif kind == "pool":
            _check_window(file, operation, module, operation.pool, size)
        elif kind == "lrn":
            # MatConvNet does not divide alpha by the number of channels, torch does.
            wanted = (module.size, module.k, module.alpha / module.size, module.beta)
            if not (len(operation.param) == 4 and np.allclose(operation.param, wanted, rtol=1e-6)):
                raise _problem(
                    file.path, f"'{operation.name}' has param {operation.param}, expected {wanted}"
                )
        if kind in ("conv", "pool"):
            size = _sizes_of(module, size)
    return state


def _modules(net: nn.Module) -> Iterator[tuple[str, Any, str]]:
    kinds = {nn.Conv2d: "conv", nn.ReLU: "relu", nn.MaxPool2d: "pool", nn.LocalResponseNorm: "lrn"}
    for name, module in net.named_modules():
        if type(module) in kinds:
            yield name, module, kinds[type(module)]


def _check_window(
    file: MatConvNetFile,
    operation: Operation,
    module: Any,
    kernel: Sequence[int],
    size: tuple[int, int],
) -> None:
    top, bottom, left, right = operation.pad
    theirs = (
        tuple(kernel),
        operation.stride,
        (top, left),
        tuple(
            (size[i] + pads - kernel[i]) // operation.stride[i] + 1
            for i, pads in enumerate((top + bottom, left + right))
        ),
    )
    pairs = (module.kernel_size, module.stride, module.padding)
    ours = (
        *(pair if isinstance(pair, tuple) else (pair, pair) for pair in pairs),
        _sizes_of(module, size),
    )
    if theirs != ours:
        raise _problem(
            file.path,
            f"'{operation.name}' has kernel, stride, padding and response size {theirs}, "
            f"expected {ours}",
        )


def _sizes_of(module: Any, size: tuple[int, int]) -> tuple[int, int]:
    """Output size of a module of ours, from itself: no formula of ours can be wrong."""
    channels = module.in_channels if isinstance(module, nn.Conv2d) else 1
    with torch.no_grad():
        height, width = module(torch.zeros(1, channels, *size)).shape[2:]
    return int(height), int(width)


class _Struct:
    """A MATLAB struct, as scipy gives it, or a dictionary of variables; fields by name."""

    def __init__(self, value: Any) -> None:
        while isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
            value = value.ravel()[0]
        self._fields = (
            value if isinstance(value, dict) else vars(value) if _is_struct(value) else {}
        )

    def get(self, name: str, default: Any = None) -> Any:
        return self._fields.get(name, default)


def _is_struct(value: Any) -> bool:
    return hasattr(value, "_fieldnames")


def _operation(layer: _Struct, name: str, kind: str) -> Operation:
    weight, bias = layer.get("filters"), layer.get("biases")
    cell = layer.get("weights")
    if kind == "conv" and isinstance(cell, np.ndarray) and cell.size == 2:
        weight, bias = cell.ravel()
    if kind == "conv":
        if weight is None or bias is None:
            raise ValueError("no weights")
        weight, bias = np.asarray(weight, np.float32), np.asarray(bias, np.float32)
        # MATLAB drops sizes of one at the end.
        weight = weight.reshape(*weight.shape, *[1] * (4 - weight.ndim))
        if weight.ndim != 4 or not bias.size:
            raise ValueError(f"weights of shape {weight.shape}")
    if kind == "pool" and _text(layer.get("method")) not in ("max", ""):
        raise ValueError(f"pooling by '{_text(layer.get('method'))}', only max is handled")
    pad = _integers(layer.get("pad"), 0)
    return Operation(
        name=name,
        type=kind,
        weight=weight if kind == "conv" else np.zeros((0, 0, 0, 0), np.float32),
        bias=bias if kind == "conv" else np.zeros(0, np.float32),
        stride=_pair(_integers(layer.get("stride"), 1)),
        pad=(pad[0], pad[1], pad[2], pad[3]) if len(pad) == 4 else (pad[0],) * 4,
        pool=_pair(_integers(layer.get("pool"), 1)),
        param=tuple(float(v) for v in np.ravel(layer.get("param", []))),
    )


def _integers(value: Any, default: int) -> tuple[int, ...]:
    if value is None or not np.size(value):
        return (default,)
    return tuple(int(v) for v in np.ravel(value))


def _pair(values: tuple[int, ...]) -> tuple[int, int]:
    return (values[0], values[-1])


def _mean(value: Any) -> Tensor | None:
    if value is None or not np.size(value):
        return None
    array = np.asarray(value, np.float32)
    if array.size <= 3:
        return torch.from_numpy(array.reshape(-1, 1, 1).copy())
    array = array[..., None] if array.ndim == 2 else array
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


def _text(value: Any) -> str:
    return str(np.ravel(value)[0]) if value is not None and np.size(value) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(_text(cell) for cell in np.ravel(value)) if value is not None else ()


def _problem(path: Path, what: str) -> VebiError:
    return VebiError(f"{path} is not the expected network of MatConvNet: {what}.")
