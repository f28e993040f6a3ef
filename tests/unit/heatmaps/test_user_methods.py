"""Methods of the user's and of other libraries: what they get, and what is made of their answers."""

import random
import sys
import textwrap
import zlib
from collections.abc import Iterator
from pathlib import Path

import captum.attr
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.catalogue.methods import (
    DRAWN,
    METHODS,
    Negative,
    further_methods,
    get_method,
    in_order,
    user_method,
)
from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.heatmaps.class_batch import ClassBatch
from vebi.heatmaps.draw import Targets, merged_maps, signal_of
from vebi.heatmaps.maps import map_of_signal
from vebi.io.errors import VebiError
from vebi.network.layers import list_layers

declare_missing_ops()  # zennit imports torchvision

from zennit.attribution import Gradient  # noqa: E402
from zennit.composites import EpsilonPlusFlat, GuidedBackprop  # noqa: E402

SOURCE = """
import random
import numpy as np
import torch

def gradient(model, images, targets, scale=1.0):
    images.requires_grad_()
    return scale * torch.autograd.grad(model(images).gather(1, targets[:, None]).sum(), images)[0]

def brightness(model, images, targets):
    return images.mean(1).numpy()

def nan(model, images, targets):
    found = images.mean(1)
    found[1, 3, 4] = float("nan")
    return found

def infinite(model, images, targets):
    return images.mean(1) / 0

def one_row(model, images, targets):
    return images.mean((1, 2))

def half(model, images, targets):
    return images[:, :, ::2, ::2]

def text(model, images, targets):
    return "a map"

def fails(model, images, targets):
    raise RuntimeError("the disk is on fire")

def chance(model, images, targets):
    return torch.rand(len(images), 32, 32) + np.random.rand() + random.random()

def spoils(model, images, targets):
    for parameter in model.parameters():
        parameter.data.zero_()
    images.zero_()
    model.train()
    return torch.ones(len(images), 32, 32)

LIST = [1]
"""


@pytest.fixture
def code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The name of a module of the user's in the working directory."""
    mark = f"m{zlib.crc32(request.node.nodeid.encode())}"
    (tmp_path / f"{mark}.py").write_text(textwrap.dedent(SOURCE))
    monkeypatch.chdir(tmp_path)
    yield mark
    for name in [name for name in sys.modules if mark in name]:
        del sys.modules[name]


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 5, stride=2), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.ReLU(),
        nn.Conv2d(8, 8, 12), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    return net.eval()


def a_batch() -> ClassBatch:
    torch.manual_seed(1)
    net, images = small_net(), torch.randn(3, 3, 32, 32)
    return ClassBatch(net, images, list_layers(net, images), np.array([0, 3, 2]))


def signal(function: str, negative: Negative = "positive", name: str = "mine") -> Tensor:
    return signal_of(user_method(name, function, negative), a_batch())


def test_a_function_s_gradient_is_ours_by_each_rule(code: str) -> None:
    batch = a_batch()
    assert (batch.gradient < 0).any()
    for form in ("{}:gradient", "{}.py:gradient", "./{}.py:gradient"):
        torch.testing.assert_close(signal(form.format(code)), batch.gradient.clamp(min=0))
    absolute = signal(f"{code}:gradient(scale=-2)", "absolute")
    torch.testing.assert_close(absolute, 2 * batch.gradient.abs())
    with pytest.raises(VebiError, match=r"method 'mine' \(.*:gradient\) returned -.* no negative"):
        signal(f"{code}:gradient", "refuse")
    positive = signal(f"{code}:spoils", "refuse")
    assert positive.shape == (3, 1, 32, 32)


def test_arrays_without_channels_are_maps(code: str) -> None:
    found = signal(f"{code}:brightness")
    torch.testing.assert_close(found, a_batch().images.mean(1, keepdim=True).clamp(min=0))


