"""The features that correlation or precision under perturbation chooses to explain an image with."""

import numpy as np

from vebi.heatmaps.subject import Chosen, Subject
from vebi.perturbation.choose import top_channels
from vebi.perturbation.metrics import Metrics, channel_metrics
from vebi.perturbation.resample import (
    convolution_responses,
    mean_pixels,
    resample,
)


def features_by_metric(subject: Subject, k: int, metric: str) -> Chosen:
    """Up to k features of each image by `metric`, and its values: the first channels of every layer.

    The layers' best channels come first, from the last convolution back, then the second best, and so on:
    values of different layers do not compare, least of all precisions. Copies are made by
    `subject.sampling`, from `subject.seed` and the image's index; the output is the softmax of the
    image's class in `subject.predictions`.
    """
    measured = subject.memory.get("resampling")
    if measured is None:
        measured = subject.memory["resampling"] = _measure(subject)
    features = np.full((len(subject.images), k, 2), -1, np.int64)
    scores = np.zeros((len(subject.images), k))
    for n, by_layer in enumerate(measured):
        ranked = [
            (rank, -index, channel, float(values[channel]))
            for index, metrics in by_layer.items()
            for values in [getattr(metrics, metric)]
            for rank, channel in enumerate(top_channels(values, k).tolist())
        ]
        for slot, (_, index, channel, value) in enumerate(sorted(ranked)[:k]):
            features[n, slot] = -index, channel
            scores[n, slot] = value
    return features, scores


def _measure(subject: Subject) -> list[dict[int, Metrics]]:
    """Channel metrics of each image by layer index."""
    wanted = convolution_responses(subject.layers)
    measured = []
    rows = zip(subject.images, subject.image_index, subject.predictions, strict=True)
    for image, index, predicted in rows:
        mean = mean_pixels(subject.model, image)
        key = (subject.seed, int(index))
        found = resample(
            subject.model,
            image,
            subject.layers,
            wanted,
            mean=mean,
            sampling=subject.sampling,
            key=key,
            target=int(predicted),
        )
        measured.append({i: channel_metrics(moments) for i, moments in found.moments.items()})
    return measured
