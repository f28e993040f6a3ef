"""The whole study of a network whose right answers are known."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import nn

from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.tables import write_table
from vebi.perturbation.resample import Sampling
from vebi.report.places import TABLES
from vebi.statistics import judge_difference
from vebi.studies.perturbation.chosen_channels import choose_sets
from vebi.studies.perturbation.measure import CLAIMS, Selected, StudySettings, run_study
from vebi.studies.perturbation.metrics_file import read_metrics, write_metrics
from vebi.studies.perturbation.tables import tabulate

SETTINGS = StudySettings(images=8, reference=16, ks=(2, 1), repeats=2)


class OneThatCounts(nn.Module):
    """Twelve channels see one brightness, at different gains; the class depends on channel 0 alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 12, 1), nn.Linear(12, 2)
        with torch.no_grad():
            self.conv.weight.zero_()
            self.conv.bias.fill_(0.5)
            # Channel 0: brightness. 1: constant. The others: weak and fading.
            self.conv.weight[0, 0] = 0.01
            self.conv.bias[0] = 0.0
            self.head.weight.zero_()
            self.head.bias.zero_()
            self.head.weight[0, 0], self.head.bias[0] = 2.0, -2.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))


@pytest.fixture(scope="module")
def findings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    images = rng.integers(0, 40, (40, 6, 6, 1)).astype(np.uint8)
    images[labels == 0] += 180
    write_dataset(folder / "d.h5", Images(images, labels, np.ones(40, int), ["bright", "dark"]))
    names, channels = np.array(["conv", "relu", "relu"]), np.array([0, 0, 3])
    selected = Selected(np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.5]]), names, channels)
    samplings = [Sampling("additive_noise", 0.05, 10), Sampling("colour_jitter", 0.3, 10)]
    found = run_study(
        OneThatCounts(),
        open_dataset(folder / "d.h5"),
        selected,
        samplings,
        SETTINGS,
        seed=3,
        key=(3, 0),
    )
    return found, samplings, folder


def test_the_channel_that_counts_is_found(findings) -> None:
    found, _, _ = findings
    table = found.resampling.set_index(["perturbation", "layer", "metric", "k"]).sort_index()
    for perturbation in ("additive_noise", "colour_jitter"):
        drop = table.xs((perturbation, "all"))["score_drop_mean"]
        # All others are constant: no correlation, so the set is channel 0 for any k.
        assert drop["correlation", 2] == drop["correlation", 1]
        assert table.loc[(perturbation, "all", "correlation", 2), "n_removed"] == 1
        # The others have no weight in the head.
        assert drop["random", 2] == pytest.approx(0, abs=1e-6)
        assert drop["precision", 2] == pytest.approx(0, abs=1e-6)
    measured = found.measured["additive_noise"]
    bright = [n for n, label in enumerate(measured.predicted) if label == 0]
    assert bright
    for metrics in measured.metrics[1]:
        assert metrics.correlation[0] > 0
        assert (metrics.correlation[1:] == 0).all()
        assert (metrics.precision[1:] == np.inf).all()


def test_only_the_predicted_class_of_bright_images_needs_it(findings) -> None:
    found, _, folder = findings
    rows = found.resampling.set_index(["perturbation", "layer", "metric", "k"])
    row = rows.loc[("additive_noise", "relu", "correlation", 1)]
    # By hand: the softmax of both kinds of images before and after, over the eight images.
    dataset = open_dataset(folder / "d.h5")
    index = found.measured["additive_noise"].image_index
    brightness = dataset.read("images", index).reshape(8, -1).mean(1) * 0.01
    before = 1 / (1 + np.exp(-(2 * brightness - 2)))
    after = 1 / (1 + np.exp(2))
    predicted = found.measured["additive_noise"].predicted
    drop = np.where(predicted == 0, before - after, after - before)
    assert row["score_drop_mean"] == pytest.approx(drop.mean(), abs=1e-5)
    assert row["accuracy_drop"] == pytest.approx((predicted == 0).mean())
    assert row["ci_low"] <= row["score_drop_mean"] <= row["ci_high"]