@pytest.mark.parametrize(
    ("function", "says"),
    [
        ("nan", "returned NaN for image 1 of a batch of 3"),
        ("infinite", "returned an infinite value for image 0"),
        ("one_row", r"returned the shape \(3, 32\), expected \(3, 32, 32\) or \(N, C, H, W\)"),
        ("half", r"returned the shape \(3, 3, 16, 16\)"),
        ("text", "returned a str, a tensor"),
        ("fails", "failed: RuntimeError: the disk is on fire"),
        ("gradient(scales=2)", "failed: TypeError: .*scales"),
        ("absent", "has no 'absent'; it has .*gradient"),
        ("LIST", "is a list, a function of"),
    ],
)
def test_what_goes_wrong_is_said_with_the_method_s_name(
    code: str, function: str, says: str
) -> None:
    with pytest.raises(VebiError, match=rf"heatmap method 'mine' \({code}:.*{says}"):
        signal(f"{code}:{function}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nowhere_at_all:f", "can't be imported: No module named 'nowhere_at_all'"),
        ("absent.py:f", "there is no file"),
        ("captum:Salience", "captum.attr has no method 'Salience'. Did you mean Saliency"),
        ("captum:LayerGradCam(layer=conv9)", "the network has no layer 'conv9'; it has 0, 1, 2"),
        ("zennit:Nothing", "zennit.composites has no method 'Nothing'"),
        ("captum:Saliency(steps=3)", "failed: TypeError"),
    ],
)
def test_what_can_t_be_found_is_said(text: str, says: str) -> None:
    with pytest.raises(VebiError, match=rf"heatmap method 'mine' .*{says}"):
        signal(text)


@pytest.mark.parametrize(
    "text",
    [
        "explain",
        "my.py:",
        ":f",
        "a:b(1)",
        "a:b(x=open('y'))",
        "a:b(x=1)(y=2)",
        "a:b(**{'x': 1})",
        "a:b(x=1, x=2)",
        "a:b(x=1",
        "a:b) or f(x=1",
        "a:1b",
    ],
)
def test_other_forms_are_refused(text: str) -> None:
    with pytest.raises(VebiError, match="heatmap method"):
        user_method("mine", text)


def test_the_network_and_chance_outside_are_left_alone(code: str) -> None:
    batch = a_batch()
    before = [parameter.clone() for parameter in batch.model.parameters()]
    images = batch.images.clone()
    signal_of(user_method("mine", f"{code}:spoils"), batch)
    assert all(torch.equal(a, b) for a, b in zip(before, batch.model.parameters(), strict=True))
    assert torch.equal(images, batch.images)
    assert not batch.model.training

    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(1))  # noqa: NPY002

    def seed() -> None:
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        torch.manual_seed(5)

    seed()
    expected = draws()
    seed()
    first, second = signal(f"{code}:chance"), signal(f"{code}:chance")
    assert torch.equal(first, second)
    seed()
    signal(f"{code}:chance")
    # `a_batch` draws with a seed of its own.
    torch.manual_seed(5)
    assert draws() == expected


def upsampled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, (32, 32), mode="bilinear")


def test_captum_s_methods_are_captum_s() -> None:
    batch = a_batch()
    net, images, targets = small_net(), batch.images, batch.classes
    saliency = captum.attr.Saliency(net).attribute(images.clone(), target=targets)
    torch.testing.assert_close(signal("captum:Saliency"), saliency)
    signed = captum.attr.Saliency(net).attribute(images.clone(), target=targets, abs=False)
    torch.testing.assert_close(signal("captum:Saliency(abs=False)"), signed.clamp(min=0))
    integrated = captum.attr.IntegratedGradients(net, multiply_by_inputs=False)
    expected = integrated.attribute(images.clone(), target=targets, n_steps=5)
    ours = signal("captum:IntegratedGradients(n_steps=5, multiply_by_inputs=False)", "absolute")
    torch.testing.assert_close(ours, expected.abs())
    # The last convolution with more than one place is the one at 2; that at 4 has one.
    cam = captum.attr.LayerGradCam(net, net[2]).attribute(images.clone(), target=targets)
    assert cam.shape[2:] == (12, 12)
    torch.testing.assert_close(signal("captum:LayerGradCam"), upsampled(cam).clamp(min=0))
    windows = {"sliding_window_shapes": (1, 3, 3), "strides": (1, 2, 2)}
    occluded = captum.attr.Occlusion(net).attribute(images.clone(), target=targets, **windows)
    ours = signal("captum:Occlusion(sliding_window_shapes=[1, 3, 3], strides=[1, 2, 2])")
    torch.testing.assert_close(ours, occluded.clamp(min=0))
    first = captum.attr.LayerGradCam(net, net[0]).attribute(images.clone(), target=targets)
    ours = signal("captum:LayerGradCam(layer='0')", "absolute")
    torch.testing.assert_close(ours, upsampled(first).abs())


