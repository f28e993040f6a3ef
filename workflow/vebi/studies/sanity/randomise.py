"""Networks that have forgotten some of their layers, or never learnt anything true."""

import copy
import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from vebi.data.dataset import TRAIN, Dataset
from vebi.io.errors import VebiError
from vebi.network.running import run
from vebi.statistics import draw_key

# The weighted layers of a network, in order, each with the names of its modules.
Stages = Sequence[tuple[str, tuple[str, ...]]]
# Randomised networks, each under the name of its layer.
Networks = Iterator[tuple[str, nn.Module]]
NORMALISATIONS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


def weighted_stages(model: nn.Module, example: Tensor) -> Stages:
    """The weighted layers in order of execution, each with the names of its modules.

    A stage is a convolution or fully connected layer, named after its module, with the modules that
    run after it and have parameters but no such weights of their own (normalisations, scales): they
    are randomised together. `example`: one image (1, C, H, W). Modules that do not run are left out.
    """
    order: list[str] = []
    handles = [
        module.register_forward_hook(lambda _module, _args, _result, name=name: order.append(name))
        for name, module in model.named_modules()
        if next(module.parameters(recurse=False), None) is not None
    ]
    try:
        run(model, example)
    finally:
        for handle in handles:
            handle.remove()
    # A module that runs several times stands where it runs last: above that nothing depends on it.
    last = sorted(set(order), key=lambda name: len(order) - 1 - order[::-1].index(name))
    stages: list[tuple[str, tuple[str, ...]]] = []
    before: tuple[str, ...] = ()
    for name in last:
        if _is_weighted(model.get_submodule(name)):
            stages.append((name, (*before, name)))
            before = ()
        elif stages:
            stages[-1] = (stages[-1][0], (*stages[-1][1], name))
        else:
            before = (*before, name)
    if not stages:
        raise VebiError("The network has no convolution and no fully connected layer to randomise.")
    return stages


def _is_weighted(module: nn.Module) -> bool:
    weight = dict(module.named_parameters(recurse=False)).get("weight")
    return weight is not None and weight.ndim >= 2


def thin_out(n: int, limit: int | None) -> list[int]:
    """Positions of at most `limit` of n stages, at equal steps, the first and the last among them."""
    if limit is None or n <= limit:
        return list(range(n))
    return sorted({int(i) for i in np.linspace(0, n - 1, limit).round()})


def cascade(
    model: nn.Module, stages: Stages, key: Sequence[int], limit: int | None = None
) -> Networks:
    """Cascading randomisation: from the class scores down, each stage with all above it.

    Yields (name of the lowest randomised layer, the network), from one layer to all of them; at most
    `limit` networks. The given network is not changed; the yielded one is, by the next step. A layer's
    new weights come from `key`, which names the network, and its place, so that they are the same in
    every step.
    """
    copied = copy.deepcopy(model)
    from_top = list(reversed(range(len(stages))))
    shown = {from_top[i] for i in thin_out(len(stages), limit)}
    for position in from_top:
        name, modules = stages[position]
        redraw(copied, modules, weights_key(key, position))
        if position in shown:
            yield name, copied


def one_by_one(
    model: nn.Module, stages: Stages, key: Sequence[int], limit: int | None = None
) -> Networks:
    """Independent randomisation: every stage alone, from the top down, with `cascade`'s weights."""
    for i in thin_out(len(stages), limit):
        position = len(stages) - 1 - i
        name, modules = stages[position]
        copied = copy.deepcopy(model)
        redraw(copied, modules, weights_key(key, position))
        yield name, copied


def weights_key(key: Sequence[int], position: int) -> tuple[int, ...]:
    """The key of a layer's new weights: `key` names the network, `position` is the layer's from below."""
    return draw_key("sanity: new weights of a layer", *key, position)


def redraw(model: nn.Module, modules: Sequence[str], key: Sequence[int]) -> None:
    """Give modules the parameters of a network that was never trained, in place.

    Weights are normal with variance 2 / fan_in (He et al. 2015), biases zero; a normalisation becomes
    the identity, with zero mean and unit variance as its statistics; the entries of any other
    parameter are shuffled.
    """
    rng = np.random.default_rng(list(key))
    with torch.no_grad():
        for name in modules:
            module = model.get_submodule(name)
            if isinstance(module, NORMALISATIONS):
                module.reset_parameters()
                continue
            weighted = _is_weighted(module)
            for part, parameter in module.named_parameters(recurse=False):
                if weighted and part == "weight":
                    values = rng.standard_normal(parameter.shape)
                    values *= math.sqrt(2 / parameter[0].numel())
                elif weighted and part == "bias":
                    values = np.zeros(parameter.shape)
                else:
                    flat = parameter.detach().cpu().numpy().ravel()
                    values = rng.permutation(flat).reshape(parameter.shape)
                parameter.copy_(torch.from_numpy(np.asarray(values)))


def with_random_labels(dataset: Dataset, key: Sequence[int], limit: int | None = None) -> Dataset:
    """The data set with the labels of its training images shuffled among them.

    How often each class occurs stays; what an image shows and what it is called no longer go
    together. With `limit` at most this number of training images stay in the training split.
    """
    rows = dataset.indices(TRAIN)
    rng = np.random.default_rng(list(key))
    labels, split = dataset.labels.copy(), dataset.split.copy()
    labels[rows] = rng.permutation(labels[rows])
    if limit is not None and limit < len(rows):
        split[rng.permutation(rows)[limit:]] = -1
    return dataclasses.replace(dataset, labels=labels, split=split)
