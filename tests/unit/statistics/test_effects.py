"""Effects over networks, scenes and draws: scipy, printed tables, brute force, and what is not known."""

import numpy as np
import pytest
from scipy import stats

from vebi.io.errors import VebiError
from vebi.statistics import (
    Cell,
    Estimate,
    contrast,
    over_networks,
    over_networks_and_draws,
    over_networks_and_scenes,
    over_scenes,
    predict,
    scene_means,
)


def table(seed: int = 0, networks: int = 5, scenes: int = 8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (networks, scenes)
    return (
        0.3 + rng.normal(size=(networks, 1)) + rng.normal(size=(1, scenes)) + rng.normal(size=shape)
    )


def mean_squares(values: np.ndarray) -> tuple[float, float, float]:
    """MS of networks, scenes and rest of a complete table, by loops."""
    n, j = values.shape
    mean = values.mean()
    a = sum(j * (values[i].mean() - mean) ** 2 for i in range(n)) / (n - 1)
    b = sum(n * (values[:, k].mean() - mean) ** 2 for k in range(j)) / (j - 1)
    e = sum(
        (values[i, k] - values[i].mean() - values[:, k].mean() + mean) ** 2
        for i in range(n)
        for k in range(j)
    )
    return a, b, e / ((n - 1) * (j - 1))


def test_over_networks_is_scipys_one_sample_t_test():
    values = np.random.default_rng(1).normal(0.3, 1, 7)
    found, expected = over_networks(values), stats.ttest_1samp(values, 0.1)
    assert found.p_value(0.1) == pytest.approx(expected.pvalue)
    for level in (0.9, 0.95):
        ends = expected.confidence_interval(level)
        assert found.interval(level) == pytest.approx((ends.low, ends.high))
    assert (found.low, found.high) == found.interval(0.95)
    assert (found.n_networks, found.n_scenes, found.df) == (7, 0, 6)
    assert over_scenes(values).interval() == found.interval()
    assert (over_scenes(values).n_networks, over_scenes(values).n_scenes) == (1, 7)


def test_students_example_of_sleep():
    """Cushny and Peebles' differences (Student 1908): mean 1.58, t = 4.06, p = 0.0028; 0.70 to 2.46."""
    found = over_networks(np.array([1.2, 2.4, 1.3, 1.3, 0.0, 1.0, 1.8, 0.8, 4.6, 1.4]))
    assert found.value == pytest.approx(1.58)
    assert found.value / found.standard_error == pytest.approx(4.06, abs=0.005)
    assert found.p_value() == pytest.approx(0.0028, abs=5e-5)
    assert found.interval() == pytest.approx((0.70, 2.46), abs=0.005)


def test_two_one_sided_tests_are_scipys_and_agree_with_the_90_percent_interval():
    values = np.random.default_rng(2).normal(0.02, 0.1, 12)
    found = over_networks(values)
    below = stats.ttest_1samp(values, 0.1, alternative="less").pvalue
    above = stats.ttest_1samp(values, -0.1, alternative="greater").pvalue
    assert found.p_negligible(0.1) == pytest.approx(max(below, above))
    low, high = found.interval(0.9)
    edge = max(-low, high)
    assert found.p_negligible(edge * 1.0001) < 0.05 < found.p_negligible(edge * 0.9999)


def test_what_does_not_apply_is_left_out():
    values = np.array([0.3, np.nan, 0.5, 0.1])
    assert over_networks(values).interval() == over_networks(values[[0, 2, 3]]).interval()
    assert over_networks(values).n_networks == 3
    images = np.array([1.0, 3, np.nan, np.nan, 5, 7, 9])
    means = scene_means(images, np.array([4, 4, 4, 2, 9, 9, 9]))
    np.testing.assert_array_equal(means, [np.nan, 2.0, 7.0])
    both = scene_means(np.stack([images, 2 * images]), np.array([4, 4, 4, 2, 9, 9, 9]))
    np.testing.assert_array_equal(both, [means, 2 * means])


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        (over_networks(np.array([])), "no data"),
        (over_networks(np.full(3, np.nan)), "no data"),
        (over_networks(np.array([0.2])), "one network"),
        (over_scenes(np.array([0.2])), "one scene"),
        (over_networks(np.full(5, 0.25)), "no variance"),
        (over_networks_and_draws(table(networks=1)), "one network"),
        (over_networks_and_scenes(table(networks=1)), "one network"),
        (over_networks_and_scenes(table(scenes=1)), "one scene"),
        (over_networks_and_scenes(np.full((4, 6), 0.25)), "no variance"),
        (over_networks_and_scenes(np.full((4, 6), np.nan)), "no data"),
    ],
)
def test_what_is_not_known_has_no_interval_and_says_why(found: Estimate, problem: str):
    assert found.problem == problem
    assert np.isnan([*found.interval(), found.p_value(), found.p_negligible(0.1)]).all()


