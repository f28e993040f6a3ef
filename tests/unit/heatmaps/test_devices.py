"""Every engine on a device that is not the CPU, without one: shapes and devices, no numbers.

On `meta`, with every operation watched, and among fake tensors of `cuda`, an operation of tensors of
two devices fails as it does on a GPU. So a tensor that is left on the CPU is found here. Autograd has no
queue for a GPU where there is none: what goes back runs on `meta` only.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vebi.catalogue.descriptors import get_descriptor
from vebi.catalogue.methods import METHODS
from vebi.descriptors.describe import _DescriptorPass
from vebi.heatmaps import Targets, merged_maps
from vebi.heatmaps.signals import SignalGraph
from vebi.heatmaps.stride1 import _torch_rounds_well, nearest_resize
from vebi.network import Layer, list_layers, responses, run
from vebi.studies.ablation.ablate import ablate_batch, as_ablation
from vebi.studies.perturbation.removal import scores_without

N = 10
# The kinds of operations that the stride-1 rule holds in.
STRIDE1 = frozenset(), frozenset({"conv"}), frozenset({"conv", "pool"})
METHOD_NAMES = [name for name in METHODS if not name.startswith("resampling")]


def network() -> nn.Sequential:
    """Every operation that has a rule of its own, with and without stride."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 2),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(3, 2, 1),
        nn.LocalResponseNorm(3),
        nn.Conv2d(8, 8, 3, 3, groups=2),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 2, padding="same"),
        nn.AvgPool2d(2, 2, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 6),
        nn.ReLU(),
        nn.Linear(6, 4),
    ).eval()


class OneDevice(TorchDispatchMode):
    """Refuses operations of tensors of two devices, but for copies and for single numbers.

    Some of them work on a GPU, as an index that lies on the CPU, but wait for it.
    """

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.ndim]
        devices = {str(x.device) for x in tensors}
        if len(devices) > 1 and func.overloadpacket.__name__ not in ("copy_", "_to_copy"):
            raise AssertionError(f"{func} of tensors on {sorted(devices)}")
        return func(*args, **(kwargs or {}))


@contextlib.contextmanager
def on_meta(net: nn.Module) -> Iterator[tuple[nn.Module, Tensor]]:
    moved, images = copy.deepcopy(net).to("meta"), torch.empty(N, 3, 48, 40, device="meta")
    with OneDevice():
        yield moved, images


@contextlib.contextmanager
def on_fake_cuda(net: nn.Module) -> Iterator[tuple[nn.Module, Tensor]]:
    fake = copy.deepcopy(net)
    with FakeTensorMode():
        for module in fake.modules():
            for name, value in module._parameters.items():
                if value is not None:
                    module._parameters[name] = nn.Parameter(torch.empty(value.shape, device="cuda"))
            for name, value in module._buffers.items():
                if value is not None:
                    made = torch.empty(value.shape, dtype=value.dtype, device="cuda")
                    module._buffers[name] = made
        yield fake, torch.empty(N, 3, 48, 40, device="cuda")


def features_of(layers: list[Layer]) -> np.ndarray:
    """Three features of each image, of all depths: in every pass most images carry no signal yet."""
    features = np.full((N, 3, 2), -1)
    for n in range(N):
        features[n, 0] = n % len(layers), n % 4
        features[n, 1] = (3 * n) % len(layers), 1
    features[:7, 2] = (len(layers) - 1, 2)
    features[0] = -1
    return features


def draw(net: nn.Module, images: Tensor, layers: list[Layer], name: str) -> list[Tensor]:
    features = features_of(layers)
    if METHODS[name].spatial_only:
        features[~np.isin(features[..., 0], [x.index for x in layers if x.spatial])] = -1
    sources = {METHODS[name].source: features for name in ("deconv_gb", "upsampled_activation")}
    targets = Targets(np.arange(N) % 4, sources)
    return [merged_maps(net, images, layers, targets, [name], ig_steps=2)[name]]


def describe(net: nn.Module, images: Tensor, layers: list[Layer]) -> list[Tensor]:
    found = _DescriptorPass(layers, layers, get_descriptor("vebi_text").statistic)
    return [run(net, images, found), *found.parts]


def remove(net: nn.Module, images: Tensor, layers: list[Layer]) -> list[Tensor]:
    conditions = [as_ablation([(1, 2), (6, 0)], layers), as_ablation([(1, 2)], layers), ()]
    return [ablate_batch(net, images, layers, conditions)]


def remove_by_image(net: nn.Module, images: Tensor, layers: list[Layer]) -> list[Tensor]:
    masks = {i: torch.zeros(N, 8, dtype=torch.bool, device=images.device) for i in (2, 5)}
    return list(scores_without(net, images, layers, [masks, {}]))


def peak_only(net: nn.Module, images: Tensor, layers: list[Layer]) -> list[Tensor]:
    with SignalGraph(net, images, layers, features_of(layers), peak_only=True) as graph:
        return [graph.signals(kinds) for kinds in STRIDE1]


ENGINES: dict[str, Callable[[nn.Module, Tensor, list[Layer]], list[Tensor]]] = {
    **{name: partial(draw, name=name) for name in METHOD_NAMES},
    "responses": lambda *args: responses(*args)[1],
    "descriptors": describe,
    "ablation": remove,
    "ablation by image": remove_by_image,
    "peaks": peak_only,
}


# What neither goes back nor makes a tensor of numbers on the device.
FORWARD = ("responses", "descriptors", "ablation by image")


@pytest.mark.parametrize(
    ("place", "engine"),
    [*((on_meta, name) for name in ENGINES), *((on_fake_cuda, name) for name in FORWARD)],
)
def test_engines_stay_on_their_device(place, engine: str) -> None:
    net = network()
    layers = list_layers(net, torch.zeros(3, 48, 40))
    real = ENGINES[engine](net, torch.randn(N, 3, 48, 40), layers)
    with place(net) as (moved, images):
        found = ENGINES[engine](moved, images, layers)
        assert [value.device for value in found] == [images.device] * len(real)
        assert [value.shape for value in found] == [value.shape for value in real]
        assert [value.dtype for value in found] == [value.dtype for value in real]


def test_resizing_where_torch_rounds_badly() -> None:
    assert not _torch_rounds_well(61, 2)
    with OneDevice():
        signal = torch.empty(1, 1, 2, 2, device="meta")
        assert nearest_resize(signal, (61, 61)).device.type == "meta"


def test_layers_are_listed_on_any_device() -> None:
    net = network()
    expected = list_layers(net, torch.zeros(3, 48, 40))
    with on_meta(net) as (moved, images):
        assert list_layers(moved, images) == expected


def test_few_images_carry_a_signal_in_some_pass() -> None:
    """Or the test above would not see which images are picked."""
    layers = list_layers(network(), torch.zeros(3, 48, 40))
    for convolution in (x.index for x in layers if x.type == "conv"):
        shares = (features_of(layers)[..., 0] > convolution).mean(0)
        assert 0 < shares.min() <= 0.8