def test_deep_lift_goes_through_pooling_in_a_job() -> None:
    """Jobs ask for deterministic kernels; torch has none for what captum does there, and would refuse."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(4), nn.Flatten(), nn.Linear(294, 4)
    ).eval()
    images, classes = a_batch().images, np.array([0, 3, 2])
    method = user_method("mine", "captum:DeepLift")
    expected = captum.attr.DeepLift(net).attribute(images.clone(), target=torch.tensor(classes))
    torch.use_deterministic_algorithms(True)
    try:
        found = signal_of(method, ClassBatch(net, images, list_layers(net, images), classes))
        assert torch.are_deterministic_algorithms_enabled()
        assert not torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(found, expected.clamp(min=0))


def test_zennit_s_composites_are_zennit_s() -> None:
    batch = a_batch()
    for name, composite in (
        ("EpsilonPlusFlat", EpsilonPlusFlat()),
        ("EpsilonPlusFlat(epsilon=0.5)", EpsilonPlusFlat(epsilon=0.5)),
        ("GuidedBackprop", GuidedBackprop()),
    ):
        with Gradient(small_net(), composite) as attributor:
            images = batch.images.clone().requires_grad_()
            expected = attributor(images, torch.eye(4)[batch.classes])[1].detach()
        torch.testing.assert_close(signal(f"zennit:{name}"), expected.clamp(min=0))


def test_eigen_cam_is_pytorch_grad_cam_s() -> None:
    cams = pytest.importorskip("pytorch_grad_cam")
    batch, net = a_batch(), small_net()
    with cams.EigenCAM(model=net, target_layers=[net[2]]) as cam:
        maps = [cam(image, targets=None) for image in batch.images.split(1)]
    expected = torch.as_tensor(np.concatenate(maps)).unsqueeze(1)
    torch.testing.assert_close(signal("pytorch_grad_cam:EigenCAM"), expected.clamp(min=0))


def test_cams_by_gradients_are_pytorch_grad_cam_s_where_weights_are_fixed() -> None:
    """As those of a network that was loaded are."""
    cams = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    batch, net = a_batch(), small_net()
    for name in ("GradCAMPlusPlus", "LayerCAM"):
        with getattr(cams, name)(model=net, target_layers=[net[2]]) as cam:
            maps = [
                cam(image, targets=[ClassifierOutputTarget(int(label))])
                for image, label in zip(batch.images.split(1), batch.classes, strict=True)
            ]
        fixed = small_net().requires_grad_(False)
        layers = list_layers(fixed, batch.images)
        method = user_method("mine", f"pytorch_grad_cam:{name}")
        found = signal_of(method, ClassBatch(fixed, batch.images, layers, batch.classes))
        expected = torch.as_tensor(np.concatenate(maps)).unsqueeze(1)
        torch.testing.assert_close(found, expected.clamp(min=0))


def test_a_library_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_grad_cam", None)
    with pytest.raises(
        VebiError, match=r"'mine' .* needs pytorch_grad_cam, which can't be imported"
    ):
        signal("pytorch_grad_cam:EigenCAM")


def test_maps_are_made_as_those_of_built_in_methods(code: str) -> None:
    batch = a_batch()
    text = f"{code}:gradient"
    targets = Targets(np.asarray(batch.predictions), {})
    maps = merged_maps(batch.model, batch.images, batch.layers, targets, [text, "lrp"])
    assert list(maps) == [text, "lrp"]
    torch.testing.assert_close(maps[text], map_of_signal(batch.gradient))
    assert not maps[text].requires_grad


def test_the_catalogue_has_them_inside_the_block_alone() -> None:
    before = list(DRAWN), list(METHODS)
    mine = [user_method(name, "a:b", place=k) for k, name in enumerate(("x", "y"))]
    with further_methods(mine):
        assert in_order(["y", "random", "vebi", "x"]) == ["vebi", "random", "x", "y"]
        assert get_method("y") is mine[1]
        assert (DRAWN["x"].colour, DRAWN["x"].line) != (DRAWN["y"].colour, DRAWN["y"].line)
    assert (list(DRAWN), list(METHODS)) == before
    taken = further_methods([user_method("lrp", "a:b")])
    with pytest.raises(VebiError, match="'lrp' is one of the catalogue's own"), taken:
        pass
    with pytest.raises(VebiError, match="Unknown heatmap method 'x'"):
        get_method("x")