def test_no_difference_but_for_rounding_has_p_one():
    noise = np.array([1e-17, 3e-17, 2e-17])
    assert over_networks(noise).p_value() == 1.0
    assert over_networks_and_scenes(np.outer(noise, [1, 2, 1, 4])).p_value() == 1.0
    assert over_networks(np.full(4, 0.1 + 0.2)).problem == "no variance"
    assert over_networks(np.full(4, 0.3)).p_value(0.1 + 0.2) == 1.0


def test_three_equal_networks_still_differ_between_scenes():
    """A selection that loses two of eight scenes in three equal networks: Student's t over scenes."""
    lost = np.array([1.0, 0, 0, 0, 1, 0, 0, 0])
    found = over_networks_and_scenes(np.tile(lost, (3, 1)))
    assert found.value == 0.25
    assert found.interval() == pytest.approx(over_scenes(lost).interval())
    assert found.df == pytest.approx(7)


def test_networks_alone_that_differ_are_students_t_over_networks():
    level = np.array([0.1, 0.4, 0.2, 0.7])
    found = over_networks_and_scenes(np.repeat(level[:, None], 6, axis=1))
    assert found.interval() == pytest.approx(over_networks(level).interval())


@pytest.mark.parametrize("seed", range(6))
def test_the_variance_is_that_of_the_two_way_table(seed: int):
    values = table(seed)
    a, b, e = mean_squares(values)
    found = over_networks_and_scenes(values)
    n, j = values.shape
    assert found.value == pytest.approx(values.mean())
    # Components of variance by hand.
    network, scene = max(a - e, 0) / j, max(b - e, 0) / n
    assert found.standard_error**2 == pytest.approx(network / n + scene / j + e / (n * j))
    t_a, t_b, t_e = (stats.t.ppf(0.975, df) for df in (n - 1, j - 1, (n - 1) * (j - 1)))
    half = np.sqrt((t_a**2 * j * network + t_b**2 * n * scene + t_e**2 * e) / (n * j))
    least = max((t_a**2 * a, a), (t_b**2 * b, b), key=lambda pair: pair[1])[0] / (n * j)
    assert found.high - found.value == pytest.approx(max(half, np.sqrt(least)))
    assert (found.p_value(found.low) - 0.05) == pytest.approx(0, abs=1e-9)


def test_a_negative_component_counts_as_zero():
    """Networks whose means are closer than chance would have them: the variance is the scenes'."""
    values = table(3)
    values -= values.mean(1, keepdims=True) - values.mean()
    a, b, _ = mean_squares(values)
    assert a < 1e-12 < b
    found = over_networks_and_scenes(values)
    assert found.standard_error**2 == pytest.approx(b / values.size)


def test_swapping_networks_and_scenes_changes_nothing():
    values = table(4, 6, 6)
    assert over_networks_and_scenes(values).interval() == pytest.approx(
        over_networks_and_scenes(values.T).interval()
    )


def test_many_tables_at_once_are_those_of_each():
    values = np.random.default_rng(5).normal(size=(3, 2, 4, 6))
    low, high = over_networks_and_scenes(values).interval()
    assert np.shape(low) == (3, 2)
    for index in np.ndindex(3, 2):
        one = over_networks_and_scenes(values[index])
        assert (low[index], high[index]) == pytest.approx(one.interval())


def test_missing_values_are_fitted_by_least_squares():
    """Brute force: dummy regression on networks and scenes, then the same sums by loops."""
    values = table(6)
    values[0, 3] = values[2, 5] = values[4, 0] = np.nan
    i, j = np.nonzero(~np.isnan(values))
    dummies = np.zeros((len(i), 13))
    dummies[np.arange(len(i)), i] = dummies[np.arange(len(i)), 5 + j] = 1
    effects, _, rank, _ = np.linalg.lstsq(dummies, values[i, j])
    rest = values[i, j] - dummies @ effects
    weight = np.array([1 / 5 / (i == k).sum() for k in i])
    a = ((effects[:5] - effects[:5].mean()) ** 2).sum() / 4 / 5
    per_scene = np.array([weight[j == k].sum() for k in range(8)])
    b = ((per_scene * (effects[5:] - effects[5:].mean())) ** 2).sum() * 8 / 7
    e = ((weight * rest) ** 2).sum() * len(i) / (len(i) - rank)
    found = over_networks_and_scenes(values)
    assert found.value == pytest.approx(np.nanmean(values, axis=1).mean())
    assert min(a, b) > e
    assert found.standard_error**2 == pytest.approx(a + b - e)


def test_an_empty_network_and_an_empty_scene_are_as_if_never_there():
    values = table(7)
    wider = np.full((6, 9), np.nan)
    wider[:5, :8] = values
    found, expected = over_networks_and_scenes(wider), over_networks_and_scenes(values)
    assert found.interval() == pytest.approx(expected.interval())
    assert (found.n_networks, found.n_scenes) == (5, 8)


