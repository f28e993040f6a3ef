"""The interval of a test accuracy."""

import pandas as pd
import pytest

from vebi.statistics import wilson_interval
from vebi.studies.networks.tables import add_test_interval


def test_interval_comes_from_the_data_sets_own_number_of_images():
    training = pd.DataFrame({"dataset": ["a", "b"], "test_accuracy": [0.9, 0.666667]})
    table = add_test_interval(training, {"a": 10, "b": 9, "c": 7})
    assert table["n_test"].tolist() == [10, 9]
    ends = list(zip(table["test_accuracy_ci_low"], table["test_accuracy_ci_high"], strict=True))
    # History files round to six decimals: 0.666667 of 9 images is 6.
    assert ends == [wilson_interval(9, 10), wilson_interval(6, 9)]
    assert ends[0] == pytest.approx((0.5958, 0.9821), abs=1e-4)  # Wilson 1927, by hand
