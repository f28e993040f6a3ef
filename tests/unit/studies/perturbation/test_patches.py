"""Patches of channels: bounding boxes of what a strongest position goes back to."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn

from vebi.heatmaps.signals import feature_signals, peaks
from vebi.network import list_layers
from vebi.studies.perturbation.patches import as_features, boxes, patches, reduce_images


@given(hnp.arrays(bool, (2, 5, 7)))
def test_boxes(maps: np.ndarray) -> None:
    found = boxes(torch.from_numpy(maps)).numpy()
    for one, box in zip(maps, found, strict=True):
        expected = np.zeros_like(one)
        if one.any():
            rows, columns = np.nonzero(one)
            expected[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = True
        assert np.array_equal(box, expected)


@given(hnp.arrays(np.float32, (3, 4, 5), elements=st.integers(-3, 3)))
def test_peaks(maps: np.ndarray) -> None:
    found = peaks(torch.from_numpy(maps)).numpy()
    for one, peak in zip(maps, found, strict=True):
        expected = np.zeros_like(one)
        expected.flat[one.argmax()] = one.max()
        assert np.array_equal(peak, expected)


def test_signal_of_a_peak_is_its_window() -> None:
    """One convolution: the filter's weights times the peak, at the peak's window."""
    net = nn.Sequential(nn.Conv2d(2, 3, 3, stride=2), nn.Flatten(), nn.Linear(3 * 4 * 5, 2))
    images = torch.rand(2, 2, 9, 11, generator=torch.Generator().manual_seed(0))
    layers = list_layers(net, images)
    features = np.array([[[0, 1]], [[0, 2]]])
    signals = feature_signals(net, images, layers, features, peak_only=True)
    masks = patches(net, images, layers, features)
    for n, channel in enumerate((1, 2)):
        response = net[0](images)[n, channel].detach()
        row, column = np.unravel_index(int(response.argmax()), response.shape)
        expected = torch.zeros(2, 9, 11)
        window = slice(2 * row, 2 * row + 3), slice(2 * column, 2 * column + 3)
        expected[:, window[0], window[1]] = net[0].weight[channel].detach() * response.max()
        torch.testing.assert_close(signals[n, 0], expected)
        box = np.zeros((9, 11), bool)
        box[window] = True
        assert np.array_equal(masks[n], box)


def test_union_over_channels_and_layers() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3), nn.ReLU()),
        *(nn.Flatten(), nn.LazyLinear(2)),
    )
    images = torch.rand(3, 1, 20, 20)
    net(images)
    layers = list_layers(net, images)
    sets = {1: [np.array([0, 2]), np.array([3]), np.array([], int)], 4: [np.array([1])] * 3}
    features = as_features(sets, 3, 2)
    assert features[:, :, 0].tolist() == [[1, 1, 4, -1], [1, -1, 4, -1], [-1, -1, 4, -1]]
    whole = patches(net, images, layers, features, batch_size=2)
    parts = [patches(net, images, layers, features[:, i : i + 1]) for i in range(4)]
    assert np.array_equal(whole, np.any(parts, 0))
    # Three pooled positions in a row see 3 x 2 positions of the first convolution, so 8 pixels.
    for mask in parts[2]:
        assert 1 <= mask.any(0).sum() <= 8


def test_reduced_images() -> None:
    images = np.full((1, 2, 2, 3), 9, np.uint8)
    masks = np.array([[[True, False], [False, True]]])
    reduced = reduce_images(images, masks, np.full((2, 2, 3), 99.6))
    assert reduced[0, :, :, 0].tolist() == [[9, 100], [100, 9]]
    assert reduced.dtype == np.uint8