def test_networks_that_share_no_scene_can_not_be_told_from_scenes():
    values = np.full((2, 4), np.nan)
    values[0, :2], values[1, 2:] = (0.1, 0.3), (0.2, 0.7)
    found = over_networks_and_scenes(values)
    assert found.value == pytest.approx((0.2 + 0.45) / 2)
    assert found.problem == "too few networks share scenes"
    assert np.isnan(found.low)


def test_patterns_of_missing_values_must_agree():
    values = np.zeros((2, 3, 4))
    values[1, 0, 0] = np.nan
    with pytest.raises(VebiError, match="one pattern at a time"):
        over_networks_and_scenes(values)


def test_draws_belong_to_their_network():
    values = np.random.default_rng(8).normal(size=(4, 10)) + np.arange(4)[:, None]
    values[1, 4:] = np.nan
    expected = stats.ttest_1samp(np.nanmean(values, axis=1), 0).confidence_interval()
    assert over_networks_and_draws(values).interval() == pytest.approx(
        (expected.low, expected.high)
    )


def test_a_pair_of_cells_on_the_same_networks_and_scenes_is_the_table_of_differences():
    first, second = table(9), table(10)
    shared = {"networks": "n", "scenes": "s"}
    found = contrast([Cell(first, **shared), Cell(second, **shared)], [1.0, -1.0])
    expected = over_networks_and_scenes(first - second)
    assert found.interval() == pytest.approx(expected.interval())
    assert (found.n_networks, found.n_scenes) == (5, 8)


def test_cells_of_their_own_are_welchs_test():
    """Without scenes, the difference of two cells is Welch's t test."""
    rng = np.random.default_rng(11)
    first, second = rng.normal(0.5, 1, 4), rng.normal(0, 3, 9)
    found = contrast([Cell(first, scenes=None), Cell(second, scenes=None)], [1.0, -1.0])
    expected = stats.ttest_ind(first, second, equal_var=False)
    assert found.p_value() == pytest.approx(expected.pvalue)
    assert found.df == pytest.approx(expected.df)


def test_shared_scenes_are_taken_once():
    """Two cells that are equal in every scene: their mean has the scenes' variance whole, not halved."""
    scene = np.random.default_rng(12).normal(size=8)
    cells = [Cell(np.tile(scene, (3, 1)), scenes="s"), Cell(np.tile(scene, (4, 1)), scenes="s")]
    assert contrast(cells, [0.5, 0.5]).standard_error == pytest.approx(
        over_scenes(scene).standard_error
    )
    assert contrast(cells, [1.0, -1.0]).standard_error == 0
    own = [Cell(c.values) for c in cells]
    assert contrast(own, [0.5, 0.5]).standard_error == pytest.approx(
        over_scenes(scene).standard_error / np.sqrt(2)
    )


def test_cells_that_share_must_be_of_one_size():
    cells = [Cell(table(scenes=6), scenes="s"), Cell(table(scenes=8), scenes="s")]
    with pytest.raises(VebiError, match=r"share their scenes have \[6, 8\]"):
        contrast(cells, [1.0, -1.0])


def test_prediction_is_the_closed_form():
    """mean 5, sd 1 of (4, 5, 6): t(2) = 4.3027, so 5 +- 4.3027 sqrt(1 + 1/3)."""
    found = predict(np.array([4.0, 5, 6, np.nan]))
    assert (found.value, found.n_networks, found.problem) == (5.0, 3, "")
    assert (found.low, found.high) == pytest.approx((5 - 4.9683, 5 + 4.9683), abs=1e-3)
    many = predict(np.array([4.0, 5, 6]), n_new=5)
    assert many.high - 5 == pytest.approx(4.3027 * np.sqrt(1 / 5 + 1 / 3), abs=1e-3)
    assert predict(np.array([0.9, 0.95, 1.0]), bounds=(0, 1)).high == 1.0
    assert found.relative_width(5.0) == pytest.approx(2 * 4.9683 / 5, abs=1e-3)
    assert found.relative_width(0.0) == np.inf


@pytest.mark.parametrize(
    ("values", "problem"), [([], "no data"), ([0.5], "one network"), ([0.5, 0.5], "no variance")]
)
def test_a_prediction_that_can_not_be_made_says_why(values: list[float], problem: str):
    found = predict(np.array(values))
    assert found.problem == problem
    assert np.isnan([found.low, found.high]).all()


def test_two_networks_and_two_scenes_are_the_least():
    values = np.array([[0.1, 0.4], [0.3, 0.5]])
    found = over_networks_and_scenes(values)
    assert found.problem == ""
    # MS of networks 0.0225, of scenes 0.0625, rest 0.0025: 0.0825 / 4.
    assert found.standard_error**2 == pytest.approx(0.0825 / 4)
