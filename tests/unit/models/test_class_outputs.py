"""Which outputs of a network the classes of a data set are."""

import csv
from pathlib import Path

import pytest
import torch
from torch import nn

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.io.errors import VebiError
from vebi.models import class_outputs
from vebi.models.class_outputs import find_outputs, keep_outputs, require_outputs
from vebi.models.factory import call_factory
from vebi.models.model_file import load_model, save_model
from vebi.models.train import ImageTask, TrainingSettings, given_network

WNIDS = ["n01440764", "n02102040", "n02979186", "n03000684", "n03888257"]
# Their places in ILSVRC'12, as every list of its classes has them.
PLACES = [0, 217, 482, 491, 701]
NAMES = ["tench", "English springer", "cassette player", "chain saw", "parachute"]


def table():
    path = Path(class_outputs.__file__).with_name("imagenet_classes.csv")
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_names_are_those_of_torchvision_s_weights():
    declare_missing_ops()
    from torchvision.datasets import Imagenette
    from torchvision.models import SqueezeNet1_1_Weights

    rows = table()
    expected = SqueezeNet1_1_Weights.IMAGENET1K_V1.meta["categories"]
    assert [row["name"] for row in rows] == expected
    wnids = [row["id"] for row in rows]
    # The outputs are in the order of the wnids: torchvision sorts the folders.
    assert wnids == sorted(set(wnids))
    for wnid, names in Imagenette._WNID_TO_CLASS.items():
        assert rows[wnids.index(wnid)]["name"] in names


@pytest.mark.parametrize(
    "classes",
    [
        WNIDS,
        NAMES,
        ["Tench", "english_springer", "cassette-player", "Chain Saw", "PARACHUTE"],
        [f"{wnid}-{name}" for wnid, name in zip(WNIDS, NAMES, strict=True)],
        ["n01440764", "English springer", "cassette_player", "n03000684", "parachute"],
    ],
    ids=["wnids", "names", "spelled", "both", "mixed"],
)
def test_classes_of_imagenet_are_found(classes):
    assert find_outputs([classes], 1000) == PLACES
    assert require_outputs([classes], 1000) == PLACES
    assert find_outputs([["?"] * 5, classes], 1000) == PLACES
    # Other networks' outputs have no names.
    assert find_outputs([classes], 1001) == [None] * 5


def test_every_output_is_found_by_its_wnid_and_by_its_name():
    rows = table()
    for key in ("id", "name"):
        assert find_outputs([[row[key] for row in rows]], 1000) == list(range(1000))


def test_a_name_of_two_outputs_is_nobody_s():
    # A dog is called Cardigan, a garment cardigan.
    places = {row["name"]: i for i, row in enumerate(table())}
    dog, garment = places["Cardigan"], places["cardigan"]
    found = find_outputs([["Cardigan", "cardigan", "CARDIGAN"]], 1000)
    assert found == [dog, garment, None]


def test_names_of_a_file_come_before_imagenet_s():
    known = [f"thing {i}" for i in range(1000)]
    known[5], known[7] = "tench, Tinca tinca", "carp"
    assert find_outputs([["tench", "thing 9", "Carp", "goldfish"]], 1000, [known]) == [
        5,
        9,
        7,
        None,
    ]
    # A file that names its outputs by wnid can be asked by name, too.
    wnids = [row["id"] for row in table()]
    assert find_outputs([NAMES], 1000, [wnids]) == PLACES
    assert find_outputs([["b", "a"]], 3, [["a", "b", "c"]]) == [1, 0]


@pytest.mark.parametrize(
    ("classes", "says"),
    [
        (["tench", "Chihuahuas"], "1,000 outputs, and none is known .*Chihuahuas.*'Chihuahua'"),
        ([f"kind {i}" for i in range(9)], "kind 0, .* and 4 more. Call classes"),
        (["tench", "n01440764"], "'tench' and 'n01440764' are both output 0"),
    ],
)
def test_classes_that_are_no_outputs_are_named(classes, says):
    with pytest.raises(VebiError, match=says):
        require_outputs([classes], 1000)


class WithAuxiliary(nn.Module):
    """Its head is neither the last module nor the only one with as many outputs."""

    def __init__(self, ends_in_softmax=False, functional=False):
        super().__init__()
        self.body = nn.Conv2d(3, 6, 3)
        self.head = nn.Linear(6, 12)
        self.auxiliary = nn.Linear(6, 12)
        self.ends_in_softmax, self.functional = ends_in_softmax, functional

    def forward(self, images):
        values = torch.relu(self.body(images)).mean((2, 3))
        if self.functional:
            return values @ self.head.weight.T
        scores = self.head(values)
        return scores.softmax(1) if self.ends_in_softmax else scores


