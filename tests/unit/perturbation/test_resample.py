"""A network over the copies of an image, against the same with everything kept."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import list_layers, responses
from vebi.perturbation.metrics import channel_metrics
from vebi.perturbation.perturbations import PERTURBATIONS, perturb
from vebi.perturbation.resample import (
    Sampling,
    convolution_responses,
    mean_pixels,
    resample,
)


class Tangled(nn.Module):
    """Functional and in-place operations, and one that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.a, self.b = nn.Conv2d(3, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(6, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(self.a(x / 50), inplace=True)
        x = functional.max_pool2d(functional.relu_(self.norm(self.b(x))), 2)
        return self.head(self.b(x).mean((2, 3)))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_equals_everything_kept(name: str) -> None:
    net = Tangled().eval().requires_grad_(False)
    image = torch.rand(3, 12, 12, generator=torch.Generator().manual_seed(1)) * 255
    layers = list_layers(net, image)
    mean = mean_pixels(net, image)
    assert mean == pytest.approx(image.mean((1, 2)).numpy()[:, None, None])
    sampling = Sampling(name, 0.3, 13, 4)
    found = resample(net, image, layers, layers, mean=mean, sampling=sampling, key=(7,))

    copies = torch.from_numpy(
        np.concatenate(list(perturb(image.numpy(), mean, name, 13, 0.3, key=(7,))))
    )
    clean = torch.softmax(net(image[None]).double(), 1)[0]
    assert found.predicted == int(clean.argmax())
    np.testing.assert_allclose(found.scores, clean, atol=1e-6)
    logits, kept = responses(net, copies, layers)
    output = torch.softmax(logits.double(), 1)[:, found.predicted].numpy()
    for layer, response in zip(layers, kept, strict=True):
        full = response.double().numpy()
        metrics = channel_metrics(found.moments[layer.index])
        # Activations differ in the last bits between batch sizes, so constant ones come in question.
        for channel in range(layer.n_channels):
            columns = full[:, channel].reshape(len(full), -1).T
            moving = [c for c in columns if c.std() > 1e-6]
            if len(moving) < len(columns):
                continue
            sizes = [abs(np.corrcoef(c, output)[0, 1]) for c in moving]
            assert metrics.correlation[channel] == pytest.approx(np.mean(sizes), abs=1e-3)
            if columns.mean() > 0.11:
                variance = columns.var(1).mean()
                assert metrics.precision[channel] == pytest.approx(1 / variance, rel=1e-3)


def test_convolutions_answer_after_their_relu() -> None:
    net = build(NetSpec("an8flower_strided", (3, 112, 112), 6, 64.0))
    layers = list_layers(net, torch.zeros(3, 112, 112))
    assert [layer.name for layer in convolution_responses(layers)] == ["relu1", "relu2", "relu3"]
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    layers = list_layers(net, torch.zeros(1, 28, 28))
    assert [layer.name for layer in convolution_responses(layers)] == ["conv1", "conv2"]
    layers = list_layers(Tangled(), torch.zeros(3, 12, 12))
    assert [layer.name for layer in convolution_responses(layers)] == ["relu", "relu#2", "b#2"]


def test_mean_image_of_the_projects_networks() -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    initialise(net, 0)
    net.get_buffer("input.mean").copy_(torch.full((1, 28, 28), 33.0))
    assert np.array_equal(mean_pixels(net, torch.zeros(1, 28, 28)), np.full((1, 28, 28), 33.0))


@pytest.mark.filterwarnings("ignore:overflow")
def test_outputs_that_are_not_finite() -> None:
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    image = torch.rand(1, 4, 4)
    layers = list_layers(net, image)
    with pytest.raises(VebiError, match="not finite"):
        resample(
            net,
            image,
            layers,
            layers,
            mean=np.zeros(1),
            sampling=Sampling(strength=1e38),
            key=(0,),
        )
