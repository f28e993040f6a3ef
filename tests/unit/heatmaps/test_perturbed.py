"""Heatmaps of the features that correlation and precision choose."""

from dataclasses import replace

import numpy as np
import torch

from vebi.heatmaps.draw import choose_targets, merged_maps
from vebi.heatmaps.methods import resampling_correlation
from vebi.heatmaps.subject import Subject
from vebi.models.nets import NetSpec, build, initialise
from vebi.network import list_layers
from vebi.perturbation.metrics import channel_metrics
from vebi.perturbation.resample import Sampling, convolution_responses, mean_pixels, resample

METHODS = ["resampling_correlation", "resampling_precision"]


def subject() -> Subject:
    net = build(NetSpec("patch_cnn", (3, 32, 32), 4, 64.0)).requires_grad_(False)
    initialise(net, 3)
    net.get_buffer("input.mean").fill_(120.0)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 255
    layers = list_layers(net, images)
    return Subject(net, images, layers, np.array([1, 3]), np.array([5, 9]), seed=7)


def test_rounds_over_the_layers_from_the_last() -> None:
    one = subject()
    features, scores = resampling_correlation.choose(one, 5)
    wanted = convolution_responses(one.layers)
    for n, index in enumerate((5, 9)):
        found = resample(
            one.model,
            one.images[n],
            one.layers,
            wanted,
            mean=mean_pixels(one.model, one.images[n]),
            sampling=Sampling(),
            key=(7, index),
            target=int(one.predictions[n]),
        )
        best = {
            layer.index: np.argsort(
                -channel_metrics(found.moments[layer.index]).correlation, kind="stable"
            )
            for layer in wanted
        }
        last_first = [layer.index for layer in wanted][::-1]
        expected = [(i, best[i][0]) for i in last_first] + [(i, best[i][1]) for i in last_first[:2]]
        assert features[n].tolist() == [list(pair) for pair in expected]
        values = [channel_metrics(found.moments[i]).correlation[c] for i, c in expected]
        np.testing.assert_allclose(scores[n], values)


def test_they_are_drawn_like_any_feature() -> None:
    one = subject()
    targets = choose_targets(one, METHODS, 3)
    maps = merged_maps(one.model, one.images, one.layers, targets, METHODS)
    for name in METHODS:
        assert maps[name].shape == (2, 32, 32)
        assert float(maps[name].min()) >= 0
        assert float(maps[name].max()) == 1


def test_the_configured_perturbation_chooses_the_features() -> None:
    """`resampling.perturbations[0]` and `copies`: the first one, and as many copies as configured."""
    configured = {
        "perturbations": [
            {"name": "boxes_random", "strength": 0.4},
            {"name": "additive_noise", "strength": 0.2},
        ],
        "copies": 9,
        "batch_size": 4,
    }
    sampling = Sampling.first_of(configured)
    assert sampling == Sampling("boxes_random", 0.4, 9, 4)
    assert Sampling.first_of({}) == Sampling() == Sampling("multiplicative_noise", 0.1, 50, 25)
    one = replace(subject(), sampling=sampling, memory={})
    features, scores = resampling_correlation.choose(one, 5)
    wanted = convolution_responses(one.layers)
    found = resample(
        one.model,
        one.images[0],
        one.layers,
        wanted,
        mean=mean_pixels(one.model, one.images[0]),
        sampling=sampling,
        key=(7, 5),
        target=int(one.predictions[0]),
    )
    last = wanted[-1].index
    values = channel_metrics(found.moments[last]).correlation
    assert features[0, 0].tolist() == [last, int(values.argmax())]
    assert scores[0, 0] == values.max()
    assert not np.array_equal(scores, resampling_correlation.choose(subject(), 5)[1])
