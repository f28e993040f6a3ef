import numpy as np
import pytest
import torch
from torch import nn

from vebi.catalogue.architectures import ARCHITECTURES
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.heatmaps.signals import feature_signals
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, Normalise, build, initialise
from vebi.models.torchvision_nets import MEAN, SCALE
from vebi.network import list_layers

declare_missing_ops()

# Of an image (C, H, W).
SHAPES = {
    name: (own.shape[2], *own.shape[:2]) if own.shape else (3, 64, 64)
    for name, own in ARCHITECTURES.items()
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


def test_vgg_f_has_the_papers_number_of_features():
    # facts of VEBI's code: ops 1 to 19 of VGG-F make m = 19,456.
    net = build(NetSpec("vgg_f", SHAPES["vgg_f"], 5, 1.0))
    sizes = {}
    x = torch.zeros(1, 3, 224, 224)
    with torch.no_grad():
        for name, module in net.named_children():
            x = module(x)
            if name not in ("input", "drop6", "drop7", "fc8", "flatten"):
                sizes[name] = tuple(x.shape[1:])
    assert len(sizes) == 19
    assert sum(size[0] for size in sizes.values()) == 19456
    # Chatfield et al. and MatConvNet's listing: 54, 27, 13, 6.
    assert sizes["conv1"] == (64, 54, 54)
    assert sizes["pool1"] == (64, 27, 27)
    assert sizes["pool2"] == (256, 13, 13)
    assert sizes["pool5"] == (256, 6, 6)


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


def test_normalisation_per_channel_is_torchvision_s():
    from torchvision.transforms.functional import normalize

    images = torch.rand(2, 3, 4, 5)
    expected = normalize(images, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    ours = Normalise(torch.tensor(MEAN)[:, None, None], SCALE)(images * 255)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


TORCHVISION = NetSpec("torchvision:squeezenet1_1", (3, 64, 64), 4, SCALE, MEAN)


def test_torchvision_network_by_name_is_torchvision_s_own_with_weights_from_the_seed():
    from torchvision.models import squeezenet1_1

    nets = [build(TORCHVISION, seed) for seed in (1, 1, 2)]
    first, second, third = (net.get_submodule("net").state_dict() for net in nets)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["features.0.weight"], third["features.0.weight"])
    theirs = squeezenet1_1(num_classes=4).eval()
    theirs.load_state_dict(first)
    images = torch.rand(2, 3, 64, 64) * 255
    expected = theirs(
        (images / 255 - torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        / torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    )
    torch.testing.assert_close(nets[0](images), expected, rtol=1e-4, atol=1e-5)


def test_building_leaves_torch_s_own_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build(TORCHVISION, 1)
    assert torch.equal(torch.rand(3), expected)


def test_a_grey_image_is_enough_for_a_network_of_three_channels():
    grey = build(NetSpec("torchvision:squeezenet1_1", (1, 64, 64), 4, SCALE, MEAN), 1)
    images = torch.rand(2, 1, 64, 64) * 255
    expected = build(TORCHVISION, 1)(images.expand(-1, 3, -1, -1))
    assert torch.equal(grey(images), expected)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (NetSpec("torchvision:resnet81", (3, 64, 64), 4, 1.0), "Did you mean 'resnet18'"),
        (NetSpec("torchvision:fcn_resnet50", (3, 64, 64), 4, 1.0), "no classifier"),
        (NetSpec("torchvision:alexnet", (3, 32, 32), 4, SCALE, MEAN), "'torchvision:alexnet'.*32"),
        (NetSpec("torchvision:vit_b_32", (3, 64, 64), 4, SCALE, MEAN), "Wrong image height"),
        (
            NetSpec("torchvision:alexnet", (3, 64, 64), 4, 1.0, kwargs={"width": 3}),
            "can't be built with.*width",
        ),
        (NetSpec("lenet", (1, 28, 28), 10, 1.0), "'lenet' is unknown here; known: matconvnet"),
    ],
    ids=["name", "no-classifier", "too-small", "other-size", "kwargs", "unknown"],
)
def test_what_torchvision_does_not_have_is_said(spec, says):
    with pytest.raises(VebiError, match=says):
        build(spec)


