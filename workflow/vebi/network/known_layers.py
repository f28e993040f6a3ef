"""The layers of a network that is explained again and again, listed once."""

from collections.abc import Hashable, Mapping
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module

from vebi.network.layers import Layer, list_layers

# Of each network the last list, and the state that it was made in.
_KNOWN: WeakKeyDictionary[nn.Module, tuple[Hashable, list[Layer]]] = WeakKeyDictionary()


def known_layers(model: nn.Module, example: Tensor) -> list[Layer]:
    """The layers as `list_layers` gives them, from memory if the network is as it was then.

    Compared are the shape and number format of the image, and of every module: its class and `forward`,
    its place in the network, training mode, hooks, plain attributes (stride, padding, ...) by value and
    others (functions, ...) by identity, and of parameters and buffers the shape, format and device. Not
    compared are the numbers in tensors and what is outside the modules, such as a global variable: a
    forward pass that goes another way because of these ends in an error of `LayerPass`.

    Args:
        model: the network.
        example: an image (C, H, W) or (1+, C, H, W), as the network takes it.
    """
    image = (tuple(example.shape[-3:]), example.ndim, example.dtype, example.device)
    state = (image, *_state(model))
    known = _KNOWN.get(model)
    if known is None or known[0] != state:
        # Of the network before the pass, which may leave something in it.
        known = _KNOWN[model] = state, list_layers(model, example)
    return list(known[1])


def _state(model: nn.Module) -> tuple[Hashable, ...]:
    """Everything that decides which operations run, as a value that can be compared."""
    places = {id(module): place for place, module in enumerate(model.modules())}
    hooks = (torch_module._global_forward_hooks, torch_module._global_forward_pre_hooks)
    parts: list[Hashable] = [_value(hook, places) for hook in hooks]
    for module in model.modules():
        own = _value(vars(module), places)
        parts.append((type(module), id(type(module).forward), own))
    return tuple(parts)


def _value(value: Any, places: Mapping[int, int]) -> Hashable:
    """A value of a module's attribute: itself if it is plain, else what it is recognised by."""
    kind = type(value)
    if kind in _PLAIN:
        # 1, 1.0 and True are equal.
        return (kind, value)
    if isinstance(value, Mapping):
        return kind, tuple([(key, _value(item, places)) for key, item in value.items()])
    if isinstance(value, (list, tuple)):
        return kind, tuple([_value(item, places) for item in value])
    if isinstance(value, Tensor):
        return kind, tuple(value.shape), value.dtype, value.device
    if isinstance(value, nn.Module):
        return kind, places.get(id(value), -1)
    return kind, id(value)


_PLAIN = frozenset((bool, int, float, complex, str, bytes, type(None), torch.dtype, torch.device))
