"""Rankings of features: closed forms, twins in other libraries, and a network where cause is known."""

import numpy as np
import pytest
import torch
from captum.attr import LayerConductance
from torch import nn

from vebi.data.dataset import Dataset, Images, open_dataset, write_dataset
from vebi.models.nets import Normalise
from vebi.network.layers import list_layers
from vebi.studies.ablation.ablate import ablate, mean_class_accuracy
from vebi.studies.ablation.measure import draw_control
from vebi.studies.identifiability.predictive import rank_by_prediction
from vebi.studies.identifiability.rankings import (
    RANDOM,
    RANKINGS,
    matched,
    of_kind,
    over_classes,
)
from vebi.studies.identifiability.relevance import (
    LabelledBatch,
    conductance,
    lrp,
    rank_by_relevance,
    taylor,
)


def test_what_predicts_a_class_comes_first():
    rng = np.random.default_rng(3)
    labels = np.arange(300) % 3
    X = rng.random((300, 12))
    for label, column in enumerate((2, 5, 11)):
        X[:, column] += 2.0 * (labels == label)
    X[:, 0] = 0.5
    found = rank_by_prediction(X, labels, 3, 3)
    assert set(found) == {ranking.name for ranking in of_kind("predictive")}
    for name, values in found.items():
        assert values.shape == (3, 12)
        assert values.argmax(1).tolist() == [2, 5, 11], name
        best = np.argsort(-over_classes(values, RANKINGS[name]), kind="stable")[:3]
        assert set(best) == {2, 5, 11}, name


def test_a_weight_below_zero_counts_for_the_network_and_against_the_class():
    rng = np.random.default_rng(0)
    labels = (np.arange(200) % 4 == 0).astype(int)
    X = rng.random((200, 3))
    X[:, 1] -= 3.0 * labels
    found = rank_by_prediction(X, labels, 2, 2)
    for name in ("elastic_net", "logistic", "omp"):
        assert found[name][1].argmin() == 1
        assert found[name][1, 1] < 0
        assert over_classes(found[name], RANKINGS[name]).argmax() == 1


def test_one_class_alone_ranks_nothing():
    found = rank_by_prediction(np.random.default_rng(0).random((9, 4)), np.ones(9, int), 3, 2)
    for name, values in found.items():
        assert np.isnan(values).all()
        assert over_classes(values, RANKINGS[name]).tolist() == [-np.inf] * 4


def test_the_largest_class_decides_and_a_class_without_images_has_no_say():
    values = np.array([[-3.0, 1.0, -1.0], [2.0, -5.0, -2.0], [np.nan] * 3])
    assert over_classes(values, RANKINGS["taylor"]).tolist() == [2, 1, -1]
    assert over_classes(values, RANKINGS["logistic"]).tolist() == [3, 5, 2]


def test_matched_features_are_the_best_of_each_layer():
    features = np.array([[0, 0], [0, 1], [0, 2], [4, 0], [4, 1]])
    values = np.array([0.1, 0.9, 0.5, 0.2, 0.2])
    selected = np.array([[0, 0], [0, 2], [4, 1]])
    assert matched(values, features, selected).tolist() == [[0, 1], [0, 2], [4, 0]]
    assert matched(values, features, selected[:0]).shape == (0, 2)
    values[1] = np.nan
    assert matched(values, features, selected).tolist() == [[0, 0], [0, 2], [4, 0]]
    # Equal values go by the other order, and only they.
    then = np.array([0.0, 9.0, 0.0, 1.0, 2.0])
    assert matched(values, features, selected, then).tolist() == [[0, 0], [0, 2], [4, 1]]


def batch_of(net: nn.Module, images: torch.Tensor, classes: list[int], steps: int) -> LabelledBatch:
    return LabelledBatch(net, images, torch.tensor(classes), list_layers(net, images[:1]), steps)


def without(net: nn.Sequential, split: int, maps: torch.Tensor, channel: int) -> torch.Tensor:
    """Scores when a channel of the response of module `split` is zero."""
    changed = maps.clone()
    changed[:, channel] = 0
    return net[split + 1 :](changed)


