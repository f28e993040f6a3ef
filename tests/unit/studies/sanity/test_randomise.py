"""Which layers are randomised, in which order, and what stays as it was."""

import copy
import importlib

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from vebi.compute.torchvision_ops import declare_missing_ops
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.studies.sanity.randomise import (
    cascade,
    one_by_one,
    redraw,
    thin_out,
    weighted_stages,
    with_random_labels,
)


class Branched(nn.Module):
    """Layers defined in another order than they run in, one used twice, one never, norms in between."""

    def __init__(self):
        super().__init__()
        self.scores = nn.Linear(6, 3)
        self.unused = nn.Linear(2, 2)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.twice = nn.Conv2d(4, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.hidden = nn.Linear(4, 6, bias=False)
        self.gain = nn.Parameter(torch.arange(6.0))

    def forward(self, images):
        x = self.twice(functional.relu(self.norm(self.first(images))))
        x = self.twice(x).mean((2, 3))
        return self.scores(self.hidden(x) * self.gain)


@pytest.fixture
def net():
    torch.manual_seed(0)
    net = Branched().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1)
        net.norm.running_mean.fill_(3.0)
    return net


EXAMPLE = torch.zeros(1, 3, 5, 5)
ORDER = ["first", "twice", "hidden", "scores"]


def changed(before, after):
    """Names of the parameters and statistics that differ."""
    pairs = zip(before.state_dict().items(), after.state_dict().values(), strict=True)
    return {name for (name, a), b in pairs if not torch.equal(a, b)}


def test_stages_are_the_weighted_layers_as_they_run(net):
    stages = dict(weighted_stages(net, EXAMPLE))
    assert list(stages) == ORDER
    # Normalisation belongs to the convolution before it, the network's own gain to the last layer.
    assert stages["first"] == ("first", "norm")
    assert stages["scores"] == ("scores", "")
    assert "unused" not in {name for modules in stages.values() for name in modules}


def test_the_cascade_goes_from_the_scores_down_and_changes_nothing_else(net):
    before = copy.deepcopy(net)
    parts = {
        "scores": {"scores.weight", "scores.bias", "gain"},
        "hidden": {"hidden.weight"},
        "twice": {"twice.weight", "twice.bias"},
        "first": {"first.weight", "first.bias", "norm.weight", "norm.bias", "norm.running_mean"},
    }
    expected, seen = set(), []
    for name, network in cascade(net, weighted_stages(net, EXAMPLE), [1]):
        expected |= parts[name]
        assert changed(before, network) == expected
        seen.append(name)
    assert seen == ORDER[::-1]
    assert not changed(before, net)
    for name, network in one_by_one(net, weighted_stages(net, EXAMPLE), [1]):
        assert changed(before, network) == parts[name]


def test_a_layers_new_weights_hang_on_the_key_and_its_place_only(net):
    stages = weighted_stages(net, EXAMPLE)
    whole = copy.deepcopy(list(cascade(net, stages, [1]))[-1][1])
    again = list(cascade(net, stages, [1], limit=2))[-1][1]
    other = list(cascade(net, stages, [2]))[-1][1]
    assert not changed(whole, again)
    assert "first.weight" in changed(whole, other)
    for name, network in one_by_one(net, stages, [1]):
        assert torch.equal(network.get_submodule(name).weight, whole.get_submodule(name).weight)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("resnet18", "conv1", "fc"), ("squeezenet1_1", "features.0", "classifier.1")],
)
def test_all_parameters_of_networks_with_branches_are_reached(name, first, last):
    declare_missing_ops()
    models = importlib.import_module("torchvision.models")
    network = getattr(models, name)(weights=None).eval()
    stages = weighted_stages(network, torch.rand(1, 3, 64, 64))
    assert (stages[0][0], stages[-1][0]) == (first, last)
    *_, (reached, randomised) = cascade(network, stages, [0], limit=2)
    assert reached == first
    trained, after = dict(network.named_parameters()), dict(randomised.named_parameters())
    # A normalisation that was never trained is the identity already.
    same = {key for key in trained if torch.equal(trained[key], after[key])}
    assert all(trained[key].ndim == 1 for key in same)
    assert randomised(torch.rand(1, 3, 64, 64) * 255).isfinite().all()


def test_new_weights_are_those_of_an_untrained_network():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(8, 64, 5, groups=2), nn.BatchNorm2d(64), nn.Linear(200, 100))
    with torch.no_grad():
        net[1].weight.fill_(7.0)
        net[1].running_var.fill_(9.0)
    redraw(net, ["0", "1", "2"], [3])
    for module, fan_in in ((net[0], 4 * 25), (net[2], 200)):
        assert module.weight.std().item() == pytest.approx(np.sqrt(2 / fan_in), rel=0.05)
        assert module.weight.mean().item() == pytest.approx(0, abs=0.01)
        assert not module.bias.any()
    images = torch.randn(2, 64, 3, 3)
    assert torch.allclose(net[1].eval()(images), images, atol=1e-4)


def test_entries_of_other_parameters_are_shuffled(net):
    before = sorted(net.gain.tolist())
    redraw(net, [""], [0])
    assert sorted(net.gain.tolist()) == before
    assert net.gain.tolist() != before


def test_a_network_without_weights_is_refused():
    with pytest.raises(VebiError, match="no convolution"):
        weighted_stages(nn.Sequential(nn.ReLU(), nn.Flatten()), EXAMPLE)


def test_thinning_keeps_both_ends():
    assert thin_out(5, None) == thin_out(5, 5) == thin_out(5, 9) == [0, 1, 2, 3, 4]
    assert thin_out(50, 2) == [0, 49]
    steps = thin_out(50, 12)
    assert len(steps) == 12
    assert steps[0] == 0
    assert steps[-1] == 49
    assert set(np.diff(steps)) <= {4, 5}


def test_random_labels_keep_test_images_and_class_counts(tmp_path):
    labels, split = np.arange(300) % 5, np.arange(300) % 3 // 2
    write_dataset(
        tmp_path / "d.h5", Images(np.zeros((300, 4, 4, 1), np.uint8), labels, split, "abcde")
    )
    dataset = open_dataset(tmp_path / "d.h5")
    noisy = with_random_labels(dataset, [1])
    train = split == 0
    assert np.array_equal(noisy.labels[~train], labels[~train])
    assert np.array_equal(np.bincount(noisy.labels[train]), np.bincount(labels[train]))
    # By chance a fifth of the labels is right still.
    assert (noisy.labels[train] == labels[train]).mean() == pytest.approx(0.2, abs=0.1)
    assert np.array_equal(with_random_labels(dataset, [1]).labels, noisy.labels)
    assert not np.array_equal(with_random_labels(dataset, [2]).labels, noisy.labels)
    fewer = with_random_labels(dataset, [1], 50)
    assert len(fewer.indices(0)) == 50
    assert np.array_equal(fewer.indices(1), dataset.indices(1))
    assert set(fewer.indices(0)) < set(dataset.indices(0))
