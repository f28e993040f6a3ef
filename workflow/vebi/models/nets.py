"""The networks of the papers, each built from a name, an input shape and a number of classes."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from vebi.catalogue.architectures import ARCHITECTURES, FACTORY, TORCHVISION
from vebi.catalogue.record import resolve
from vebi.io.errors import VebiError
from vebi.models.class_outputs import keep_outputs, require_outputs
from vebi.models.factory import call_factory
from vebi.models.torchvision_nets import torchvision_network
from vebi.network.running import scores_in


class Normalise(nn.Module):
    """Raw pixels (0 to 255) minus the mean, divided by `scale`, one number or one per channel.

    It is a network's own first module, so that explanations are gradients at the raw pixels and a
    saved model needs nothing else. `mean` has shape (C, H, W), or (C, 1, 1) for a mean colour;
    three channels of it make three of a grey image.
    """

    mean: Tensor
    divisor: Tensor

    def __init__(self, mean: Tensor, scale: float | tuple[float, ...]) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mean", mean)
        if isinstance(scale, tuple):
            self.register_buffer("divisor", torch.tensor(scale)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        scale = self.divisor if isinstance(self.scale, tuple) else self.scale
        return (images - self.mean) / scale


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


def vgg_f(shape: tuple[int, int, int], n_classes: int) -> list[tuple[str, nn.Module]]:
    """VGG-F, the network CNN-F of Chatfield et al. (2014) as MatConvNet has it: (3, 224, 224) in.

    Dropout after fc6 and fc7 as in its training; the poolings' padding [0 1 0 1] is `ceil_mode`.
    """

    def lrn() -> nn.Module:
        # MatConvNet's parameters are [5 2 1e-4 0.75], and it does not divide alpha by 5 as torch does.
        return nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2)

    def pool() -> nn.Module:
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return [
        ("conv1", nn.Conv2d(shape[0], 64, 11, stride=4)),
        ("relu1", nn.ReLU()),
        ("norm1", lrn()),
        ("pool1", pool()),
        ("conv2", nn.Conv2d(64, 256, 5, padding=2)),
        ("relu2", nn.ReLU()),
        ("norm2", lrn()),
        ("pool2", pool()),
        ("conv3", nn.Conv2d(256, 256, 3, padding=1)),
        ("relu3", nn.ReLU()),
        ("conv4", nn.Conv2d(256, 256, 3, padding=1)),
        ("relu4", nn.ReLU()),
        ("conv5", nn.Conv2d(256, 256, 3, padding=1)),
        ("relu5", nn.ReLU()),
        ("pool5", pool()),
        ("fc6", nn.Conv2d(256, 4096, 6)),
        ("relu6", nn.ReLU()),
        ("drop6", nn.Dropout(0.5)),
        ("fc7", nn.Conv2d(4096, 4096, 1)),
        ("relu7", nn.ReLU()),
        ("drop7", nn.Dropout(0.5)),
        ("fc8", nn.Conv2d(4096, n_classes, 1)),
    ]


def vgg_gap(shape: tuple[int, int, int], n_classes: int) -> list[tuple[str, nn.Module]]:
    """A small VGG with global average pooling, for images of any size from 16 on.

    As the network of Lengerich et al. (2017): blocks of 3 x 3 convolutions, pooling between but not after
    them, the mean of each map, and one layer of weights. Theirs has VGG-16's thirteen convolutions.
    """
    layers: list[tuple[str, nn.Module]] = []
    channels = shape[0]
    for block, width in enumerate((32, 64, 128), start=1):
        if block > 1:
            layers.append((f"pool{block - 1}", nn.MaxPool2d(2)))
        for number in (1, 2):
            layers.append((f"conv{block}_{number}", nn.Conv2d(channels, width, 3, padding=1)))
            layers.append((f"relu{block}_{number}", nn.ReLU()))
            channels = width
    return [*layers, ("gap", nn.AdaptiveAvgPool2d(1)), ("fc", nn.Conv2d(channels, n_classes, 1))]


def patch_cnn(shape: tuple[int, int, int], n_classes: int) -> list[tuple[str, nn.Module]]:
    """Classifier of reduced images in the study of input resampling, for any size from 16 on."""
    return [
        ("conv1", nn.Conv2d(shape[0], 16, 5, stride=2, padding=2)),
        ("relu1", nn.ReLU()),
        ("pool1", nn.MaxPool2d(2)),
        ("conv2", nn.Conv2d(16, 32, 3, padding=1)),
        ("relu2", nn.ReLU()),
        ("pool2", nn.MaxPool2d(2)),
        ("conv3", nn.Conv2d(32, 64, 3, padding=1)),
        ("relu3", nn.ReLU()),
        ("gap", nn.AdaptiveAvgPool2d(1)),
        ("fc4", nn.Conv2d(64, n_classes, 1)),
    ]


def keras(
    shape: tuple[int, int, int], n_classes: int, width: int = 128, dropout: float = 0.5
) -> list[tuple[str, nn.Module]]:
    """The McGill report's Keras network for MNIST: 13,454,602 parameters at width 128.

    Five 3 x 3 convolutions of `width` filters that keep the map's size, two fully connected layers of
    128; `dropout` before the last layer, 0 for the network without.
    """
    layers: list[tuple[str, nn.Module]] = []
    channels = shape[0]
    for number in range(1, 6):
        layers.append((f"conv{number}", nn.Conv2d(channels, width, 3, padding=1)))
        layers.append((f"relu{number}", nn.ReLU()))
        channels = width
    return [
        *layers,
        ("maps", nn.Flatten()),
        ("fc6", nn.Linear(width * shape[1] * shape[2], 128)),
        ("relu6", nn.ReLU()),
        ("fc7", nn.Linear(128, 128)),
        ("relu7", nn.ReLU()),
        ("drop7", nn.Dropout(dropout)),
        ("fc8", nn.Linear(128, n_classes)),
    ]


@dataclass(frozen=True)
class NetSpec:
    """What is needed to build a network again.

    `architecture`: a name of ARCHITECTURES, `torchvision:NAME`, or `factory:MODULE:FUNCTION` (a
    user's own). `input_shape` (C, H, W); `scale` as in Normalise; `mean` colour of raw pixels, None:
    a mean image that comes with the weights, and for a factory no subtraction; `kwargs` plain values
    for the function that makes the layers; `outputs`: of a factory's network with more outputs than
    classes, those that stand for the classes.
    """

    architecture: str
    input_shape: tuple[int, int, int]
    n_classes: int
    scale: float | tuple[float, ...]
    mean: tuple[float, ...] | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)
    outputs: tuple[int, ...] = ()

    @property
    def is_own(self) -> bool:
        """Whether it is one of ARCHITECTURES, with a module `input` among its layers."""
        return not self.architecture.startswith((TORCHVISION, FACTORY))

    @property
    def body(self) -> str:
        """Name of the submodule that has the weights; "" where the network is it."""
        raw = self.mean is None and self.scale == 1
        return "" if self.is_own or raw else "net"


def build(spec: NetSpec, seed: int = 0) -> nn.Module:
    """Build the network of `spec` on float images (N, C, H, W) of raw pixel values.

    The output is (N, n_classes), before softmax. Weights are the ones that its authors start from,
    drawn from `seed`; see `initialise` for others.

    Raises:
        VebiError: it does not fit the images or the classes.
    """
    net, n_outputs = _tried(spec, seed)
    if spec.outputs:
        if max(spec.outputs) >= n_outputs:
            raise VebiError(_size_message(spec, f"it gives {n_outputs} outputs"))
        keep_outputs(net, spec.outputs, torch.zeros(1, *spec.input_shape))
        n_outputs = len(spec.outputs)
    if n_outputs != spec.n_classes:
        raise VebiError(_size_message(spec, f"it gives {n_outputs} outputs"))
    return net


def build_for_classes(
    spec: NetSpec, namings: Sequence[Sequence[str]], seed: int = 0
) -> tuple[nn.Module, NetSpec]:
    """The same, and the specification with the outputs that stand for the classes.

    A user's network with more outputs than there are classes is left those that the classes name, as
    in `require_outputs`; `namings` are the classes, in all the ways that their data set calls them.
    """
    if not spec.architecture.startswith(FACTORY):
        return build(spec, seed), spec
    net, n_outputs = _tried(spec, seed)
    if n_outputs < spec.n_classes:
        raise VebiError(_size_message(spec, f"it gives {n_outputs} outputs"))
    if n_outputs > spec.n_classes:
        outputs = require_outputs(namings, n_outputs)
        spec = replace(spec, outputs=tuple(outputs))
        keep_outputs(net, outputs, torch.zeros(1, *spec.input_shape))
    return net, spec


def _tried(spec: NetSpec, seed: int) -> tuple[nn.Module, int]:
    """The network, tried on an image without content, and the number of its outputs."""
    # Torchvision and users draw from torch's own generator: it is given back as it was.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        net = assemble(spec)
    with torch.no_grad():
        try:
            scores = scores_in(net.eval()(torch.zeros(1, *spec.input_shape)))
        except Exception as error:  # whatever a user's own code raises
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise VebiError(_size_message(spec, reason)) from error
    if not isinstance(scores, Tensor) or scores.ndim != 2:
        form = tuple(scores.shape) if isinstance(scores, Tensor) else type(scores).__name__
        raise VebiError(_size_message(spec, f"it returns {form} instead of scores (N, classes)"))
    return net, scores.shape[1]


def assemble(spec: NetSpec) -> nn.Module:
    """The modules of `spec`, with weights drawn from torch's own generator; not tried on an image."""
    if spec.mean is None:
        mean = torch.zeros(spec.input_shape if spec.is_own else (1, 1, 1))
    else:
        mean = torch.tensor(spec.mean)[:, None, None]
    first = Normalise(mean, spec.scale)
    if spec.is_own:
        if spec.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise VebiError(
                f"Architecture '{spec.architecture}' is unknown here; known: {known}, "
                f"{TORCHVISION}NAME, {FACTORY}MODULE:FUNCTION."
            )
        make = resolve(ARCHITECTURES[spec.architecture].function)
        layers = make(spec.input_shape, spec.n_classes, **spec.kwargs)
        return nn.Sequential(OrderedDict([("input", first), *layers, ("flatten", nn.Flatten())]))
    if spec.architecture.startswith(TORCHVISION):
        name = spec.architecture.removeprefix(TORCHVISION)
        body = torchvision_network(name, spec.n_classes, spec.kwargs)
    else:
        body = call_factory(spec.architecture.removeprefix(FACTORY), spec.kwargs)
    return nn.Sequential(OrderedDict([("input", first), ("net", body)])) if spec.body else body


def _size_message(spec: NetSpec, reason: str) -> str:
    return (
        f"Architecture '{spec.architecture}' does not fit images of shape {spec.input_shape} (C, H, W) "
        f"and {spec.n_classes} classes: {reason}. Choose another architecture or image size."
    )


def initialise(net: nn.Module, seed: int, std: float | None = None, glorot: bool = False) -> None:
    """Draw every convolution and fully connected weight again, from `seed`; biases become zero.

    `std` gives normal weights of that standard deviation (MatConvNet's example: 0.01); None gives
    He et al. (2015), std = sqrt(2 / fan_in), or, with `glorot`, Keras' uniform weights between plus and
    minus sqrt(6 / (fan_in + fan_out)).
    """
    generator = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            fan_in = module.weight[0].numel()
            fan_out = module.weight[:, 0].numel()
            with torch.no_grad():
                if glorot and std is None:
                    draw = 2 * torch.rand(module.weight.shape, generator=generator) - 1
                    scale = math.sqrt(6 / (fan_in + fan_out))
                else:
                    draw = torch.randn(module.weight.shape, generator=generator)
                    scale = math.sqrt(2 / fan_in) if std is None else std
                module.weight.copy_(draw * scale)
                if module.bias is not None:
                    module.bias.zero_()
