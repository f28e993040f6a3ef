"""Selections and patches over the epochs of a training."""

import numpy as np
import pandas as pd
import pytest
import torch

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.models.model_file import save_model
from vebi.models.train import TrainingSettings, train
from vebi.perturbation.resample import Sampling
from vebi.statistics import clustered_proportion_interval, wilson_interval
from vebi.studies.perturbation.epochs import (
    PATCH_CHOICES,
    EpochSettings,
    _patch_rows,
    follow_epochs,
)


@pytest.fixture(scope="module")
def followed(tmp_path_factory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A red or a green bar somewhere at the left: whole images are easy to tell apart."""
    folder = tmp_path_factory.mktemp("epochs")
    rng = np.random.default_rng(0)
    images = rng.integers(0, 60, (60, 64, 64, 3), dtype=np.uint8)
    labels = np.arange(60) % 2
    for image, label in zip(images, labels, strict=True):
        row = rng.integers(2, 50)
        image[row : row + 12, 10:30, label] = 250
    write_dataset(
        folder / "d.h5", Images(images, labels, (np.arange(60) >= 40).astype(int), ["a", "b"])
    )
    dataset = open_dataset(folder / "d.h5")

    def keep(epoch, net, spec) -> None:
        if epoch in (1, 3):
            save_model(folder / f"{epoch}.pt", net, spec, ["a", "b"])

    settings = TrainingSettings(3, 8, "adam", 0.003, scale=64.0)
    train(dataset, "patch_cnn", settings, 0, torch.device("cpu"), after_epoch=keep)
    return follow_epochs(
        {epoch: folder / f"{epoch}.pt" for epoch in (1, 3)},
        dataset,
        Sampling(copies=6),
        EpochSettings(train_images=40, test_images=20, k=2, classifier_epochs=8),
        seed=0,
        key=(0, 0),
        device=torch.device("cpu"),
    )


def test_patches(followed) -> None:
    patches, _ = followed
    assert set(patches["epoch"]) == {1, 3}
    assert set(patches["metric"]) == {*PATCH_CHOICES, "whole_image", "network"}
    whole = patches[patches["metric"] == "whole_image"]["patch_accuracy"]
    assert (whole == whole.iloc[0]).all()
    assert whole.iloc[0] == 1
    reduced = patches[patches["metric"].isin(PATCH_CHOICES)]
    assert (reduced["patch_area"] > 0).all()
    assert (reduced["patch_area"] < 1).all()
    inside = (patches["patch_ci_low"] <= patches["patch_accuracy"]) & (
        patches["patch_accuracy"] <= patches["patch_ci_high"]
    )
    assert inside.all()
    assert (patches["n_patch_images"] == 20).all()


def test_similarity(followed) -> None:
    _, similarity = followed
    assert list(similarity["layer"].unique()) == ["relu1", "relu2", "relu3", "all"]
    assert (similarity["dice"] == 2 * similarity["published"]).all()
    dice, jaccard = similarity["dice"], similarity["jaccard"]
    np.testing.assert_allclose(jaccard, dice / (2 - dice))
    assert (similarity["n_images"] == 60).all()
    # Full sets of 2 of 16, 32 and 64 channels: 2 / 16 in common by chance, of 4.
    full = similarity[(similarity["layer"] == "relu1")]["published_null"]
    assert (full <= 2 * 2 / 16 / 4 + 1e-12).all()


def test_accuracies_on_patches_have_intervals_over_scenes() -> None:
    """Two scenes of three images: 3 of 3 and 1 of 3 right; images would look like independent ones."""
    right, scenes = np.array([1, 0, 1, 1, 0, 0], bool), np.array([5, 2, 5, 5, 2, 2])
    right[1] = True
    (row,) = _patch_rows({"correlation": (right, 0.25)}, 2, 7, scenes)
    low, high = clustered_proportion_interval(np.array([1, 3]), np.array([3, 3]))
    assert (row["patch_ci_low"], row["patch_ci_high"]) == (low, high)
    assert row["patch_accuracy"] == pytest.approx(4 / 6)
    assert (row["n_patch_images"], row["epoch"], row["patch_area"]) == (6, 7, 0.25)
    alone = wilson_interval(4, 6)
    assert low < alone[0]
    assert high > alone[1]
