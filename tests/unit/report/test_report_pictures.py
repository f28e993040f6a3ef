"""Images of the page, which of them are chosen, and the numbers of the mu path."""

import base64
import io

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import csr_array

from vebi.io.errors import VebiError
from vebi.report.curves import Selected, weight_paths
from vebi.report.gallery import MOST_PER_CLASS, choose_images
from vebi.report.pictures import encode_image, encode_map, encode_mask, read_figure
from vebi.selection.path import ClassPath
from vebi.selection.path_file import Solution, write_solution
from vebi.selection.statistics import FeatureIndex


def decode(uri):
    head, data = uri.split(",")
    assert head in ("data:image/webp;base64", "data:image/png;base64")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def test_small_pictures_are_kept_exactly():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (28, 28, 1), np.uint8)
    colour = rng.integers(0, 256, (30, 20, 3), np.uint8)
    assert np.array_equal(decode(encode_image(grey)), np.repeat(grey, 3, 2))
    assert np.array_equal(decode(encode_image(colour)), colour)
    mask = rng.random((28, 28)) < 0.3
    assert np.array_equal(decode(encode_mask(mask))[..., 0] == 255, mask)


def test_a_map_has_the_colours_of_the_figures():
    values = (np.arange(28 * 28) % 256 / 255).reshape(28, 28)
    expected = mpl.colormaps["inferno"](values)[..., :3] * 255
    assert np.abs(decode(encode_map(values)) - expected).max() <= 1
    down, across = np.mgrid[0:112, 0:112] / 111
    smooth = np.exp(-8 * ((down - 0.6) ** 2 + (across - 0.4) ** 2))
    expected = mpl.colormaps["inferno"](smooth)[..., :3] * 255
    error = np.abs(decode(encode_map(smooth)) - expected).mean()
    assert error < 0.012 * 255, "a heatmap loses no more than 1.2 % of the scale"


def test_large_pictures_get_smaller_and_keep_their_shape():
    assert decode(encode_image(np.zeros((448, 224, 3), np.uint8))).shape == (160, 80, 3)


def test_a_plot_is_kept_exactly_and_a_picture_gets_smaller(tmp_path):
    plot = np.full((200, 300, 3), 255, np.uint8)
    plot[50:60] = (0, 114, 178)
    Image.fromarray(plot).save(tmp_path / "plot.png")
    found = read_figure(tmp_path / "plot.png")
    assert (found.width, found.height) == (300, 200)
    assert np.array_equal(decode(found.uri), plot)
    smooth = np.random.default_rng(0).normal(128, 9, (200, 300, 3)).clip(0, 255).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "picture.png")
    found = read_figure(tmp_path / "picture.png")
    assert len(found.uri) < (tmp_path / "picture.png").stat().st_size
    assert np.abs(decode(found.uri) - smooth.astype(float)).mean() < 8
    assert read_figure(tmp_path / "picture.png") == found


def test_no_image_is_said_so(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(VebiError, match=r"a\.png can't be read as an image"):
        read_figure(tmp_path / "a.png")


@given(
    st.lists(st.tuples(st.integers(0, 7), st.booleans()), min_size=1, max_size=120),
    st.integers(1, 40),
)
def test_the_choice_is_balanced_and_has_a_mistake_where_there_is_one(images, largest):
    labels = np.array([label for label, _ in images])
    predictions = np.where([right for _, right in images], labels, labels + 1)
    chosen = choose_images(labels, predictions, largest)
    assert len(set(chosen)) == len(chosen)
    assert np.array_equal(chosen, choose_images(labels, predictions, largest))
    shown = np.unique(labels[chosen])
    assert len(shown) == min(largest, len(np.unique(labels)))
    counts = [int((labels[chosen] == label).sum()) for label in shown]
    assert sum(counts) <= largest
    assert max(counts) <= MOST_PER_CLASS
    for label in shown:
        of_class = labels == label
        if (predictions[of_class] != label).any():
            picked = chosen[of_class[chosen]]
            assert (predictions[picked] != label).any()


def class_path(weights, mus):
    """Breakpoints with the given weights (K, m) at the given mu."""
    rows = csr_array(np.asarray(weights, float))
    nothing = np.zeros(len(mus))
    return ClassPath(
        l1_norm=np.asarray(mus, float),
        indptr=rows.indptr.astype(np.int64),
        indices=rows.indices.astype(np.int64),
        data=rows.data,
        multiplier=nothing,
        objective=nothing,
        relative_gap=nothing,
        n_features=rows.shape[1],
        mu_max=float(mus[-1]),
    )


def test_paths_are_the_solution_and_the_strongest_features_come_first(tmp_path):
    # Feature 1 grows to 1 until mu = 1; then feature 0 joins, to -3 at mu = 4.
    one = class_path([[0, 0, 0], [0, 1, 0], [-3, 1, 0]], [0, 1, 4])
    other = class_path([[0, 0, 0], [0, 0, 4]], [0, 4])
    solution = Solution(
        classes=[one, other],
        columns=np.arange(3),
        index=FeatureIndex(
            np.array(["conv1", "conv1", "fc"]), np.array([0, 7, 2]), np.array(["conv"] * 3)
        ),
        mus=np.array([4.0]),
        objective=np.zeros((1, 2)),
        relative_gap=np.zeros((1, 2)),
        scope="all",
        labels="annotations",
        nonnegative=False,
        solver="path",
        n_samples=9,
    )
    write_solution(tmp_path / "path.h5", solution)
    found = weight_paths(Selected("d", "m", 0, tmp_path / "path.h5", ("red", "blue"), 1.5))
    first, second = found["classes"]
    assert [f["name"] for f in first["features"]] == ["conv1, channel 7", "conv1, channel 0"]
    assert [f["name"] for f in second["features"]] == ["fc, channel 2"]
    for mu, y, z, n in zip(
        found["x"],
        first["features"][0]["y"],
        first["features"][1]["y"],
        first["count"],
        strict=True,
    ):
        assert y == pytest.approx(min(mu, 1), abs=2e-4)
        assert z == pytest.approx(-max(mu - 1, 0), abs=2e-4)
        assert n == 1 + (mu > 1)
    assert second["name"] == "blue"
    assert found["x"][-1] == 4