def test_keras_network_has_the_reports_number_of_parameters():
    net = build(NetSpec("keras", (1, 28, 28), 10, 255.0, mean=(0.0,)))
    assert sum(parameter.numel() for parameter in net.parameters()) == 13_454_602
    assert [m.p for m in net.modules() if isinstance(m, nn.Dropout)] == [0.5]


def test_keras_network_takes_a_width_and_a_dropout():
    spec = NetSpec("keras", (1, 28, 28), 10, 255.0, kwargs={"width": 4, "dropout": 0.0})
    net = build(spec)
    assert [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)] == [4] * 5
    images = torch.rand(3, 1, 28, 28)
    assert torch.equal(net.train()(images), net.eval()(images))


def test_glorot_weights_are_uniform_between_keras_ends():
    net = nn.Sequential(nn.Conv2d(3, 50, 5), nn.Linear(400, 100))
    initialise(net, 0, glorot=True)
    for module, fans in ((net[0], 25 * 53), (net[1], 500)):
        end = (6 / fans) ** 0.5
        weight = module.weight.detach()
        assert weight.abs().max() <= end
        assert weight.abs().max() > 0.99 * end
        assert weight.std() == pytest.approx(end / 3**0.5, rel=0.03)
        assert (module.bias == 0).all()


def test_the_flowers_transformer_has_a_million_weights_and_a_strided_patch_embedding():
    net = build(NetSpec("an8flower_vit", SHAPES["an8flower_vit"], 6, 64.0))
    blocks = 5 * (128 * (3 * 128 + 128 + 2 * 512) + 3 * 128 + 128 + 512 + 128 + 4 * 128)
    embedding, head = 128 * (3 * 64 + 1), 6 * 129
    assert sum(p.numel() for p in net.parameters()) == blocks + embedding + 2 * 128 + head
    assert net.patch_embedding.stride == (8, 8)
    halved = NetSpec("an8flower_vit", (3, 112, 112), 6, 64.0, kwargs={"patch": 16, "depth": 2})
    assert build(halved).tokens.places.shape == (49, 128)


def test_the_transformer_s_tokens_know_their_place():
    net = build(NetSpec("an8flower_vit", SHAPES["an8flower_vit"], 6, 64.0))
    places = net.tokens.places
    # Sines and cosines of row 3 and column 5, at the first and the last rate.
    token = places[3 * 14 + 5].reshape(4, 32)
    for wave, angle in zip(token[:, 0], (3.0, 3.0, 5.0, 5.0), strict=True):
        assert min(abs(float(wave) - f(angle)) for f in (np.sin, np.cos)) < 1e-6
    assert token[:, 31].tolist() == pytest.approx([3e-4, 1.0, 5e-4, 1.0], abs=1e-6)
    assert len(places.unique(dim=0)) == 196


def test_the_stride_1_rule_in_a_patch_embedding_by_hand():
    net = build(NetSpec("an8flower_vit", SHAPES["an8flower_vit"], 6, 64.0))
    initialise(net, 0, glorot=True)
    images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0)) * 255
    layers = list_layers(net, images)
    assert layers[0].name == "patch_embedding"
    features = np.array([[(0, 7)]] * 2)
    with torch.no_grad():
        weight = net.patch_embedding.weight[7:8]
        maps = net.patch_embedding(net.input(images))[:, 7:8]
        # One value per pixel, A + 2 P - M + 1 = 105 of them (VEBI Eq. 3), back at stride 1.
        dense = torch.nn.functional.interpolate(maps, size=(105, 105), mode="nearest-exact")
        expected = torch.conv_transpose2d(dense, weight) / 64
        plain = torch.conv_transpose2d(maps, weight, stride=8) / 64
    ours = feature_signals(net, images, layers, features, frozenset({"conv"}))[:, 0]
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)
    ours = feature_signals(net, images, layers, features)[:, 0]
    torch.testing.assert_close(ours, plain, rtol=1e-4, atol=1e-5)
