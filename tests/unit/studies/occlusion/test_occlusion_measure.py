"""Confidence under occlusion: a linear network whose answer is known, and the files and tables."""

from dataclasses import replace
from itertools import pairwise

import h5py
import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from vebi.config.occlusion import OcclusionConfig
from vebi.data.dataset import Images, open_dataset, write_dataset
from vebi.io.errors import VebiError
from vebi.network.layers import list_layers
from vebi.studies.occlusion.measure import mean_fill, measure, occluded_confidence
from vebi.studies.occlusion.occlusion_file import CONTROL, Occlusion, read_occlusion
from vebi.studies.occlusion.tables import curve_table, paired_table, tabulate

SIZE, N = 12, 40


def settings(**changes):
    values = {
        "images": 10,
        "draws": 3,
        "steps": 3,
        "max_fraction": 0.3,
        "box": 1 / 12,
        "fill": "mean_image",
        "batch_size": 7,
    }
    return OcclusionConfig(**{**values, **changes})


class Corner(nn.Module):
    """Class 0's score is the mean of the upper left quarter over 16, class 1's is 1."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(SIZE * SIZE, 2)
        weight = torch.zeros(2, SIZE, SIZE)
        weight[0, :6, :6] = 1 / 36 / 16
        with torch.no_grad():
            self.linear.weight.copy_(weight.flatten(1))
            self.linear.bias.copy_(torch.tensor([0.0, 1.0]))

    def forward(self, images):
        return self.linear(images.flatten(1))


@pytest.fixture
def data(tmp_path):
    """Training images of grey 16; test images whose upper left quarter is 64, else random."""
    rng = np.random.default_rng(0)
    split = np.arange(N) % 2
    images = rng.integers(0, 256, (N, SIZE, SIZE, 1), dtype=np.uint8)
    images[:, :6, :6] = 64
    images[split == 0] = 16
    labels = (np.arange(N) // 2) % 2
    write_dataset(tmp_path / "d.h5", Images(images, labels, split, ["a", "b"]))
    index = np.flatnonzero(split)
    maps = {"good": np.zeros((len(index), SIZE, SIZE)), "empty": np.zeros((len(index), SIZE, SIZE))}
    maps["good"][:, :6, :6] = 1
    for name, values in maps.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file["heatmaps"], file["image_index"] = values.astype(np.float32), index
    paths = {name: tmp_path / f"{name}.h5" for name in maps}
    return open_dataset(tmp_path / "d.h5"), paths, tmp_path / "occlusion.h5"


def expected_confidence(covered_in_quarter):
    score = ((36 - covered_in_quarter) * 64 + covered_in_quarter * 16) / 36 / 16
    return 1 / (1 + np.exp(1 - score))


def test_a_linear_network_loses_what_is_covered(data):
    dataset, paths, out = data
    measure(Corner(), dataset, paths, out, settings(box=1 / 12), seed=0)
    items, fractions = read_occlusion(out)
    assert fractions == pytest.approx([0, 0.1, 0.2, 0.3])
    assert set(items) == {"good", "empty", CONTROL}
    # Boxes of one pixel: the quarter's 36 pixels are covered first, then others.
    counts = np.rint(fractions * SIZE * SIZE)
    for step, count in enumerate(counts):
        assert items["good"].confidence[:, :, step] == pytest.approx(
            expected_confidence(min(count, 36)), abs=1e-6
        )
    # Of the map's own 36 pixels 10 %, 20 % and 30 % are covered: 4, 7 and 11 of 144.
    for step, count in enumerate([0, 4, 7, 11]):
        assert items["good"].relevant[:, :, step] == pytest.approx(
            expected_confidence(count), abs=1e-6
        )
        assert items["good"].relevant_area[:, step] == pytest.approx(count / 144)
    assert np.isnan(items["empty"].relevant).all()
    # For a map that is the same everywhere its positive part is the image.
    assert np.array_equal(items[CONTROL].relevant, items[CONTROL].confidence)
    # An empty map and the control draw uniformly, from the same random numbers.
    assert np.array_equal(items["empty"].confidence, items[CONTROL].confidence)
    mean = items[CONTROL].confidence[:, :, -1].mean()
    assert expected_confidence(13) < mean < expected_confidence(8)


def test_the_explained_class_is_the_predicted_one_and_stays_so(data):
    dataset, paths, out = data
    model = Corner()
    with torch.no_grad():
        model.linear.bias[1] = 3.0  # score of class 0 is 4 uncovered, below 3 once 12 are covered
    whole = settings(steps=1, max_fraction=0.25, relevant=False)
    measure(model, dataset, paths, out, whole, seed=0)
    found = read_occlusion(out)[0]["good"]
    assert found.relevant is None
    confidence = found.confidence
    assert confidence[..., 0] == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-6)
    assert confidence[..., 1] == pytest.approx(1 / (1 + np.exp(2)), abs=1e-6)


def test_draws_depend_on_seed_image_and_draw_only(data, tmp_path):
    dataset, paths, out = data
    measure(Corner(), dataset, paths, out, settings(), seed=5)
    fewer = {"good": paths["good"]}
    measure(Corner(), dataset, fewer, tmp_path / "b.h5", settings(draws=2, batch_size=64), seed=5)
    one, other = read_occlusion(out)[0], read_occlusion(tmp_path / "b.h5")[0]
    assert np.allclose(one[CONTROL].confidence[:, :2], other[CONTROL].confidence, atol=1e-7)
    measure(Corner(), dataset, fewer, tmp_path / "c.h5", settings(), seed=6)
    third = read_occlusion(tmp_path / "c.h5")[0]
    assert not np.allclose(one[CONTROL].confidence, third[CONTROL].confidence)


def test_occlusion_equals_painting_the_image_by_hand():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 3)).eval()
    image, fill = torch.rand(3, 8, 8), torch.rand(3, 8, 8)
    order = np.stack([np.random.default_rng(i).permutation(64).reshape(8, 8) for i in range(5)])
    counts = np.array([0, 10, 64])
    layers = list_layers(model, image)
    got = occluded_confidence(
        model, image, layers, orders=order, counts=counts, fill=fill, batch_size=4
    )
    target = int(model(image[None]).argmax())
    for sequence in range(5):
        for step, count in enumerate(counts):
            painted = image.clone()
            for r, c in np.argwhere(order[sequence] < count):
                painted[:, r, c] = fill[:, r, c]
            expected = torch.softmax(model(painted[None]), 1)[0, target].item()
            assert got[sequence, step] == pytest.approx(expected, abs=1e-6)


def test_fill_is_the_mean_of_the_training_images(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3), dtype=np.uint8)
    split = np.arange(9) % 3 == 2
    write_dataset(tmp_path / "d.h5", Images(images, np.zeros(9), split, ["a"]))
    dataset = open_dataset(tmp_path / "d.h5")
    mean = images[~split].mean(0).transpose(2, 0, 1)
    assert mean_fill(dataset, "mean_image").numpy() == pytest.approx(mean, abs=1e-4)
    colour = mean_fill(dataset, "mean_colour").numpy()
    assert colour == pytest.approx(
        np.broadcast_to(mean.mean((1, 2), keepdims=True), mean.shape), abs=1e-4
    )


def test_heatmaps_of_other_images_are_refused(data, tmp_path):
    dataset, paths, out = data
    with h5py.File(paths["good"], "r+") as file:
        file["image_index"][...] = file["image_index"][:] + 1
    with pytest.raises(VebiError, match="lacks heatmaps"):
        measure(Corner(), dataset, paths, out, settings(), seed=0)
    assert not out.exists()


def made_up(shift=0.0, seed=0):
    confidence = np.random.default_rng(seed).random((30, 4, 5)) * 0.1 + 0.5 + shift
    confidence[:, :, 0] = 1
    return Occlusion(confidence, np.arange(30), np.arange(30) // 2)


def test_curve_table_holds_means_drops_and_intervals():
    fractions = np.linspace(0, 0.4, 5)
    table = curve_table({"vebi": made_up()}, fractions)
    assert table["covered_fraction"].tolist() == fractions.tolist()
    per_image = made_up().confidence.mean(1)
    assert table["mean_confidence"].to_numpy() == pytest.approx(per_image.mean(0))
    assert table["mean_confidence_drop"].to_numpy() == pytest.approx(1 - per_image.mean(0))
    # Student's t of 15 scenes of two images; uncovered, all are alike.
    by_scene = per_image.reshape(15, 2, 5).mean(1)[:, 1:]
    ends = stats.ttest_1samp(by_scene, 0).confidence_interval()
    assert table["ci_low"].to_numpy()[1:] == pytest.approx(ends.low)
    assert table["ci_high"].to_numpy()[1:] == pytest.approx(ends.high)
    assert np.isnan(table["ci_low"][0])
    assert set(table["over"]) == {"scenes"}
    # What was not measured is blank.
    assert table["relevant_confidence"].isna().all()
    assert (table["n_relevant"] == 0).all()


def test_an_image_without_a_map_is_left_out_where_a_map_is_covered():
    item = made_up()
    relevant = np.array(item.confidence)
    relevant[:10] = np.nan
    area = np.full((30, 5), 0.01)
    area[:10] = np.nan
    with_map = replace(item, relevant=relevant, relevant_area=area)
    table = curve_table({"vebi": with_map}, np.linspace(0, 0.4, 5))
    assert (table["n_relevant"] == 20).all()
    assert table["relevant_confidence"].to_numpy() == pytest.approx(relevant[10:].mean((0, 1)))
    assert table["relevant_area"].to_numpy() == pytest.approx(0.01)
    other = replace(item, relevant=np.array(item.confidence) + 0.1, relevant_area=area)
    run = {"vebi": with_map, "deconv_gb": other}
    row = paired_table([run]).iloc[0]
    assert row["relevant_difference"] == pytest.approx(-0.1)
    assert row["difference"] == 0


def test_paired_table_of_a_constant_shift():
    shifts = {0: -0.2, 1: -0.3}
    runs = [{"vebi": made_up(d, s), "deconv_gb": made_up(0, s)} for s, d in shifts.items()]
    table = paired_table(runs).set_index("method")
    row = table.loc["vebi"]
    # The uncovered image is the same for both and left out.
    assert row["difference"] == pytest.approx(-0.25)
    # Scenes agree, so what is left is Student's t of two networks.
    ends = stats.ttest_1samp([-0.2, -0.3], 0)
    assert row["ci_low"] == pytest.approx(ends.confidence_interval().low)
    assert row["ci_high"] == pytest.approx(ends.confidence_interval().high)
    assert row["p_value"] == pytest.approx(ends.pvalue)
    assert row["over"] == "networks and scenes"
    assert row["absolute_difference"] == pytest.approx(0.25)
    assert row["curve_difference"] == pytest.approx(0.25)
    assert row["published_difference"] == 0.02
    assert row["n_seeds"] == 2
    assert (row["n_images"], row["n_scenes"]) == (30, 15)


def test_views_of_one_scene_are_no_independent_evidence():
    noise = np.random.default_rng(0).normal(size=10)
    ours, theirs = made_up(), made_up()
    ours.confidence[:, :, 1:] += np.repeat(0.1 + 0.1 * noise, 3)[:, None, None]
    scenes = np.repeat(np.arange(10), 3)
    apart, together = (
        paired_table(
            [{"vebi": replace(ours, scene=s), "deconv_gb": replace(theirs, scene=s)}]
        ).iloc[0]
        for s in (np.arange(30), scenes)
    )
    width = [row["ci_high"] - row["ci_low"] for row in (apart, together)]
    # Ten values that count once and not three times, with Student's quantiles of 9 and 29.
    expected = np.sqrt(3 * 29 / 27) * stats.t.ppf(0.975, 9) / stats.t.ppf(0.975, 29)
    assert width[1] / width[0] == pytest.approx(expected)
    assert together["p_value"] > apart["p_value"]


def test_absolute_difference_sees_what_cancels():
    ours, theirs = made_up(), made_up()
    ours.confidence[::2, :, 1:] += 0.1
    ours.confidence[1::2, :, 1:] -= 0.1
    row = paired_table([{"vebi": ours, "deconv_gb": theirs}]).iloc[0]
    assert row["difference"] == pytest.approx(0, abs=1e-12)
    assert row["curve_difference"] == pytest.approx(0, abs=1e-12)
    assert row["absolute_difference"] == pytest.approx(0.1)
    assert row["p_value"] > 0.05


def test_paired_table_refuses_other_images():
    other = Occlusion(made_up().confidence, np.arange(1, 31), np.arange(30))
    with pytest.raises(VebiError, match="same images"):
        paired_table([{"vebi": made_up(), "deconv_gb": other}])


def test_tables_of_files_have_a_row_per_key(data):
    dataset, paths, out = data
    measure(Corner(), dataset, paths, out, settings(), seed=0)
    runs = [{"dataset": "d", "model": "m", "seed": seed} for seed in (0, 1)]
    tables = tabulate([out, out], runs)
    assert len(tables["occlusion"]) == 2 * 3 * 4
    assert set(tables["occlusion_paired"]["reference"]) == {CONTROL}
    curve = tables["occlusion"].query("method == 'good' and seed == 0")["mean_confidence"]
    assert all(later < earlier for earlier, later in pairwise(curve))
