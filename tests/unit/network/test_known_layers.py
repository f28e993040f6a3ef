"""Layers listed once per network, and what counts as another network."""

import copy
import gc
import weakref

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vebi.network import known_layers as module
from vebi.network.known_layers import known_layers
from vebi.network.layers import list_layers


class Net(nn.Module):
    """A network with a function among its attributes, and a module that is used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 4, 3, padding=1)
        self.again = self.b
        self.act = functional.relu
        self.sizes = {"pool": [2, 2]}
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.again(self.act(self.b(self.act(self.a(x))))))
        return self.head(functional.avg_pool2d(x, self.sizes["pool"]).mean((2, 3)))


@pytest.fixture
def listings(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The networks whose layers were listed, one after the other."""
    found: list[nn.Module] = []

    def counted(model: nn.Module, example: Tensor) -> list:
        found.append(model)
        return list_layers(model, example)

    monkeypatch.setattr(module, "list_layers", counted)
    return found


IMAGE = torch.rand(1, 3, 8, 8)


def described(layers: list) -> list[tuple]:
    return [(x.name, x.kind, x.shape, x.window, x.position, x.overwritten) for x in layers]


def test_the_same_network_is_listed_once(listings: list[nn.Module]) -> None:
    net, other = Net(), Net()
    first = known_layers(net, IMAGE)
    with torch.no_grad():
        net.a.weight.add_(1)  # numbers don't say which operations run
    second = known_layers(net, torch.rand(1, 3, 8, 8))
    assert first == second
    assert described(first) == described(list_layers(net, IMAGE))
    first.clear()
    assert known_layers(net, IMAGE) == second
    assert len(listings) == 1
    known_layers(other, IMAGE)
    assert [id(one) for one in listings] == [id(net), id(other)]


CHANGES = {
    "stride": lambda net: setattr(net.a, "stride", (2, 2)),
    "padding": lambda net: setattr(net.b, "padding", (0, 0)),
    "function": lambda net: setattr(net, "act", functional.gelu),
    "module": lambda net: setattr(net, "a", nn.Sequential(net.a, nn.ReLU())),
    "width": lambda net: setattr(net, "head", nn.Linear(4, 5)),
    "order": lambda net: setattr(net, "again", copy.deepcopy(net.b)),
    "inside": lambda net: net.sizes["pool"].__setitem__(0, 4),
    "parameter": lambda net: setattr(net.b, "bias", None),
    "hook": lambda net: net.a.register_forward_hook(lambda m, i, o: o + 1),
    "mode": lambda net: net.b.train(not net.b.training),
    "forward": lambda net: setattr(net, "forward", lambda x: net.head(net.a(x).mean((2, 3)))),
    "format": lambda net: net.double(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_network_is_listed_again(change: str, listings: list[nn.Module]) -> None:
    net = Net().eval()
    known_layers(net, IMAGE)
    CHANGES[change](net)
    assert described(known_layers(net, IMAGE)) == described(list_layers(net, IMAGE))
    assert len(listings) == 2
    known_layers(net, IMAGE)
    assert len(listings) == 2


def test_a_class_with_another_forward_is_listed_again(
    listings: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    net = Net()
    known_layers(net, IMAGE)
    monkeypatch.setattr(Net, "forward", lambda self, x: self.head(self.a(x).mean((2, 3))))
    assert [layer.name for layer in known_layers(net, IMAGE)] == ["a"]


@pytest.mark.parametrize("image", [torch.rand(1, 3, 9, 8), IMAGE.double(), IMAGE[0]])
def test_another_kind_of_image_is_listed_again(image: Tensor, listings: list[nn.Module]) -> None:
    net = Net()
    known_layers(net, IMAGE)
    assert described(known_layers(net, image)) == described(list_layers(net, image))
    assert len(listings) == 2


def test_nothing_keeps_a_network_alive() -> None:
    net = Net()
    known_layers(net, IMAGE)
    gone = weakref.ref(net)
    del net
    gc.collect()
    assert gone() is None
