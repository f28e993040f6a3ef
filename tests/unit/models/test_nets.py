import numpy as np
import pytest
import torch
from torch import nn

from vebi.errors import VebiError
from vebi.models.nets import ARCHITECTURES, NetSpec, build, initialise

SHAPES = {
    "matconvnet": (1, 28, 28),
    "an8flower_strided": (3, 112, 112),
    "an8flower_inferred": (3, 112, 112),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_output_is_one_score_per_class(name):
    net = build(NetSpec(name, SHAPES[name], 7, 64.0))
    assert net(torch.zeros(2, *SHAPES[name])).shape == (2, 7)


def test_matconvnet_has_the_seeds_number_of_features():
    # facts: conv1 20, pool1 20, conv2 50, pool2 50, fc 500, relu 500 make m = 1,140.
    sizes = []
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 1.0))
    x = torch.zeros(1, 1, 28, 28)
    for name, module in net.named_children():
        x = module(x)
        if name not in ("input", "fc4", "flatten"):
            sizes.append(x.shape[1])
    assert sizes == [20, 20, 50, 50, 500, 500]
    assert sum(sizes) == 1140


def test_strided_network_has_a_strided_first_convolution_and_the_inferred_one_has_not():
    def strides(name):
        net = build(NetSpec(name, SHAPES[name], 6, 1.0))
        return [m.stride for m in net.modules() if isinstance(m, nn.Conv2d)]

    assert strides("an8flower_strided")[0] == (2, 2)
    assert set(strides("an8flower_inferred")) == {(1, 1)}


def test_too_small_images_are_refused_with_a_way_out():
    with pytest.raises(VebiError, match=r"matconvnet.*\(1, 8, 8\).*Choose another"):
        build(NetSpec("matconvnet", (1, 8, 8), 10, 1.0))


def test_too_large_images_are_refused_because_outputs_multiply():
    with pytest.raises(VebiError, match="40 outputs"):
        build(NetSpec("matconvnet", (1, 32, 32), 10, 1.0))


def test_normalisation_subtracts_the_mean_image_and_scales():
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 4.0))
    net.get_buffer("input.mean").fill_(8)
    assert (net.get_submodule("input")(torch.full((1, 1, 28, 28), 10.0)) == 0.5).all()


@pytest.mark.parametrize("std", [None, 0.01])
def test_initial_weights_come_from_the_seed_alone(std):
    nets = [build(NetSpec("matconvnet", (1, 28, 28), 10, 1.0)) for _ in range(3)]
    for net, seed in zip(nets, (5, 5, 6), strict=True):
        torch.manual_seed(int(np.random.default_rng().integers(1 << 30)))
        initialise(net, seed, std)
    first, second, third = ([p.clone() for p in net.parameters()] for net in nets)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    assert not torch.equal(first[0], third[0])
    weight = nets[0].get_parameter("fc3.weight")
    expected = 0.01 if std else (2 / (50 * 4 * 4)) ** 0.5
    assert weight.std().item() == pytest.approx(expected, rel=0.01)
