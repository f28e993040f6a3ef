"""Channels removed image by image, against zeroing them by hand."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from vebi.models.nets import NetSpec, build, initialise
from vebi.network import list_layers
from vebi.network.passes import fast_layout
from vebi.studies.ablation.ablate import ablate_batch, as_ablation
from vebi.studies.perturbation.removal import scores_without


class Tangled(nn.Module):
    """Responses that later operations overwrite or need again; `by_hand` zeroes between the lines."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.a, self.b = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 5, 3, padding=1)
        self.norm, self.head = nn.BatchNorm2d(5), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.by_hand(x, None)

    def by_hand(self, x: Tensor, channels: dict[int, list[int]] | None) -> Tensor:
        count = iter(range(20))

        def cut(response: Tensor) -> Tensor:
            if channels is not None:
                response[:, channels.get(next(count), [])] = 0
            return response

        first = cut(self.a(x))
        y = cut(functional.relu(first, inplace=True))
        y = cut(self.norm(cut(self.b(y)))).mul_(2)
        y += first
        pooled, indices = functional.max_pool2d(cut(y.relu_()), 2, return_indices=True)
        pooled = cut(pooled)
        y = functional.max_unpool2d(pooled, indices, 2)
        return self.head(torch.cat([y, first], 1).mean((2, 3)))


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(
            st.dictionaries(st.integers(0, 5), st.lists(st.integers(0, 4)), max_size=3),
            min_size=3,
            max_size=3,
        ),
        max_size=4,
    )
)
def test_every_image_loses_its_own(conditions: list[list[dict[int, list[int]]]]) -> None:
    net = Tangled().eval()
    images = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    layers = list_layers(net, images)
    assert len(layers) == 6
    removals = []
    for condition in conditions:
        removal = {}
        for index in {i for per_image in condition for i in per_image}:
            mask = torch.zeros(3, 5, dtype=torch.bool)
            for n, per_image in enumerate(condition):
                mask[n, per_image.get(index, [])] = True
            removal[index] = mask
        removals.append(removal)
    whole, scores = scores_without(net, images, layers, removals)
    with torch.no_grad():
        torch.testing.assert_close(whole, net(fast_layout(images)), rtol=0, atol=0)
        for condition, ours in zip(conditions, scores, strict=True):
            for n, per_image in enumerate(condition):
                expected = net.by_hand(fast_layout(images[n : n + 1]), per_image)
                torch.testing.assert_close(ours[n : n + 1], expected, rtol=1e-5, atol=1e-6)


def test_agrees_with_the_ablation_of_whole_batches() -> None:
    net = build(NetSpec("matconvnet", (1, 28, 28), 10, 64.0))
    initialise(net, 0)
    images = torch.rand(4, 1, 28, 28) * 255
    layers = list_layers(net, images)
    conditions = [[(0, 3), (2, 7)], [(5, 1)], []]
    expected = ablate_batch(net, images, layers, [as_ablation(c, layers) for c in conditions])
    removals = []
    for condition in conditions:
        removal: dict[int, Tensor] = {}
        for index, channel in condition:
            empty = torch.zeros(4, layers[index].n_channels, dtype=torch.bool)
            removal.setdefault(index, empty)[:, channel] = True
        removals.append(removal)
    _, scores = scores_without(net, images, layers, removals)
    torch.testing.assert_close(scores, expected, rtol=0, atol=0)
