"""The networks of the papers, each built from a name, an input shape and a number of classes."""

import math
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vebi.errors import VebiError


class Normalise(nn.Module):
    """Raw pixels (0 to 255) minus the mean image, divided by `scale`.

    It is a network's own first module, so that explanations are gradients at the raw pixels and a
    saved model needs nothing beside it. `mean` has shape (C, H, W).
    """

    mean: Tensor

    def __init__(self, shape: tuple[int, int, int], scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", torch.zeros(shape))

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.scale


def matconvnet(shape: tuple[int, int, int], n_classes: int) -> list[tuple[str, nn.Module]]:
    """MatConvNet's MNIST example, the network of VEBI 4.1 and of the McGill report: (1, 28, 28) in."""
    return [
        ("conv1", nn.Conv2d(shape[0], 20, 5)),
        ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(20, 50, 5)),
        ("pool2", nn.MaxPool2d(2)),
        ("fc3", nn.Conv2d(50, 500, 4)),
        ("relu3", nn.ReLU()),
        ("fc4", nn.Conv2d(500, n_classes, 1)),
    ]


def an8flower_strided(shape: tuple[int, int, int], n_classes: int) -> list[tuple[str, nn.Module]]:
    """LeNet-like network for (3, 112, 112) images whose first convolution has stride 2.

    The stride is what makes the resampling of VEBI 3.3 matter in a convolution.
    """
    return [
        ("conv1", nn.Conv2d(shape[0], 32, 5, stride=2)),
        ("relu1", nn.ReLU()),
        ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(32, 64, 5)),
        ("relu2", nn.ReLU()),
        ("pool2", nn.MaxPool2d(2)),
        ("conv3", nn.Conv2d(64, 128, 3)),
        ("relu3", nn.ReLU()),
        ("fc4", nn.Conv2d(128, 128, 9)),
        ("relu4", nn.ReLU()),
        ("fc5", nn.Conv2d(128, n_classes, 1)),
    ]


def an8flower_inferred(shape: tuple[int, int, int], n_classes: int) -> list[tuple[str, nn.Module]]:
    """Our reading of the paper's an8Flower network: "similar to MNIST's", ten operations.

    A 10 x 10 first convolution and poolings of 5 with stride 3, all convolutions of stride 1; the
    tenth operation is the softmax, which the loss contains.
    """
    return [
        ("conv1", nn.Conv2d(shape[0], 20, 10)),
        ("pool1", nn.MaxPool2d(5, 3)),
        ("conv2", nn.Conv2d(20, 50, 5)),
        ("pool2", nn.MaxPool2d(5, 3)),
        ("conv3", nn.Conv2d(50, 100, 3)),
        ("pool3", nn.MaxPool2d(5, 3)),
        ("fc4", nn.Conv2d(100, 500, 1)),
        ("relu4", nn.ReLU()),
        ("fc5", nn.Conv2d(500, n_classes, 1)),
    ]


Layers = list[tuple[str, nn.Module]]

ARCHITECTURES: dict[str, Callable[[tuple[int, int, int], int], Layers]] = {
    "matconvnet": matconvnet,
    "an8flower_strided": an8flower_strided,
    "an8flower_inferred": an8flower_inferred,
}


@dataclass(frozen=True)
class NetSpec:
    """What is needed to build a network again: `input_shape` is (C, H, W)."""

    architecture: str
    input_shape: tuple[int, int, int]
    n_classes: int
    scale: float


def build(spec: NetSpec) -> nn.Sequential:
    """Build the network of `spec` on float images (N, C, H, W) of raw pixel values.

    The output is (N, n_classes), before softmax. Weights are PyTorch's defaults: see `initialise`.
    Raises VebiError if the images are too small for the architecture.
    """
    layers = ARCHITECTURES[spec.architecture](spec.input_shape, spec.n_classes)
    net = nn.Sequential(
        OrderedDict(
            [("input", Normalise(spec.input_shape, spec.scale)), *layers, ("flatten", nn.Flatten())]
        )
    )
    with torch.no_grad():
        try:
            n_outputs = net.eval()(torch.zeros(1, *spec.input_shape)).shape[1]
        except RuntimeError as error:
            raise VebiError(_size_message(spec, str(error).splitlines()[0])) from error
    if n_outputs != spec.n_classes:
        raise VebiError(_size_message(spec, f"it gives {n_outputs} outputs"))
    return net


def _size_message(spec: NetSpec, reason: str) -> str:
    return (
        f"Architecture '{spec.architecture}' does not fit images of shape {spec.input_shape} (C, H, W) "
        f"and {spec.n_classes} classes: {reason}. Choose another architecture or image size."
    )


def initialise(net: nn.Module, seed: int, std: float | None = None) -> None:
    """Draw every convolution and fully connected weight anew from `seed`; biases become zero.

    `std` gives normal weights of that standard deviation (MatConvNet's example: 0.01); None gives
    He et al. (2015), std = sqrt(2 / fan_in).
    """
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            scale = math.sqrt(2 / fan_in) if std is None else std
            with torch.no_grad():
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * scale)
                if module.bias is not None:
                    module.bias.zero_()
