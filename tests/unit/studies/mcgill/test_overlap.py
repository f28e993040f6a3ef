"""The exact null of the overlap of two sets, by counting all of them."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vebi.studies.mcgill.overlap import overlap, overlap_in_strata


def as_mask(chosen, m):
    mask = np.zeros(m, bool)
    mask[list(chosen)] = True
    return mask


@given(st.integers(1, 7), st.data())
def test_expectation_and_p_value_by_counting(m, data):
    first = data.draw(st.sets(st.integers(0, m - 1)))
    second = data.draw(st.sets(st.integers(0, m - 1)))
    found = overlap(as_mask(first, m), as_mask(second, m))
    # Every set of the second's size is equally likely; the first may stay.
    draws = [set(c) for c in combinations(range(m), len(second))]
    jaccards = [len(first & d) / len(first | d) if first | d else 1.0 for d in draws]
    as_far = [len(first & d) >= len(first & second) for d in draws]
    assert found.shared == len(first & second)
    union = first | second
    assert found.jaccard == pytest.approx(len(first & second) / len(union) if union else 1.0)
    assert found.expected == pytest.approx(np.mean(jaccards))
    assert found.p_value == pytest.approx(np.mean(as_far))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 2)), min_size=1, max_size=9))
def test_strata_by_counting(filters):
    first, second, stratum = (np.array(column) for column in zip(*filters, strict=True))
    found = overlap_in_strata(first, second, stratum)
    per_stratum = []
    for value in np.unique(stratum):
        places = np.flatnonzero(stratum == value)
        per_stratum.append(list(combinations(places, int(second[places].sum()))))
    draws = [set(sum(parts, ())) for parts in product(*per_stratum)]
    one = set(np.flatnonzero(first))
    shared = [len(one & d) for d in draws]
    jaccards = [len(one & d) / len(one | d) if one | d else 1.0 for d in draws]
    assert found.expected == pytest.approx(np.mean(jaccards))
    assert found.p_value == pytest.approx(np.mean(np.array(shared) >= found.shared))


def test_equal_sets_are_no_accident_and_disjoint_ones_are_certain():
    first = as_mask(range(10), 100)
    same, other = overlap(first, first), overlap(first, ~first)
    assert same.jaccard == 1
    assert same.p_value < 1e-12
    assert other.jaccard == 0
    assert other.p_value == 1


def test_layers_explain_an_overlap_that_comes_from_liking_one_layer():
    """Both sets are 9 of the 10 filters of the first layer: at least 8 are shared whatever they are."""
    first, second = as_mask(range(9), 60), as_mask(range(1, 10), 60)
    layer = np.repeat([0, 1], [10, 50])
    assert overlap(first, second).p_value < 1e-6
    assert overlap_in_strata(first, second, layer).p_value == pytest.approx(1.0)