def test_in_a_linear_network_all_agree_with_what_removal_costs():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(2, 5, 3, bias=False), nn.Flatten(), nn.Linear(5 * 16, 3, bias=False)
    ).eval()
    images, classes = torch.rand(4, 2, 6, 6), [0, 2, 1, 2]
    batch = batch_of(net, images, classes, steps=1)
    found = taylor(batch)[0]
    # Whatever the number of steps.
    assert conductance(batch)[0] == pytest.approx(found, rel=1e-5, abs=1e-6)
    more = conductance(batch_of(net, images, classes, steps=7))[0]
    assert more == pytest.approx(found, rel=1e-5, abs=1e-5)
    with torch.no_grad():
        scores = net(images)[range(4), classes]
        maps = net[0](images)
        for channel in range(5):
            left = without(net, 0, maps, channel)[range(4), classes]
            assert found[:, channel] == pytest.approx((scores - left).numpy(), rel=1e-4, abs=1e-6)
    # Relevance is the share of the score.
    shares = lrp(batch)[0]
    assert shares * scores.numpy()[:, None] == pytest.approx(found, rel=1e-3, abs=1e-5)


@pytest.fixture(scope="module")
def rectified() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 6, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 4, 3),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(4 * 9, 8),
        nn.ReLU(),
        nn.Linear(8, 3),
    ).eval()


def test_conductance_equals_captums_and_adds_up_to_the_score(rectified):
    images, classes = 3 * torch.randn(3, 1, 12, 12), [2, 0, 1]
    batch = batch_of(rectified, images, classes, steps=300)
    found = conductance(batch)
    assert [layer.name for layer in batch.layers] == ["0", "1", "2", "3", "4", "6", "7"]
    with torch.no_grad():
        gain = rectified(images) - rectified(torch.zeros_like(images))
    gained = gain[range(3), classes].numpy()
    for layer in batch.layers:
        # Every layer cuts the network: what its channels get is the whole.
        assert found[layer.index].sum(1) == pytest.approx(gained, abs=0.02)
        theirs = LayerConductance(rectified, rectified[int(layer.name)]).attribute(
            images, target=torch.tensor(classes), n_steps=300, internal_batch_size=None
        )
        summed = theirs.reshape(3, layer.n_channels, -1).sum(2).detach().numpy()
        assert np.abs(summed).max() > 0.1
        assert found[layer.index] == pytest.approx(summed, abs=0.02 * float(np.abs(summed).max()))


def test_conductance_starts_at_the_image_that_the_network_subtracts():
    class Shifted(nn.Module):
        def __init__(self, mean):
            super().__init__()
            self.normalise = Normalise(mean, 1.0)
            self.conv, self.fc = nn.Conv2d(1, 2, 3, bias=False), nn.Linear(2, 2, bias=False)

        def forward(self, x):
            return self.fc(self.conv(self.normalise(x)).amax((2, 3)))

    torch.manual_seed(0)
    mean = torch.full((1, 5, 5), 7.0)
    net = Shifted(mean).eval()
    found = conductance(batch_of(net, mean.expand(1, 1, 5, 5).clone(), [0], steps=4))
    assert found[0].tolist() == [[0, 0]]


def test_relevance_of_a_channel_by_hand():
    """Behind the last hidden layer each value gets its part of the score, the bias its own."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(3 * 9, 2)).eval()
    images, classes = torch.rand(2, 1, 4, 4), [0, 1]
    found = lrp(batch_of(net, images, classes, steps=1))
    with torch.no_grad():
        maps = net[1](net[0](images))
        scores = net(images)[range(2), classes]
        weights = net[3].weight[classes].reshape(2, 3, 3, 3)
        parts = (maps * weights).sum((2, 3)) / scores[:, None]
    # A ReLU passes relevance on as it is.
    for layer in (0, 1):
        assert found[layer] == pytest.approx(parts.numpy(), rel=1e-3, abs=1e-5)


class Decided(nn.Module):
    """Channels 0 and 1 decide, but are noisy; 2 and 3 tell the class cleanly and decide nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.flat = nn.Conv2d(1, 8, 4, bias=False), nn.Flatten()
        self.relu, self.fc = nn.ReLU(), nn.Linear(8, 2, bias=False)
        weight = torch.zeros(8, 1, 4, 4)
        weight[0, 0, 0], weight[1, 0, 1] = 1.0, 1.0
        weight[:2, 0, 3] = 0.2
        weight[2, 0, 0], weight[3, 0, 1] = 1.0, 1.0
        weight[4:, 0, 2] = torch.eye(4)
        self.conv.weight.data = weight
        self.fc.weight.data = torch.zeros(2, 8)
        self.fc.weight.data[0, 0] = self.fc.weight.data[1, 1] = 1.0

    def forward(self, x):
        return self.fc(self.flat(self.relu(self.conv(x))))


