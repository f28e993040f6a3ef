"""The sections `robustness` and `feature_counts`."""

from pathlib import Path

import pytest
import yaml

from vebi.config import parse_config
from vebi.io.errors import VebiError

DEFAULT = yaml.safe_load((Path(__file__).parents[4] / "config/config.yaml").read_text())


def config(**changes):
    return parse_config({**DEFAULT, **changes})


def test_a_section_without_keys_has_the_settings_of_the_paper():
    checked = config(robustness={}, feature_counts={})
    assert checked.robustness.mu == [5, 10]
    assert checked.feature_counts.mu == [10]
    for section in (checked.robustness, checked.feature_counts):
        assert section.descriptors == ["vebi_text", "vebi_code"]
        assert section.nonnegative == [False, True]
    assert config().robustness is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"robustness": {"mu": [5, 5]}}, "robustness.mu: the same value"),
        ({"robustness": {"descriptor": []}}, "did you mean 'descriptors'"),
        ({"robustness": {"descriptors": ["mcgill_keras"]}}, "robustness.descriptors"),
        ({"feature_counts": {"mu": [0]}}, "feature_counts.mu"),
        (
            {
                "feature_counts": {},
                "selection": {**DEFAULT["selection"], "descriptor": "mcgill_keras"},
            },
            "feature_counts: needs selection.descriptor",
        ),
        (
            {"robustness": {}, "experiments": DEFAULT["experiments"][-1:]},
            "no experiment has a data set",
        ),
    ],
)
def test_mistakes_are_named(changes, says):
    with pytest.raises(VebiError, match=says):
        config(**changes)
