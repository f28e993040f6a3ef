"""The configuration of the study, and the networks that came with it."""

import copy
from pathlib import Path

import pytest
import torch
import yaml

from vebi.config import parse_config
from vebi.io.errors import VebiError
from vebi.models.nets import NetSpec, build
from vebi.network import list_layers
from vebi.perturbation.resample import convolution_responses
from vebi.run.plan import Plan
from vebi.studies.perturbation import get_runs, kept_epochs

CONFIG = Path(__file__).parents[4] / "config"
BASE = yaml.safe_load((CONFIG / "config.yaml").read_text())


def with_section(**changes):
    values = copy.deepcopy(BASE)
    values["resampling"] |= changes
    return values


def test_the_studys_own_configuration() -> None:
    values = BASE | {"models": dict(BASE["models"])}
    extra = yaml.safe_load((CONFIG / "resampling.yaml").read_text())
    for key, value in extra.items():
        merges = isinstance(value, dict) and isinstance(values.get(key), dict)
        values[key] = values[key] | value if merges else value
    config = parse_config(values)
    assert config.resampling is not None
    assert config.resampling.datasets is None
    assert {"resampling_correlation", "resampling_precision"} <= set(config.heatmaps.methods)


def test_without_the_section_there_is_no_study() -> None:
    assert parse_config(BASE | {"resampling": None}).resampling is None


TWICE = [{"name": "affine", "strength": 0.1}, {"name": "affine", "strength": 0.2}]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"datasets": ["mnsit"]}, "'mnsit' is not there; allowed: "),
        ({"seeds": 9}, "is 9, but seeds has only 3; allowed: 1 to 3"),
        ({"perturbations": TWICE}, "perturbations: the same value stands there twice"),
        ({"perturbations": [{"name": "snow", "strength": 1.0}]}, "snow"),
        ({"k": [5, 5]}, "resampling.k: the same value"),
        ({"copies": 1}, "copies"),
        ({"epoch_study": {"epochs": [99]}}, "none is within the 8 epochs of model"),
    ],
    ids=["data set", "seeds", "perturbation twice", "unknown", "k", "copies", "epochs"],
)
def test_what_can_not_be(changes, message: str) -> None:
    with pytest.raises(VebiError, match=message):
        parse_config(with_section(**changes))


def test_a_vgg_for_any_size() -> None:
    """Thirteen convolutions are theirs, six ours; the last block is not pooled before the mean."""
    for shape in ((1, 28, 28), (3, 16, 16), (3, 112, 112)):
        net = build(NetSpec("vgg_gap", shape, 2, 64.0))
        layers = list_layers(net, torch.zeros(shape))
        wanted = convolution_responses(layers)
        assert [layer.name for layer in wanted] == [
            f"relu{b}_{n}" for b in (1, 2, 3) for n in (1, 2)
        ]
        assert wanted[-1].shape == (128, shape[1] // 4, shape[2] // 4)
        assert layers[-1].name == "gap"
        assert layers[-1].shape == (128, 1, 1)
    build(NetSpec("patch_cnn", (3, 16, 16), 5, 64.0))


@pytest.mark.parametrize(
    ("trained", "kept"), [(10, [1, 2, 4, 8, 10]), (8, [1, 2, 4, 8]), (3, [1, 2, 3]), (1, [1])]
)
def test_the_last_epoch_of_a_network_is_always_kept(trained: int, kept: list[int]) -> None:
    values = with_section(epoch_study={"epochs": [1, 2, 4, 8]})
    values["models"] = {
        name: {**model, "epochs": trained} for name, model in values["models"].items()
    }
    plan = Plan(parse_config(values), Path("results"))
    studied, other = get_runs(plan)[0], plan.runs()[-1]
    assert kept_epochs(plan, studied) == kept
    assert other not in get_runs(plan)
    assert kept_epochs(plan, other) == []