def images():
    return torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("ends_in_softmax", "functional"), [(False, False), (True, False), (False, True)]
)
def test_kept_outputs_are_the_network_s_own(ends_in_softmax, functional):
    torch.manual_seed(0)
    net = WithAuxiliary(ends_in_softmax, functional).eval().requires_grad_(False)
    whole = net(images())
    state = net.state_dict()
    rows = [7, 0, 11]
    keep_outputs(net, rows, images()[:1])
    expected = whole[:, rows]
    if ends_in_softmax:
        expected = expected / expected.sum(1, keepdim=True)
    torch.testing.assert_close(net(images()), expected)
    assert net.head.out_features == 3
    assert not net.head.weight.requires_grad
    assert torch.equal(net.auxiliary.weight, state["auxiliary.weight"])


def test_a_head_of_convolution_is_cut_as_well():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 12, 3, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    whole = net(images())
    keep_outputs(net, [3, 1], images())
    torch.testing.assert_close(net(images()), whole[:, [3, 1]])


def test_outputs_that_no_layer_gives_are_left_as_they_are():
    torch.manual_seed(0)
    net = nn.Sequential(WithAuxiliary(), nn.Unflatten(1, (12, 1)), nn.Flatten(), nn.LayerNorm(12))
    before = {key: value.clone() for key, value in net.state_dict().items()}
    with pytest.raises(
        VebiError, match=r"12 outputs, and those of the 2 classes .*scores\[:, \[4, 2"
    ):
        keep_outputs(net, [4, 2], images())
    assert all(torch.equal(before[key], value) for key, value in net.state_dict().items())
    assert net[0].head.out_features == 12


FACTORY = """
import torch
from torch import nn

def make():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 1000)
    )
"""
TASK = ImageTask((16, 16, 3), tuple(NAMES), tuple(WNIDS))


def given(folder, task=TASK, weights=None):
    settings = TrainingSettings(0, 1, "sgd", 1.0, scale=None, weights=weights)
    return given_network(task, f"factory:{folder}/net.py:make", settings, 0)[:2]


@pytest.mark.parametrize("has_file", [False, True], ids=["as made", "weights from a file"])
def test_a_factory_s_thousand_outputs_become_the_classes(tmp_path, has_file):
    """Alone and from a file, which says nothing of the names; also after it was saved."""
    (tmp_path / "net.py").write_text(FACTORY)
    torch.manual_seed(5)
    whole = call_factory(f"{tmp_path}/net.py:make", {})
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    net, spec = given(tmp_path, weights=str(tmp_path / "w.pth") if has_file else None)
    assert spec.outputs == tuple(PLACES)
    scores = net(images())
    assert scores.shape == (4, 5)
    if has_file:
        torch.testing.assert_close(scores, whole(images())[:, PLACES])
    save_model(tmp_path / "m.pt", net, spec, NAMES)
    loaded, classes = load_model(tmp_path / "m.pt", factories=[f"{tmp_path}/net.py:make"])
    assert torch.equal(loaded(images()), scores)
    assert classes == NAMES


def test_classes_that_a_factory_s_network_lacks_are_named(tmp_path):
    (tmp_path / "net.py").write_text(FACTORY)
    with pytest.raises(VebiError, match="1,000 outputs, and none is known to stand for my cat"):
        given(tmp_path, ImageTask((16, 16, 3), ("tench", "my cat"), ("a", "b")))


def test_a_state_dict_of_imagenet_is_cut_to_the_classes(tmp_path):
    """torchvision's networks, which are made with as many outputs as there are classes."""
    declare_missing_ops()
    from torchvision.models import squeezenet1_1

    torch.manual_seed(0)
    whole = squeezenet1_1().eval()
    torch.save(whole.state_dict(), tmp_path / "w.pth")
    settings = TrainingSettings(0, 1, "sgd", 1.0, scale=None, weights=str(tmp_path / "w.pth"))
    task = ImageTask((64, 64, 3), tuple(NAMES), tuple(NAMES))
    net, _, _ = given_network(task, "torchvision:squeezenet1_1", settings, 0)
    some = 255 * torch.rand(2, 3, 64, 64)
    ready = net.get_submodule("input")(some)
    torch.testing.assert_close(net(some), whole(ready)[:, PLACES])
    lost = ImageTask((64, 64, 3), ("tench", "tenchs"), ("a", "b"))
    with pytest.raises(VebiError, match=r"1000 outputs, there are 2 classes.*tenchs.*'tench'"):
        given_network(lost, "torchvision:squeezenet1_1", settings, 0)
