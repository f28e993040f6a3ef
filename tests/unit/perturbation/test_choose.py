import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.perturbation.choose import CHOICES, choose, similarity, top_channels
from vebi.perturbation.metrics import Metrics


def metrics(correlation, precision, activation=None) -> Metrics:
    correlation, precision = np.array(correlation, float), np.array(precision, float)
    activation = np.ones(len(correlation)) if activation is None else np.array(activation, float)
    return Metrics(correlation, precision, precision[::-1], activation, correlation > 0)


def test_top_channels() -> None:
    assert top_channels(np.array([0.2, 0.9, 0.0, 0.9]), 3).tolist() == [1, 3, 0]
    assert top_channels(np.array([0.2, np.inf, 0.0]), 5).tolist() == [1, 0]
    assert top_channels(np.zeros(4), 2).tolist() == []


def test_both_wants_both() -> None:
    m = metrics([0.9, 0.8, 0.7, 0.1, 0], [0, 5, 9, 7, 10])
    rng = np.random.default_rng(0)
    assert choose(m, "correlation", 2, rng).tolist() == [0, 1]
    assert choose(m, "precision", 2, rng).tolist() == [4, 2]
    assert choose(m, "relative_precision", 2, rng).tolist() == [0, 2]
    # Ranks by correlation 0 1 2 3 4, by precision 4 3 1 2 0: channel 2 has 3, 1 has 4, 3 has 5.
    assert choose(m, "both", 3, rng).tolist() == [2, 1, 3]


@given(st.data())
def test_random_channels_are_in_neither(data) -> None:
    n, k = data.draw(st.integers(1, 20)), data.draw(st.integers(1, 6))
    numbers = st.lists(st.sampled_from([0, 0.1, 0.5, 2, np.inf]), min_size=n, max_size=n)
    m = metrics(data.draw(numbers), data.draw(numbers), data.draw(numbers))
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    sets = {choice: choose(m, choice, k, rng).tolist() for choice in CHOICES}
    for chosen in sets.values():
        assert len(chosen) == len(set(chosen)) <= k
        assert all(0 <= c < n for c in chosen)
    selected = {*sets["correlation"], *sets["precision"]}
    for control in ("random", "random_active"):
        assert not selected & set(sets[control])
    assert len(sets["random"]) == min(k, n - len(selected))
    assert all(m.activation[c] != 0 for c in sets["random_active"])


def test_similarity_by_hand() -> None:
    pairs = [(np.array([1, 2, 3]), np.array([3, 4, 5])), (np.array([1, 2]), np.array([2, 1]))]
    found = similarity(pairs)
    assert found["published"] == pytest.approx(3 / 10)
    assert found["dice"] == pytest.approx(6 / 10)
    assert found["jaccard"] == pytest.approx(3 / 7)
    assert similarity([(np.array([]), np.array([]))]) == dict.fromkeys(found, 0.0)
    # Equal sets: the published measure reaches a half and no more.
    assert similarity([(np.arange(5), np.arange(5))])["published"] == 0.5