def test_overlap_with_vebi(findings) -> None:
    found, _, _ = findings
    table = found.overlap.set_index(["perturbation", "layer", "first", "second", "k"])
    row = table.loc[("additive_noise", "relu", "correlation", "vebi", 2)]
    predicted = found.measured["additive_noise"].predicted
    assert row["common"] == pytest.approx((predicted == 0).mean())
    assert row["common_null"] == pytest.approx(1 / 12)
    # One of one hit among twelve has a chance of 1 / 12, which is no surprise at 5 %.
    assert row["share_beyond_chance"] == 0


def test_intervals_are_students_t_over_scenes(findings) -> None:
    """By hand, for the overlap with VEBI: eight images, each a scene of its own."""
    found, _, _ = findings
    table = found.overlap.set_index(["perturbation", "layer", "first", "second", "k"])
    row = table.loc[("additive_noise", "relu", "correlation", "vebi", 2)]
    common = (found.measured["additive_noise"].predicted == 0).astype(float)
    ends = stats.ttest_1samp(common, 0).confidence_interval()
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((ends.low, ends.high))


def test_random_controls_are_drawn_independently(findings) -> None:
    """Without dead channels `random_active` has the same candidates as `random`, and its own draw."""
    found, _, _ = findings
    measured = found.measured["additive_noise"]
    (index,) = measured.metrics
    active = [one.activation != 0 for one in measured.metrics[index]]
    assert np.all(active), "no channel is dead here"
    sets = {
        (choice, repeat): [s.tolist() for s in choose_sets(measured, choice, 2, repeat)[index]]
        for choice in ("random", "random_active")
        for repeat in (0, 1)
    }
    drawn = list(sets.values())
    assert all(a != b for i, a in enumerate(drawn) for b in drawn[:i])
    other = replace(measured, key=(3, 1))
    assert [s.tolist() for s in choose_sets(other, "random", 2, 0)[index]] != sets["random", 0]
    elsewhere = replace(measured, perturbation="colour_jitter")
    assert [s.tolist() for s in choose_sets(elsewhere, "random", 2, 0)[index]] != sets["random", 0]
    # The metrics' own choices draw nothing.
    assert all(
        np.array_equal(a, b)
        for a, b in zip(
            choose_sets(measured, "precision", 2)[index],
            choose_sets(other, "precision", 2, 1)[index],
            strict=True,
        )
    )


def test_claims(findings) -> None:
    found, _, _ = findings
    assert len(found.claims) == 2 * sum(len(references) for _, _, references in CLAIMS.values())
    claims = found.claims.set_index(["perturbation", "claim", "reference"])
    for row in claims.itertuples():
        assert row.verdict == judge_difference(row.ci_low, row.ci_high)


def test_tables_and_metrics_go_to_files(findings) -> None:
    found, samplings, folder = findings
    write_metrics(folder / "metrics.h5", found.measured, samplings)
    name, metrics = read_metrics(folder / "metrics.h5")
    assert name == "additive_noise"
    assert list(metrics) == ["relu"]
    assert metrics["relu"]["correlation"].shape == (8, 12)
    parts = {}
    for key in ("resampling", "transfer", "overlap", "claims"):
        path = folder / f"{key}.csv"
        getattr(found, key).to_csv(path, index=False)
        parts[key] = [path]
    patches = pd.DataFrame(
        {
            "perturbation": "additive_noise", "layer": "all", "metric": ["correlation", "network"],
            "k": 2, "epoch": [5, 1], "patch_accuracy": [0.9, 0.8], "patch_ci_low": 0.7,
            "patch_ci_high": 0.95, "patch_area": 0.5, "n_patch_images": 10,
        }
    )  # fmt: skip
    patches.to_csv(folder / "patches.csv", index=False)
    parts["patches"] = [folder / "patches.csv"]
    runs = [{"dataset": "d", "model": "m", "seed": 0}]
    tables = tabulate(runs=runs, epochs={"m": 5}, **parts)
    main = tables["resampling"]
    assert len(main) == len(found.resampling) + 1
    together = main[main["patch_accuracy"].notna() & main["score_drop_mean"].notna()]
    assert together["metric"].tolist() == ["correlation"]
    assert set(main["epoch"]) == {1, 5}
    assert (main["over"] == "scenes").all()
    for name, frame in tables.items():
        assert set(frame.columns) == set(TABLES[name].columns)
        write_table(folder / f"table_{name}.csv", frame, TABLES[name])