@pytest.fixture(scope="module")
def decided(tmp_path_factory) -> tuple[nn.Module, Dataset]:
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = rng.integers(0, 9, (80, 4, 4, 1), np.uint8)
    images[:, 3] = rng.integers(0, 250, (80, 1, 1), np.uint8)
    images[np.arange(80), labels] += 100
    path = tmp_path_factory.mktemp("decided") / "d.h5"
    write_dataset(path, Images(images, labels, np.repeat([0, 1], 40), ["a", "b"]))
    return Decided().eval().requires_grad_(False), open_dataset(path)


def test_what_predicts_a_class_need_not_cause_it(decided):
    """Relevance finds the two channels that decide, prediction a clean one, chance now and then one."""
    net, dataset = decided
    train, test = dataset.indices(0), dataset.indices(1)
    example = torch.zeros(1, 1, 4, 4)
    layers = [layer for layer in list_layers(net, example) if layer.kind == "relu"]
    layer = layers[0].index
    features = np.column_stack([np.full(8, layer), np.arange(8)])
    selected = features[:2]
    images = torch.from_numpy(dataset.images_at(train).transpose(0, 3, 1, 2)).float()
    X = net.relu(net.conv(images)).flatten(1).double().numpy()
    values = rank_by_prediction(X, dataset.labels[train], 2, 2)
    owed = rank_by_relevance(net, dataset, train, layers, batch_size=7, steps=3)
    values |= {name: of_layers[layer] for name, of_layers in owed.items()}
    chosen = {
        name: matched(over_classes(of, RANKINGS[name]), features, selected)
        for name, of in values.items()
    }
    for ranking in of_kind("relevance"):
        assert chosen[ranking.name][:, 1].tolist() == [0, 1], ranking.name
    for ranking in of_kind("predictive"):
        best = over_classes(values[ranking.name], ranking).argmax()
        assert best in (2, 3), ranking.name
        assert not {0, 1} & set(chosen[ranking.name][:, 1]), ranking.name
    drawn = [
        draw_control(RANDOM.name, selected, features, np.random.default_rng(seed))
        for seed in range(100)
    ]
    predicted = ablate(net, dataset, test, [features[:0], *chosen.values(), *drawn])
    accuracy = mean_class_accuracy(predicted, dataset.labels[test])
    left = dict(zip(chosen, accuracy[1:], strict=False))
    assert accuracy[0] == 1
    assert all(left[ranking.name] == 1 for ranking in of_kind("predictive"))
    assert all(left[ranking.name] == 0.5 for ranking in of_kind("relevance"))
    # Of the pairs of 8 channels, 13 of 28 have one of the two that decide, one has both.
    random = accuracy[1 + len(chosen) :]
    assert 0.5 < random.mean() < 1


def test_relevance_is_averaged_over_the_images_of_a_class(decided):
    net, dataset = decided
    rows = np.array([0, 2, 4, 3])
    images = torch.from_numpy(dataset.images_at(rows).transpose(0, 3, 1, 2)).float()
    batch = batch_of(net, images, [0, 0, 0, 1], steps=2)
    found = rank_by_relevance(net, dataset, rows, batch.layers, batch_size=3, steps=2)
    for name, of in (("taylor", taylor), ("lrp", lrp), ("conductance", conductance)):
        for index, values in of(batch).items():
            assert found[name][index][0] == pytest.approx(values[:3].mean(0), rel=1e-5)
            assert found[name][index][1] == pytest.approx(values[3], rel=1e-5)
    alone = rank_by_relevance(net, dataset, rows[:3], batch.layers, batch_size=3, steps=2)
    assert np.isnan(alone["lrp"][0][1]).all()


def test_a_layer_that_the_scores_do_not_depend_on_has_no_relevance(decided):
    class Aside(nn.Module):
        def __init__(self, net):
            super().__init__()
            self.net, self.aside, self.last = net, nn.Conv2d(1, 3, 3), nn.Conv2d(3, 1, 2)

        def forward(self, x):
            nothing = 0 * self.last(self.aside(x)).detach()
            return self.net(x) + nothing.sum((1, 2, 3))[:, None]

    net, dataset = decided
    aside = Aside(net).eval()
    example = torch.zeros(1, 1, 4, 4)
    layers = list_layers(aside, example)
    index = next(layer.index for layer in layers if layer.name == "aside")
    rows = dataset.indices(0)[:4]
    for name, values in rank_by_relevance(
        aside, dataset, rows, layers, batch_size=4, steps=2
    ).items():
        assert values[index].tolist() == [[0] * 3] * 2, name
